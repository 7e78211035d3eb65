"""What consumers do to deliveries: claim them before sending, settle them after. Short transactions, no I/O inside."""

import random
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, DateTimeField, Exists, F, OuterRef, QuerySet, Value, When

from notifier import content
from notifier.models import Broadcast, Channel, Delivery, Preference, Reason, Suppression

LONGEST_RETRY = timedelta(hours=1)
#: Retries of one bad moment are spread by this share either way, so that they don't come back all at once.
JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Message:
    """One claimed delivery, rendered and ready to send."""

    delivery_id: int
    broadcast_id: int
    channel: Channel
    address: str
    subject: str
    body: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Deliveries that are ours to send until the lease ends. `token` proves it when they are settled."""

    token: uuid.UUID
    lease_ends_at: datetime
    messages: list[Message] = field(default_factory=list)


class Verdict(Enum):
    """How a send ended, as the provider's answer was understood."""

    SENT = "SENT"
    TEMPORARY = "TEMPORARY"
    PERMANENT = "PERMANENT"
    UNKNOWN = "UNKNOWN"
    #: Never handed to the provider, or refused before any recipient was named: back to PENDING, no attempt used.
    RELEASED = "RELEASED"


@dataclass(frozen=True, slots=True)
class Outcome:
    message: Message
    verdict: Verdict
    detail: str = ""
    provider_id: str = ""
    #: How long to wait before the next try, where the provider or the channel's back-off said so.
    wait: timedelta | None = None

    def postponed(self, wait: timedelta) -> "Outcome":
        return replace(self, wait=wait)


def claim(
    *, broadcast_id: int, channel: Channel, delivery_ids: Sequence[int], token: uuid.UUID, now: datetime
) -> Claim:
    """Take those deliveries that are PENDING and whose client still wants the message, for LEASE_SECONDS.

    The others: consent gone, suppressed or archived → SKIPPED with the reason; of a paused broadcast → left PENDING,
    due now; anything else (taken, settled, cancelled, of another broadcast) → untouched. Committed on return. After
    a database error it may have been committed all the same: `disclaim` the token, which must be new each time.
    """
    taken = Claim(token=token, lease_ends_at=now + timedelta(seconds=settings.LEASE_SECONDS))
    with transaction.atomic():
        broadcast = Broadcast.objects.select_related("topic").filter(pk=broadcast_id).first()
        if broadcast is None:
            return taken
        if broadcast.state == Broadcast.State.PAUSED:
            _unclaimed(delivery_ids).filter(broadcast=broadcast).update(due_at=now)
        if broadcast.state != Broadcast.State.RUNNING:
            return taken
        rows = _lock_pending(broadcast, channel, delivery_ids)
        skipped: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            if reason := _why_not(row):
                skipped[reason].append(row.pk)
            else:
                taken.messages.append(_message(broadcast, channel, row))
        for reason, ids in skipped.items():
            Delivery.objects.filter(pk__in=ids).update(
                state=Delivery.State.SKIPPED, detail=reason, due_at=None, settled_at=now
            )
        Delivery.objects.filter(pk__in=[message.delivery_id for message in taken.messages]).update(
            state=Delivery.State.SENDING, lease_token=taken.token, due_at=taken.lease_ends_at
        )
    return taken


def settle(*, claim: Claim, outcomes: Sequence[Outcome], now: datetime) -> int:
    """Record how each claimed delivery ended, in one transaction.

    Returns how many rows were still ours to settle; fewer than `len(outcomes)` means that a lease ran out and
    someone else has decided. After an error nothing is recorded and the same call may be made again.
    """
    groups: dict[tuple[tuple[str, Any], ...], list[int]] = defaultdict(list)
    for outcome in outcomes:
        groups[tuple(_change(outcome, now).items())].append(outcome.message.delivery_id)
    with transaction.atomic():
        # The token, so that a slow consumer can still turn its own UNKNOWN into what it was, and never another's claim.
        ours = Delivery.objects.filter(
            lease_token=claim.token, state__in=[Delivery.State.SENDING, Delivery.State.UNKNOWN]
        )
        settled = sum(ours.filter(pk__in=ids).update(**dict(change)) for change, ids in groups.items())
        if now >= claim.lease_ends_at:
            # The broadcast may have finished over our UNKNOWN rows: its last tally is no longer true.
            Broadcast.objects.filter(pk__in={outcome.message.broadcast_id for outcome in outcomes}).exclude(
                finished_at=None
            ).update(tallied_at=None)
    return settled


def disclaim(*, token: uuid.UUID, delivery_ids: Sequence[int], now: datetime) -> int:
    """Undo a claim of which nothing was sent, if it was made at all; returns how many rows it had taken."""
    taken = Delivery.objects.filter(pk__in=delivery_ids, state=Delivery.State.SENDING, lease_token=token)
    return taken.update(state=Delivery.State.PENDING, due_at=now)


