"""What a document names, as it is now: fields, tags, topics and broadcasts. Tells what of it is gone. Read only."""

from collections.abc import Mapping
from dataclasses import dataclass

from notifier.fields import definitions
from notifier.fields.definitions import Definition, Definitions
from notifier.languages import offered
from notifier.models import Broadcast, Tag, Topic
from notifier.saved_audiences import document as documents
from notifier.saved_audiences.document import BrokenAudience, Document, Line, Value
from notifier.values.base import CHOSEN, FieldKind
from notifier.values.options import Option

#: By the kind of a field: what may be said of it.
_NUMBERS = (documents.ONE_OF, documents.LESS, documents.MORE, documents.LEAST, documents.MOST, documents.KNOWN)
FIELD_VERBS: Mapping[str, tuple[str, ...]] = {
    FieldKind.TEXT: (documents.ONE_OF, documents.CONTAINS, documents.BEGINS, documents.KNOWN),
    FieldKind.WHOLE: _NUMBERS,
    FieldKind.DECIMAL: _NUMBERS,
    FieldKind.MONEY: _NUMBERS,
    FieldKind.DATE: (*_NUMBERS[:-1], documents.LAST_DAYS, documents.NEXT_DAYS, documents.KNOWN),
    FieldKind.YES_NO: (documents.ONE_OF, documents.KNOWN),
    FieldKind.CHOICE: (documents.ONE_OF, documents.KNOWN),
    FieldKind.CHOICES: (documents.ANY_OF, documents.ALL_OF, documents.KNOWN),
}


@dataclass(frozen=True, slots=True)
class Known:
    """Read by as many queries as there are kinds of rows named, however many conditions."""

    definitions: Definitions
    tags: Mapping[int, Tag]
    topics: Mapping[int, Topic]
    broadcasts: Mapping[int, Broadcast]

    def definition(self, line: Line) -> Definition:
        """Raises `BrokenAudience`."""
        found = self.definitions.get(line.id)
        if found is None:
            raise BrokenAudience(_gone("field"))
        return found


def of(*asked: Document) -> Known:
    """What these documents name."""
    named = {about: set().union(*(one.named(about) for one in asked)) for about in documents.NAMING}
    tags, topics, sent = (named[one] for one in (documents.TAG, documents.CONSENT, documents.BROADCAST))
    return Known(
        definitions=definitions.every() if named[documents.FIELD] else Definitions([]),
        tags=Tag.objects.in_bulk(tags) if tags else {},
        topics=Topic.objects.in_bulk(topics) if topics else {},
        broadcasts=Broadcast.objects.in_bulk(sent) if sent else {},
    )


def problems(document: Document, known: Known) -> list[str]:
    """Why nobody can say who is in it, a sentence for each reason; empty where all is well."""
    found = (problem(line, known) for line in document)
    return list(dict.fromkeys(one for one in found if one))


def check(document: Document, known: Known) -> None:
    """Raises `BrokenAudience`: with something missing, an audience is neither everybody nor nobody."""
    if found := problems(document, known):
        raise BrokenAudience(" ".join(found))


def problem(line: Line, known: Known) -> str:
    """Of one condition; empty where all is well."""
    match line.about:
        case documents.FIELD:
            definition = known.definitions.get(line.id)
            return _field_problem(line, definition) if definition else _gone("field")
        case documents.TAG:
            return "" if line.id in known.tags else _gone("tag")
        case documents.CONSENT:
            return "" if line.id in known.topics else _gone("topic")
        case documents.BROADCAST:
            return "" if line.id in known.broadcasts else _gone(f"broadcast #{line.id}")
        case documents.LANGUAGE if gone := [value for value in line.values if value not in offered.codes()]:
            name = offered.name(str(gone[0]))
            return f"A condition names a language that clients can’t have any more: {name}. Remove or change it."
    return ""


def retired(document: Document, known: Known) -> list[str]:
    """What is still read, and gets no new values: a sentence for each field or option of which that is so."""
    found = []
    for line in document:
        if line.about != documents.FIELD or (definition := known.definitions.get(line.id)) is None:
            continue
        if definition.field.retired_at:
            found.append(f"The field “{definition.label}” is retired: clients keep its values, and get no new ones.")
        options: Mapping[int, Option] = getattr(definition.type, "options", {})
        for value in line.values:
            option = options.get(int(value)) if options else None
            if option and option.is_retired:
                found.append(f"The option “{option.label}” of “{definition.label}” is retired.")
    return list(dict.fromkeys(found))


def _field_problem(line: Line, definition: Definition) -> str:
    kind = definition.field.kind
    if line.verb not in FIELD_VERBS[kind]:
        return f"A condition about “{definition.label}” can’t be one of a field of this type."
    if line.verb in (documents.LAST_DAYS, documents.NEXT_DAYS):
        return ""
    options: Mapping[Value, Option] = getattr(definition.type, "options", {})
    if kind in CHOSEN and any(value not in options for value in line.values):
        return f"A condition names an option of “{definition.label}” that was deleted. Remove or change it."
    is_text = definition.field.is_text
    if any(isinstance(value, str) != is_text or not _is_one(value, definition) for value in line.values):
        return f"A condition about “{definition.label}” compares with what can’t be one of its values."
    return ""


def _is_one(value: Value, definition: Definition) -> bool:
    """Whether the field could have this value."""
    try:
        read = definition.type.load(value)
        return definition.field.kind in CHOSEN or definition.type.store(read) == value
    except ValueError:
        return False


def _gone(what: str) -> str:
    return f"A condition is about a {what} that was deleted. Remove or change it."
