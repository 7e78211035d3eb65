"""What a condition can be about, as the builder offers it: in which words, and with which values.

A kind of condition is added here, in `saved_audiences.document`, `compiling`, `facts` and `words`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.fields import definitions
from notifier.fields.definitions import Definition
from notifier.languages import offered as languages
from notifier.models import Broadcast, Tag, Topic
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import known as knowing
from notifier.saved_audiences import words
from notifier.saved_audiences.document import Line, Value
from notifier.saved_audiences.known import Known
from notifier.values.base import CHOSEN, FieldKind
from notifier.values.dates import DateType
from notifier.wording import numbers

#: Between several values of one condition.
SEPARATOR = ";"
#: Broadcasts to choose from: the newest.
MAX_BROADCASTS = 200
_RELATIVE = (documents.LAST_DAYS, documents.NEXT_DAYS)
#: These have an opposite in words of their own: “is before” is not “is not on or after” as well.
_PLAIN_ONLY = frozenset({documents.LESS, documents.MORE, documents.LEAST, documents.MOST})


@dataclass(frozen=True, slots=True)
class MenuOption:
    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Subject:
    """One entry of *Add a condition about …*."""

    #: "field:7", or what a condition is about.
    key: str
    label: str
    #: What can be said, such as "one_of", and "!one_of" for its opposite.
    verbs: Sequence[MenuOption]
    #: The rows that it may name, of which one is chosen.
    rows: Sequence[MenuOption] = ()
    #: The values of a list, of which several may be chosen.
    options: Sequence[MenuOption] = ()
    takes_text: bool = False
    hint: str = ""
    definition: Definition | None = None

    @property
    def about(self) -> str:
        return self.key.partition(":")[0]


def verb_key(line: Line) -> str:
    return f"!{line.verb}" if line.is_negated else line.verb


# --- All that there are -----------------------------------------------------------------------------------------------
def offered() -> dict[str, Subject]:
    """By their keys, in the order of the list."""
    found = [_of_field(one) for one in definitions.every()]
    found += [
        Subject(documents.TAG, "Tag", _both("has", "has", "does not have"), _rows(Tag.objects.order_by("folded"))),
        Subject(documents.CONSENT, "Consent", _CONSENT, _rows(Topic.objects.order_by("name"))),
        Subject(
            documents.LANGUAGE,
            "Language",
            [*_both(documents.ONE_OF, "is", "is not"), *_both(documents.KNOWN, "is set", "is not set")],
            options=[MenuOption(code, name) for code, name in languages.choices()],
            hint=f"In which a client is written to: where none is set, {languages.name(languages.default())}.",
        ),
        Subject(
            documents.TIME_ZONE,
            "Time zone",
            [*_both(documents.ONE_OF, "is", "is not"), *_both(documents.KNOWN, "is set", "is not set")],
            takes_text=True,
            hint="Such as Europe/Berlin; several with semicolons. Only zones that are set on the client’s page count.",
        ),
        Subject(documents.CREATED, "Added", _MOMENTS, takes_text=True, hint=str(_DAY_HINT)),
        Subject(documents.CHANGED, "Last changed", _MOMENTS, takes_text=True, hint=str(_DAY_HINT)),
        Subject(documents.BROADCAST, "A broadcast", _BROADCAST, _broadcasts(), hint=str(_BROADCAST_HINT)),
        Subject(
            documents.MESSAGES,
            "Messages",
            _both(documents.NONE_FOR, "none in the last … days", "some in the last … days"),
            takes_text=True,
            hint="A number of days. What was sent, or may have been, counts on either channel.",
        ),
    ]
    return {one.key: one for one in found}


def _both(verb: str, yes: str, no: str) -> list[MenuOption]:
    return [MenuOption(verb, yes), MenuOption(f"!{verb}", no)]


_CONSENT = [
    *_both(documents.EMAIL, "has agreed by e-mail to", "has not agreed by e-mail to"),
    *_both(documents.SMS, "has agreed by SMS to", "has not agreed by SMS to"),
    *_both(documents.EITHER, "has agreed by e-mail or SMS to", "has agreed to nothing of"),
]
_MOMENTS = [
    MenuOption(documents.LEAST, "on or after"),
    MenuOption(documents.LESS, "before"),
    *_both(documents.LAST_DAYS, "in the last … days", "not in the last … days"),
]
_BROADCAST = [
    *_both(documents.SENT, "was sent", "was not sent"),
    *_both(documents.RECEIVED, "received", "did not receive"),
    *_both(documents.MISSED, "did not get", "got, or may yet get,"),
]
_DAY_HINT = _("A date such as 2026-12-31, or a number of days.")
_BROADCAST_HINT = _(
    "Sent: the provider took a message, or may have. Received: it took one for certain. Did not get: nothing went out, "
    "and nothing is under way; clients who were not in that broadcast are among them."
)


def _rows(rows: Iterable[Tag | Topic]) -> list[MenuOption]:
    return [MenuOption(str(row.pk), str(row)) for row in rows]


def _broadcasts() -> list[MenuOption]:
    newest = Broadcast.objects.exclude(started_at=None).order_by("-pk")[:MAX_BROADCASTS]
    return [MenuOption(str(one.pk), str(one)) for one in newest]


# --- Fields -----------------------------------------------------------------------------------------------------------
#: In menus the number that is typed stands within the words.
_WITH_NUMBER: Mapping[str, tuple[str, str]] = {
    documents.LAST_DAYS: ("is in the last … days", "is not in the last … days"),
    documents.NEXT_DAYS: ("is in the next … days", "is not in the next … days"),
}
_SAYINGS = {**words.VERBS, **_WITH_NUMBER}
_SAYINGS_OF_DAYS = {**_SAYINGS, **words.OF_DAYS}


def _of_field(definition: Definition) -> Subject:
    kind = definition.field.kind
    verbs: list[MenuOption] = []
    for verb in knowing.FIELD_VERBS[kind]:
        yes, no = (_SAYINGS_OF_DAYS if kind == FieldKind.DATE else _SAYINGS)[verb]
        verbs += _both(verb, yes, no)[: 1 if verb in _PLAIN_ONLY else 2]
    return Subject(
        f"{documents.FIELD}:{definition.id}",
        f"{definition.label}{' (retired)' if definition.field.retired_at else ''}",
        verbs,
        options=_options(definition),
        takes_text=kind not in CHOSEN and kind != FieldKind.YES_NO,
        hint=_hint(definition),
        definition=definition,
    )


def _options(definition: Definition) -> list[MenuOption]:
    if definition.field.kind == FieldKind.YES_NO:
        return [MenuOption("1", "Yes"), MenuOption("0", "No")]
    known = getattr(definition.type, "options", {})
    return [
        MenuOption(str(one.number), f"{one.label}{' (retired)' if one.is_retired else ''}") for one in known.values()
    ]


def _hint(definition: Definition) -> str:
    match definition.field.kind:
        case FieldKind.TEXT:
            return gettext("Several with semicolons. Capitals make no difference.")
        case FieldKind.DATE:
            return str(_DAY_HINT)
        case FieldKind.MONEY:
            return f"In {definition.field.currency}."
    return ""


# --- From a line to what is typed, and back ---------------------------------------------------------------------------
def typed(line: Line, subject: Subject) -> str:
    """The values of a line as they stand in its text field."""
    return f"{SEPARATOR} ".join(_written(value, line, subject) for value in line.values)


def _written(value: Value, line: Line, subject: Subject) -> str:
    if line.verb in (*_RELATIVE, documents.NONE_FOR) or isinstance(value, str):
        return str(value)
    if subject.definition:
        return subject.definition.type.write(subject.definition.type.load(value))
    return documents.read_day(value).isoformat()


def read(subject: Subject, *, verb: str, row: str, text: str, chosen: Sequence[str], known: Known) -> Line:
    """The condition that was entered. Raises ValueError with what is wrong, in a sentence."""
    if verb not in {option.value for option in subject.verbs}:
        raise ValueError(gettext("Choose what must hold."))
    is_negated, name = verb.startswith("!"), verb.removeprefix("!")
    row_id = _row_id(subject, row)
    values = _values(subject, name, text, chosen)
    line = Line(subject.about, name, row_id, values, is_negated)
    documents.check_values(line)
    if problem := knowing.problem(line, known):
        raise ValueError(problem)
    return line


def _row_id(subject: Subject, row: str) -> int:
    if subject.about == documents.FIELD:
        return int(subject.key.partition(":")[2])
    if subject.about not in documents.NAMING:
        return 0
    if row not in {option.value for option in subject.rows}:
        raise ValueError(gettext("Choose one from the list."))
    return int(row)


def _values(subject: Subject, verb: str, text: str, chosen: Sequence[str]) -> tuple[Value, ...]:
    most = documents.VERBS[subject.about][verb][-1]
    if most == 0:
        return ()
    if subject.options:
        return _chosen(subject, chosen)
    several = verb == documents.ONE_OF
    parts = [part.strip() for part in (text.split(SEPARATOR) if several else [text])]
    found = tuple(dict.fromkeys(_value(subject, verb, part) for part in parts if part))
    if not found:
        raise ValueError(gettext("Enter a value."))
    return found


def _chosen(subject: Subject, chosen: Sequence[str]) -> tuple[Value, ...]:
    values = [option.value for option in subject.options if option.value in chosen]
    found: tuple[Value, ...] = tuple(values) if subject.about == documents.LANGUAGE else tuple(map(int, values))
    if not found:
        raise ValueError(gettext("Choose at least one."))
    return found


def _value(subject: Subject, verb: str, text: str) -> Value:
    if verb in (*_RELATIVE, documents.NONE_FOR):
        if not (days := numbers.read_digits(text)) or days > documents.MAX_DAYS:
            raise ValueError(
                gettext("Enter a number of days, from 1 to %(max_days)s.") % {"max_days": f"{documents.MAX_DAYS:,}"}
            )
        return days
    if subject.about == documents.TIME_ZONE:
        return text
    value_type = subject.definition.type if subject.definition else DateType()
    value = value_type.read(text)
    if value is None:
        raise ValueError(gettext("Enter a value."))
    return value_type.store(value)
