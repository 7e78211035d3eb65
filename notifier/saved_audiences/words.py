"""A document in words: what staff read of it on pages, what approval shows, and what a broadcast keeps."""

from collections.abc import Iterable, Mapping

from notifier.languages import offered
from notifier.saved_audiences import document as documents
from notifier.saved_audiences.document import Document, Group, Line, Value
from notifier.saved_audiences.known import Known
from notifier.values.base import FieldKind
from notifier.values.dates import DateType
from notifier.wording import numbers

#: What is said of a condition, and of its opposite.
VERBS: Mapping[str, tuple[str, str]] = {
    documents.KNOWN: ("has a value", "has no value"),
    documents.ONE_OF: ("is", "is not"),
    documents.CONTAINS: ("contains", "does not contain"),
    documents.BEGINS: ("begins with", "does not begin with"),
    documents.LESS: ("is less than", "is not less than"),
    documents.MORE: ("is more than", "is not more than"),
    documents.LEAST: ("is at least", "is not at least"),
    documents.MOST: ("is at most", "is not at most"),
    documents.ANY_OF: ("has any of", "has none of"),
    documents.ALL_OF: ("has all of", "does not have all of"),
    documents.LAST_DAYS: ("is in the last", "is not in the last"),
    documents.NEXT_DAYS: ("is in the next", "is not in the next"),
}
#: The same of dates, where it differs.
OF_DAYS: Mapping[str, tuple[str, str]] = {
    documents.LESS: ("is before", "is not before"),
    documents.MORE: ("is after", "is not after"),
    documents.LEAST: ("is on or after", "is not on or after"),
    documents.MOST: ("is on or before", "is not on or before"),
}
_BROADCAST: Mapping[str, tuple[str, str]] = {
    documents.SENT: ("Was sent", "Was not sent"),
    documents.RECEIVED: ("Received", "Did not receive"),
    documents.MISSED: ("Did not get", "Got, or may yet get,"),
}
_CHANNELS: Mapping[str, str] = {
    documents.EMAIL: "by e-mail",
    documents.SMS: "by SMS",
    documents.EITHER: "by e-mail or SMS",
}
#: Texts that are kept with a broadcast.
MAX_LETTERS = 20_000


def of_document(document: Document, known: Known) -> str:
    """All of it, a line each; conditions of groups are indented."""
    found = [f"{'All' if document.join == documents.ALL else 'Any'} of these apply:"]
    for part in document.parts:
        if isinstance(part, Line):
            found.append(f"- {of_line(part, known)}")
            continue
        found.append(f"- {of_group(part)}")
        found += [f"  - {of_line(line, known)}" for line in part.lines]
    return "\n".join(found)[:MAX_LETTERS]


def of_group(group: Group) -> str:
    if group.is_negated:
        return "Not all of these apply:" if group.join == documents.ALL else "None of these apply:"
    return "All of these apply:" if group.join == documents.ALL else "Any of these apply:"


def of_line(line: Line, known: Known) -> str:
    """One condition; something that is gone is said to be so."""
    no = line.is_negated
    match line.about:
        case documents.FIELD:
            return _field(line, known)
        case documents.TAG:
            tag = known.tags.get(line.id)
            return f"{'Does not have' if no else 'Has'} the tag {f'“{tag}”' if tag else 'that was deleted'}"
        case documents.CONSENT:
            topic = known.topics.get(line.id)
            what = f"“{topic}” {_CHANNELS[line.verb]}" if topic else "a topic that was deleted"
            return f"{'Has not agreed' if no else 'Has agreed'} to {what}"
        case documents.LANGUAGE:
            return _named("Language", line, [offered.name(str(value)) for value in line.values])
        case documents.TIME_ZONE:
            return _named("Time zone", line, [str(value) for value in line.values])
        case documents.BROADCAST:
            broadcast = known.broadcasts.get(line.id)
            return f"{_BROADCAST[line.verb][no]} broadcast {broadcast or f'#{line.id}, which was deleted'}"
        case documents.MESSAGES:
            days = numbers.counted(int(line.values[0]), "day")
            return f"{'Got something' if no else 'Got nothing'} in the last {days}"
    return f"{'Added' if line.about == documents.CREATED else 'Last changed'} {_moment(line)}"


def _named(what: str, line: Line, names: list[str]) -> str:
    return f"{what} {VERBS[line.verb][line.is_negated]} {_or(names)}".rstrip()


def _moment(line: Line) -> str:
    no = "not " if line.is_negated else ""
    if line.verb == documents.LAST_DAYS:
        return f"{no}in the last {numbers.counted(int(line.values[0]), 'day')}"
    day = DateType().show(documents.read_day(line.values[0]))
    return f"{no}before {day}" if line.verb == documents.LESS else f"{no}on or after {day}"


def _field(line: Line, known: Known) -> str:
    definition = known.definitions.get(line.id)
    if definition is None:
        return "A field that was deleted"
    is_day = definition.field.kind == FieldKind.DATE
    verb = (OF_DAYS.get(line.verb) if is_day else None) or VERBS[line.verb]
    said = f"{definition.label} {verb[line.is_negated]}"
    if line.verb in (documents.LAST_DAYS, documents.NEXT_DAYS):
        return f"{said} {numbers.counted(int(line.values[0]), 'day')}"
    if not line.values:
        return said
    shown = [value_in_words(value, line, known) for value in line.values]
    return f"{said} {_and(shown) if line.verb == documents.ALL_OF else _or(shown)}"


def value_in_words(value: Value, line: Line, known: Known) -> str:
    """One of a field's values, as its pages show it."""
    definition = known.definition(line)
    try:
        if definition.field.kind == FieldKind.CHOICES:
            return str(definition.type.show((int(value),)))
        shown = definition.type.show(definition.type.load(value))
    except (ValueError, TypeError):
        return "a value that can’t be read"
    return f"“{shown}”" if definition.field.is_text else shown


def _or(words: Iterable[str]) -> str:
    return _listed(list(words), "or")


def _and(words: Iterable[str]) -> str:
    return _listed(list(words), "and")


def _listed(words: list[str], last: str) -> str:
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)
