"""Whether a client was in the audience of a broadcast, condition by condition, by the facts of that moment. Read only.

What a client has now is taken back, change by change, to what they had then: fields and tags by their record, consent
by its own, language and time zone by the client's earlier versions.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from notifier.models import Broadcast, Client, ConsentChange, Delivery, ValueChange
from notifier.saved_audiences import compiling, facts, words
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import known as knowing
from notifier.saved_audiences.document import BrokenAudience, Document, Group, Line
from notifier.saved_audiences.facts import Answer, Facts
from notifier.saved_audiences.known import Known


@dataclass(frozen=True, slots=True)
class Membership:
    """Of one client in the audience that the broadcast has frozen."""

    audience: str
    #: None: what it would take to say so is gone.
    was_in: bool | None
    #: In words, each condition with whether it held; those of a group follow it.
    answers: list[tuple[str, bool]]
    #: Why nobody can say so; empty where somebody can.
    unknown: str = ""

    @property
    def failing(self) -> str:
        """The conditions that kept the client out."""
        return "; ".join(what.rstrip(":") for what, held in self.answers if not held)


DELETED = "something that its conditions name was deleted since, so nobody can say who was in it"
ERASED = "the client’s data was erased, so nobody can say whether they were in it"


def of(client: Client, broadcast: Broadcast, moment: datetime) -> Membership | None:
    """None where it went to everybody on its topic."""
    try:
        document = compiling.frozen(broadcast)
        if document is None:
            return None
        known = knowing.of(document)
        knowing.check(document, known)
    except BrokenAudience:
        return Membership(broadcast.audience_name, None, [], DELETED)
    if client.erased_at is not None:
        # The facts of then went with the erasure. But nobody else has a message.
        was_in = Delivery.objects.filter(client=client, broadcast=broadcast).exists()
        return Membership(broadcast.audience_name, was_in or None, [], "" if was_in else ERASED)
    past = _as_of(moment, client, document, known)
    started = broadcast.started_at or moment
    answers = facts.answers(document, past, known, started)
    return Membership(
        broadcast.audience_name,
        facts.is_member(document, past, known, started),
        [row for answer in answers for row in _rows(answer, known)],
    )


def _rows(answer: Answer, known: Known) -> Iterable[tuple[str, bool]]:
    if isinstance(answer.part, Group):
        yield words.of_group(answer.part), answer.holds
        for inside in answer.lines:
            yield from _rows(inside, known)
    elif isinstance(answer.part, Line):
        yield words.of_line(answer.part, known), answer.holds


# --- The facts of then ------------------------------------------------------------------------------------------------
def _as_of(moment: datetime, client: Client, document: Document, known: Known) -> Facts:
    now = facts.of_client(client, document, known)
    values, tags = dict(now.values), set(now.tags)
    later = ValueChange.objects.filter(client=client, at__gt=moment).order_by("-at", "-pk")
    for change in later:
        ids = {tag.name_at(change.at): tag.pk for tag in known.tags.values()}
        for field_id, (before, _after) in change.changes.get("fields", {}).items():
            values[int(field_id)] = before
        of_tags = change.changes.get("tags", {})
        tags -= {ids[name] for name in of_tags.get("added", ()) if name in ids}
        tags |= {ids[name] for name in of_tags.get("removed", ()) if name in ids}
    version = client.history.filter(history_date__lte=moment).order_by("-history_date", "-history_id").first()
    return Facts(
        values={pk: value for pk, value in values.items() if value is not None},
        tags=tags,
        consents=_consents(moment, client, document, now),
        language=version.language if version else now.language,
        time_zone=version.time_zone if version else now.time_zone,
        created_at=now.created_at,
        changed_at=_changed(moment, client, now, version.history_date if version else None),
        states=_states(moment, client, document),
        last_message_at=_last_message(moment, client),
    )


def _consents(moment: datetime, client: Client, document: Document, now: Facts) -> set[tuple[int, str]]:
    found = set(now.consents)
    later = ConsentChange.objects.filter(client=client, topic__in=document.named(documents.CONSENT), at__gt=moment)
    for change in later.order_by("-at", "-pk"):
        # Only changes are on record: before it there was the opposite.
        found.discard((change.topic_id, change.channel))
        if not change.agreed:
            found.add((change.topic_id, change.channel))
    return found


def _changed(moment: datetime, client: Client, now: Facts, version: datetime | None) -> datetime:
    if now.changed_at <= moment:
        return now.changed_at
    before = ValueChange.objects.filter(client=client, at__lte=moment).order_by("-at")
    last = before.values_list("at", flat=True).first()
    return max(one for one in (now.created_at, version, last) if one)


def _states(moment: datetime, client: Client, document: Document) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    rows = Delivery.objects.filter(client=client, broadcast__in=document.named(documents.BROADCAST))
    for broadcast_id, state, settled_at in rows.values_list("broadcast_id", "state", "settled_at"):
        is_settled = settled_at is not None and settled_at <= moment
        found.setdefault(broadcast_id, set()).add(state if is_settled else facts.OPEN)
    return found


def _last_message(moment: datetime, client: Client) -> datetime | None:
    arrived = [Delivery.State.SENT, Delivery.State.UNKNOWN]
    rows = Delivery.objects.filter(client=client, state__in=arrived, settled_at__lte=moment)
    return rows.order_by("-settled_at").values_list("settled_at", flat=True).first()
