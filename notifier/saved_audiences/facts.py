"""What is known of one client, and which conditions hold for them, in plain Python. It answers
*Is a client in this audience?*

It reads the same documents as `compiling` and shares no code with it: tests compare the two over thousands of clients.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from notifier.models import Client, ClientTag, ClientValues, Delivery, Preference
from notifier.saved_audiences import document as documents
from notifier.saved_audiences.document import Document, Group, Line
from notifier.saved_audiences.known import Known
from notifier.values.base import FieldKind, Stored
from notifier.values.texts import folded

State = Delivery.State
#: The state of a delivery that is under way, whichever it is.
OPEN = "OPEN"


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one client."""

    #: By the field's id, as stored; without those that have no value.
    values: Mapping[int, Stored]
    tags: Collection[int]
    #: Pairs of a topic's id and a channel: "email" or "sms".
    consents: Collection[tuple[int, str]]
    #: None where none is on record.
    language: str | None
    time_zone: str
    created_at: datetime
    changed_at: datetime
    #: By the broadcast's id, the states of the client's deliveries; those under way as "OPEN".
    states: Mapping[int, Collection[str]] = field(default_factory=dict)
    #: When the last message went out, or may have.
    last_message_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether one condition, or a group, holds."""

    part: Line | Group
    holds: bool
    #: Of the conditions of a group.
    lines: tuple["Answer", ...] = ()


# --- Reading ----------------------------------------------------------------------------------------------------------
def of_client(client: Client, document: Document, known: Known) -> Facts:
    """As they are now: what this document asks of, and no more."""
    tagged = ClientTag.objects.filter(client=client, tag__in=document.named(documents.TAG))
    return Facts(
        values=_values(client.pk, known) if document.named(documents.FIELD) else {},
        tags=set(tagged.values_list("tag", flat=True)),
        consents=_consents(client.pk, document),
        language=client.language,
        time_zone=client.time_zone,
        created_at=client.created_at,
        changed_at=client.updated_at,
        states=_states(client.pk, document),
        last_message_at=_last_message(client.pk) if any(one.about == documents.MESSAGES for one in document) else None,
    )


def _values(client_id: int, known: Known) -> dict[int, Stored]:
    columns = {one.id: one.field.column for one in known.definitions}
    row = ClientValues.objects.filter(pk=client_id).values(*columns.values()).first() if columns else None
    return {pk: row[column] for pk, column in columns.items() if row and row[column] is not None}


def _consents(client_id: int, document: Document) -> set[tuple[int, str]]:
    asked = Preference.objects.filter(client=client_id, topic__in=document.named(documents.CONSENT))
    rows = asked.values_list("topic_id", "email", "sms")
    by_email = {(topic, documents.EMAIL) for topic, email, _ in rows if email}
    return by_email | {(topic, documents.SMS) for topic, _, sms in rows if sms}


def _states(client_id: int, document: Document) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    asked = Delivery.objects.filter(client=client_id, broadcast__in=document.named(documents.BROADCAST))
    for broadcast_id, state, due_at in asked.values_list("broadcast_id", "state", "due_at"):
        found.setdefault(broadcast_id, set()).update({state, OPEN} if due_at else {state})
    return found


def _last_message(client_id: int) -> datetime | None:
    rows = Delivery.objects.filter(client=client_id, state__in=[State.SENT, State.UNKNOWN], settled_at__isnull=False)
    return rows.order_by("-settled_at").values_list("settled_at", flat=True).first()


# --- Asking -----------------------------------------------------------------------------------------------------------
def is_member(document: Document, facts: Facts, known: Known, now: datetime) -> bool:
    """Whether the client is in the audience."""
    return _all_or_any(document.join, [one.holds for one in answers(document, facts, known, now)])


def answers(document: Document, facts: Facts, known: Known, now: datetime) -> list[Answer]:
    """What holds for the client, in the order of the document."""
    found = []
    for part in document.parts:
        if isinstance(part, Line):
            found.append(Answer(part, _holds(part, facts, known, now)))
            continue
        lines = tuple(Answer(line, _holds(line, facts, known, now)) for line in part.lines)
        found.append(Answer(part, _all_or_any(part.join, [one.holds for one in lines]) != part.is_negated, lines))
    return found


def _all_or_any(join: str, held: Collection[bool]) -> bool:
    return all(held) if join == "all" else any(held)


def _holds(line: Line, facts: Facts, known: Known, now: datetime) -> bool:
    return _is_so(line, facts, known, now) != line.is_negated


def _is_so(line: Line, facts: Facts, known: Known, now: datetime) -> bool:
    match line.about:
        case "field":
            value = facts.values.get(line.id)
            return value is not None and (line.verb == "known" or _value_is_so(line, value, known, now))
        case "tag":
            return line.id in facts.tags
        case "consent":
            wanted = ("email", "sms") if line.verb == "either" else (line.verb,)
            return any((line.id, channel) in facts.consents for channel in wanted)
        case "language":
            is_known = facts.language is not None
            return is_known if line.verb == "known" else _read_by(facts.language) in line.values
        case "time_zone":
            return bool(facts.time_zone) and (line.verb == "known" or facts.time_zone in line.values)
        case "created" | "changed":
            return _moment_is_so(line, facts.created_at if line.about == "created" else facts.changed_at, now)
        case "broadcast":
            return _broadcast_is_so(line, facts.states.get(line.id, ()))
    last = facts.last_message_at
    return last is None or last <= now - timedelta(days=int(line.values[0]))


def _read_by(language: str | None) -> str:
    """In which a client with this language on record is written to."""
    return language if language in settings.CLIENT_LANGUAGES else str(settings.CLIENT_LANGUAGES[0])


def _value_is_so(line: Line, value: Stored, known: Known, now: datetime) -> bool:
    if known.definition(line).field.kind == FieldKind.TEXT:
        text, wanted = folded(str(value)), [folded(str(one)) for one in line.values]
        if line.verb == "begins":
            return text.startswith(wanted[0])
        return wanted[0] in text if line.verb == "contains" else text in wanted
    number, numbers = int(value), [int(one) for one in line.values]
    if line.verb in ("last_days", "next_days"):
        return _is_near(number, line, now)
    chosen = [bool(number & 1 << one - 1) for one in numbers] if line.verb in ("any_of", "all_of") else []
    return {
        "one_of": number in numbers,
        "any_of": any(chosen),
        "all_of": all(chosen),
        "less": number < numbers[0],
        "more": number > numbers[0],
        "least": number >= numbers[0],
        "most": number <= numbers[0],
    }[line.verb]


def _is_near(number: int, line: Line, now: datetime) -> bool:
    today, day = now.astimezone(ZoneInfo(settings.TIME_ZONE)).date(), documents.read_day(number)
    ahead = (day - today).days
    return 0 <= (ahead if line.verb == "next_days" else -ahead) <= int(line.values[0])


def _moment_is_so(line: Line, moment: datetime, now: datetime) -> bool:
    if line.verb == "last_days":
        return now - moment <= timedelta(days=int(line.values[0]))
    local = moment.astimezone(ZoneInfo(settings.TIME_ZONE)).date()
    day = documents.read_day(line.values[0])
    return local < day if line.verb == "less" else local >= day


def _broadcast_is_so(line: Line, states: Collection[str]) -> bool:
    match line.verb:
        case "sent":
            return bool({"SENT", "UNKNOWN"} & set(states))
        case "received":
            return "SENT" in states
    return not {"SENT", "UNKNOWN", "OPEN"} & set(states)
