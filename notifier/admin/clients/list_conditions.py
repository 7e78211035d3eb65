"""The filters of the client list as the conditions of an audience: to send to its clients once, or to save them.

A filter that no condition is as exact as is refused, never left out: fewer conditions are more clients.
"""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.clients import field_filters
from notifier.admin.clients.field_filters import ANY, NONE
from notifier.admin.clients.list_filters import ActiveFilter, ConsentFilter, LanguageFilter
from notifier.admin.clients.request_fields import fields_of, tags_of
from notifier.fields.definitions import Definition
from notifier.languages import offered
from notifier.models import Channel, Topic
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import known as knowing
from notifier.saved_audiences.document import Document, Group, Line
from notifier.values.base import TYPED, FieldKind
from notifier.wording import numbers

#: They say how the list is shown, and not whom.
_SHOWN = frozenset({"o", "p", "e", "all"})
_CONVERTED = frozenset({ConsentFilter.parameter_name, LanguageFilter.parameter_name})
_CALLED = {
    "q": _("a search"),
    "landline": _("landlines"),
    "reach": _("who would get something"),
    "audience": _("an audience, which you can choose on the page that sends"),
    "conditions": _("conditions already"),
    "turnover": _("who joined or left an audience"),
}


#: Letters of a URL that conditions may take: gunicorn refuses a longer line than 4,094.
MAX_URL = 3_000


class NoConditions(ValueError):
    """The list is not to be had by conditions; the text tells staff why."""


def may_be(query: QueryDict) -> bool:
    """Whether the list is narrowed by something that can be a condition."""
    names = [name for name in query if name in _CONVERTED or field_filters.is_ours(name)]
    return any(value.strip() for name in names for value in query.getlist(name))


def of_query(request: HttpRequest, query: QueryDict) -> Document:
    """Of the list with this query. Raises `NoConditions`, and `BrokenAudience` for more than an audience may have."""
    parts: list[Line | Group] = []
    for name in query:
        values = [value for value in query.getlist(name) if value.strip()]
        if values and name not in _SHOWN:
            parts += _parts(request, name, values)
    found = Document(tuple(parts))
    documents.check_size(found)
    found = documents.parse(documents.as_json(found))
    knowing.check(found, knowing.of(found))
    if len(quote(documents.as_text(found))) > MAX_URL:
        raise NoConditions(
            gettext("These are too many filters at once. Make an audience of them on the page of audiences.")
        )
    return found


def _parts(request: HttpRequest, name: str, values: Sequence[str]) -> Iterator[Line | Group]:
    match name:
        case ActiveFilter.parameter_name:
            # Archived clients are in no audience, so the active ones need no condition.
            if values[-1] != "active":
                raise NoConditions(gettext("Archived clients can’t be sent to."))
        case ConsentFilter.parameter_name:
            yield _consent(values[-1])
        case LanguageFilter.parameter_name:
            yield from _language(values[-1])
        case field_filters.TAG:
            for value in values:
                yield _tag(request, value)
        case _ if field_filters.is_ours(name):
            yield _field(request, name, values)
        case _:
            what = _CALLED.get(name, f"“{name}”")
            raise NoConditions(
                gettext("The list is filtered by %(what)s. Remove that filter first: it can’t be a condition.")
                % {"what": what}
            )


def _consent(value: str) -> Line:
    slug, _, channel = value.rpartition(".")
    topic = Topic.objects.filter(slug=slug).first()
    if topic is None or channel not in Channel.values:
        raise NoConditions(gettext("The list is filtered by a topic that there is not any more. Clear the filters."))
    return Line(documents.CONSENT, channel, topic.pk)


def _language(value: str) -> Iterator[Line]:
    """The list asks what is on record, and a condition in which somebody is written to, which may be the default."""
    if value == LanguageFilter.NOT_SET:
        yield Line(documents.LANGUAGE, documents.KNOWN, is_negated=True)
        return
    if value not in offered.codes():
        raise NoConditions(
            gettext("The list is filtered by a language that clients can’t have any more. Clear the filters.")
        )
    yield Line(documents.LANGUAGE, documents.ONE_OF, values=(value,))
    if value == offered.default():
        yield Line(documents.LANGUAGE, documents.KNOWN)


def _tag(request: HttpRequest, value: str) -> Line:
    number = numbers.read_id(value)
    if number is None or not any(tag.pk == number for tag in tags_of(request)):
        raise NoConditions(
            gettext("“No tag” can’t be a condition, nor a tag that was deleted. Remove that filter first.")
        )
    return Line(documents.TAG, documents.HAS, number)


# --- Fields -----------------------------------------------------------------------------------------------------------
_ENDS = {"from": documents.LEAST, "to": documents.MOST, "contains": documents.CONTAINS, "begins": documents.BEGINS}


def _field(request: HttpRequest, name: str, values: Sequence[str]) -> Line | Group:
    key = field_filters.key_of(name)
    definition = next((one for one in fields_of(request) if one.key == key), None)
    part = name.removeprefix(f"{field_filters.PREFIX}{key}").removeprefix(".")
    if definition is None or (part and _ENDS.get(part) not in knowing.FIELD_VERBS[definition.field.kind]):
        raise NoConditions(gettext("The list is filtered by a field that there is not any more. Clear the filters."))
    if not part:
        return _chosen(definition, values)
    text = values[-1][: field_filters.MAX_PARTS_LETTERS] if definition.field.is_text else _typed(definition, values[-1])
    return Line(documents.FIELD, _ENDS[part], definition.id, (text,))


def _typed(definition: Definition, text: str) -> Any:
    try:
        return definition.type.store(definition.type.read(text, TYPED))
    except (ValueError, TypeError) as error:
        raise NoConditions(f"{definition.label}: {error}") from error


def _chosen(definition: Definition, values: Sequence[str]) -> Line | Group:
    """Any of what was ticked; “has a value” and “no value” among them are conditions of their own."""
    verb = documents.ANY_OF if definition.field.kind == FieldKind.CHOICES else documents.ONE_OF
    ticked = tuple(_ticked(value) for value in dict.fromkeys(values) if value not in (ANY, NONE))
    lines = [Line(documents.FIELD, verb, definition.id, ticked)] if ticked else []
    lines += [
        Line(documents.FIELD, documents.KNOWN, definition.id, (), value == NONE)
        for value in (ANY, NONE)
        if value in values
    ]
    return lines[0] if len(lines) == 1 else Group(tuple(lines))


def _ticked(value: str) -> int:
    number = {"yes": 1, "no": 0}.get(value, numbers.read_id(value))
    if number is None:
        raise NoConditions(gettext("The list is filtered by something that a field can’t be. Clear the filters."))
    return number