def give_back(*, delivery_ids: Sequence[int], due_at: datetime) -> int:
    """Return deliveries of a ticket that were not claimed, to be issued again at `due_at`; returns how many.

    They are marked with a token of their own: those without one count as travelling in a ticket.
    """
    return _unclaimed(delivery_ids).update(due_at=due_at, lease_token=uuid.uuid4())


def retry_delay(attempts: int) -> timedelta:
    """How long to wait after so many failed attempts: doubling, at most an hour, spread by a fifth either way."""
    seconds = min(LONGEST_RETRY.total_seconds(), settings.RETRY_BASE_SECONDS * 2**attempts)
    return timedelta(seconds=seconds * random.uniform(1 - JITTER, 1 + JITTER))


def _unclaimed(delivery_ids: Sequence[int]) -> "QuerySet[Delivery]":
    return Delivery.objects.filter(pk__in=delivery_ids, state=Delivery.State.PENDING, lease_token=None)


def _lock_pending(broadcast: Broadcast, channel: Channel, delivery_ids: Sequence[int]) -> list[Delivery]:
    """The PENDING rows among these, locked in the order of their ids, each with today's word on its client.

    Found by id alone: with a second indexed term SQLite walks the unique key, 20 times slower. Rows that another
    consumer holds are skipped: it has the same ticket.
    """
    consents = Preference.objects.filter(client=OuterRef("client"), topic=broadcast.topic_id, **{channel.value: True})
    suppressions = Suppression.objects.filter(channel=channel, address=OuterRef("address"))
    rows = (
        Delivery.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("client")
        .filter(pk__in=delivery_ids, state=Delivery.State.PENDING)
        .annotate(consents=Exists(consents), suppressed=Exists(suppressions))
        .only("broadcast_id", "channel", "address", "attempts", "client__name", "client__is_active")
        .order_by("pk")
    )
    return [row for row in rows if row.broadcast_id == broadcast.pk and row.channel == channel]


def _why_not(row: Any) -> str:
    if not row.client.is_active:
        return Reason.ARCHIVED
    if not row.consents:
        return Reason.CONSENT_GONE
    return Reason.SUPPRESSED if row.suppressed else ""


def _message(broadcast: Broadcast, channel: Channel, row: Delivery) -> Message:
    replacements = content.values(name=row.client.name, topic=broadcast.topic.name)
    return Message(
        delivery_id=row.pk,
        broadcast_id=broadcast.pk,
        channel=channel,
        address=row.address,
        subject=content.render(broadcast.subject, replacements),
        body=content.render(broadcast.body(channel), replacements),
        attempts=row.attempts,
    )


def _change(outcome: Outcome, now: datetime) -> dict[str, Any]:
    """The columns that an outcome sets."""
    state, detail = Delivery.State, outcome.detail[:300]
    used = F("attempts") + 1
    done = {"due_at": None, "settled_at": now, "detail": detail}
    match outcome.verdict:
        case Verdict.SENT:
            return done | {"state": state.SENT, "attempts": used, "provider_id": outcome.provider_id[:100]}
        case Verdict.PERMANENT:
            return done | {"state": state.FAILED, "attempts": used}
        case Verdict.UNKNOWN:
            return done | {"state": state.UNKNOWN, "attempts": used}
        case Verdict.RELEASED:
            return _again(state.PENDING, due_at=now + (outcome.wait or timedelta()), detail=detail, now=now)
    tries = outcome.message.attempts + 1
    if tries >= settings.MAX_ATTEMPTS:
        return done | {
            "state": state.FAILED,
            "attempts": used,
            "detail": f"gave up after {tries} attempts: {detail}"[:300],
        }
    due_at = now + (outcome.wait or retry_delay(outcome.message.attempts))
    return _again(state.RETRYING, due_at=due_at, detail=detail, now=now) | {"attempts": used}


def _again(state: Delivery.State, *, due_at: datetime, detail: str, now: datetime) -> dict[str, Any]:
    """To be tried again, unless it is UNKNOWN by now: its broadcast may be finished, and it would wait for ever."""
    late = When(state=Delivery.State.UNKNOWN, then=Value(Delivery.State.FAILED))
    moment = {"output_field": DateTimeField()}
    return {
        "state": Case(late, default=Value(state)),
        "due_at": Case(When(state=Delivery.State.UNKNOWN, then=None), default=Value(due_at, **moment), **moment),
        "settled_at": Case(When(state=Delivery.State.UNKNOWN, then=Value(now, **moment)), default=None, **moment),
        "detail": detail,
    }
