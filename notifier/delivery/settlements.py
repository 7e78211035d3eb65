"""What consumers do to deliveries after sending: record how each one ended. One short transaction, no I/O inside."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, DateTimeField, F, QuerySet, Value, When

from notifier.consent import suppressions
from notifier.delivery import claim_sql
from notifier.delivery.claims import Claim, Message
from notifier.models import Broadcast, Delivery, Reason
from notifier.runtime import failpoints, foreign_text

LONGEST_RETRY = timedelta(hours=1)
#: Retries of one bad moment are spread by this share either way, so that they don't come back all at once.
JITTER = 0.2

NEVER_SENT = "the consumer was delayed until its lease had ended, and did not send it"


class Verdict(Enum):
    """How a send ended, as the provider's answer was understood."""

    SENT = "SENT"
    TEMPORARY = "TEMPORARY"
    PERMANENT = "PERMANENT"
    UNKNOWN = "UNKNOWN"
    #: Never handed to the provider, or refused before any recipient was named: back to PENDING, no attempt used.
    RELEASED = "RELEASED"
    #: The recipient has opted out at the provider: skipped, and not counted as a failure.
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Outcome:
    message: Message
    verdict: Verdict
    detail: str = ""
    provider_id: str = ""
    #: How long to wait before the next try, where the provider or the channel's back-off said so.
    wait: timedelta | None = None
    #: Why nothing more may be sent to the address, with the provider's answer as the evidence; None where it may.
    suppress: suppressions.Evidence | None = None
    #: False where no message could be made, which says nothing about how well the provider works.
    was_given: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", foreign_text.cleaned(self.detail))
        object.__setattr__(self, "provider_id", foreign_text.cleaned(self.provider_id))

    def in_our_words(self) -> "Outcome":
        """The same without anything that the provider said."""
        detail = "the provider’s answer can’t be recorded" if self.detail else ""
        return replace(self, detail=detail, provider_id="", suppress=None)

    def postponed(self, wait: timedelta) -> "Outcome":
        """The same, so much later."""
        return replace(self, wait=wait + (self.wait or timedelta()))


def settle(*, claim: Claim, outcomes: Sequence[Outcome], now: datetime) -> int:
    """Record how each claimed delivery ended, and which addresses are suppressed by it, in one transaction.

    Returns how many rows were still ours to settle; fewer than `len(outcomes)` means that a lease ran out and
    someone else has decided. After an error the same call may be made again.
    """
    groups: dict[tuple[Any, ...], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.verdict is not Verdict.SENT:
            groups[outcome.verdict, outcome.detail, outcome.wait, outcome.message.attempts].append(outcome)
    sent = [outcome for outcome in outcomes if outcome.verdict is Verdict.SENT]
    settled = 0
    if not groups:
        # One statement, and so a transaction by itself. Nothing else is to do if every row was still SENDING: no
        # broadcast finishes over such a row. The rows are asked because our clock can't tell: the process that swept
        # them may have had another.
        settled = _settle_sent(claim, sent, now, states=[Delivery.State.SENDING])
        if settled == len(sent):
            return settled
    ours = _still_ours(claim).filter(pk__in=[outcome.message.delivery_id for outcome in outcomes])
    with transaction.atomic():
        is_late = Delivery.State.UNKNOWN in ours.order_by("pk").select_for_update().values_list("state", flat=True)
        settled += _settle_sent(claim, sent, now, states=[Delivery.State.SENDING, Delivery.State.UNKNOWN])
        for alike in groups.values():
            ids = [outcome.message.delivery_id for outcome in alike]
            settled += _still_ours(claim).filter(pk__in=ids).update(**_change(alike[0], now))
        _suppress([outcome for outcome in outcomes if outcome.suppress], now)
        if is_late:
            # The broadcast may have finished without this result, and its last tally is then no longer true; or it may
            # be finishing at this moment. Hence no condition on `finished_at`: the update would not wait for a row that
            # does not fit it.
            broadcasts = {outcome.message.broadcast_id for outcome in outcomes}
            Broadcast.objects.filter(pk__in=broadcasts).update(tallied_at=None)
        failpoints.reached("settle.written")
    return settled


def _suppress(outcomes: Sequence[Outcome], now: datetime) -> None:
    """Suppress their addresses, in the order of these, so that two consumers never wait for each other.

    An address that is no longer the delivery's is left out: its client was erased since the lease ran out.
    """
    for outcome in sorted(outcomes, key=lambda outcome: outcome.message.address):
        message, evidence = outcome.message, outcome.suppress
        if evidence and Delivery.objects.filter(pk=message.delivery_id, address=message.address).exists():
            suppressions.suppress(channel=message.channel, address=message.address, evidence=evidence, now=now)


def retry_delay(attempts: int) -> timedelta:
    """How long to wait after a failure; `attempts`: those before this one. Doubles up to an hour, ± a fifth."""
    seconds = min(LONGEST_RETRY.total_seconds(), settings.RETRY_BASE_SECONDS * 2**attempts)
    return timedelta(seconds=seconds * random.uniform(1 - JITTER, 1 + JITTER))


def _still_ours(claim: Claim) -> QuerySet[Delivery]:
    """Its rows that nobody else has decided: UNKNOWN ones too, so that a slow consumer can still say what they were."""
    return Delivery.objects.filter(lease_token=claim.token, state__in=[Delivery.State.SENDING, Delivery.State.UNKNOWN])


def _settle_sent(claim: Claim, outcomes: Sequence[Outcome], now: datetime, *, states: Sequence[Delivery.State]) -> int:
    sent = [(outcome.message.delivery_id, outcome.provider_id[:100]) for outcome in outcomes]
    return claim_sql.mark_sent(sent, token=claim.token, states=states, now=now)


def _change(outcome: Outcome, now: datetime) -> dict[str, Any]:
    """The columns that anything but SENT sets."""
    state, detail = Delivery.State, outcome.detail[:300]
    used = F("attempts") + 1
    done = {"due_at": None, "settled_at": now, "detail": detail}
    match outcome.verdict:
        case Verdict.PERMANENT:
            return done | {"state": state.FAILED, "attempts": used}
        case Verdict.REFUSED:
            return done | {"state": state.SKIPPED, "attempts": used, "detail": Reason.OPTED_OUT}
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
    """The columns of a row that is tried again. One that is UNKNOWN by now becomes FAILED.

    Its broadcast may be finished, and nobody would ever try it.
    """
    late = When(state=Delivery.State.UNKNOWN, then=Value(Delivery.State.FAILED))
    moment = {"output_field": DateTimeField()}
    return {
        "state": Case(late, default=Value(state)),
        "due_at": Case(When(state=Delivery.State.UNKNOWN, then=None), default=Value(due_at, **moment), **moment),
        "settled_at": Case(When(state=Delivery.State.UNKNOWN, then=Value(now, **moment)), default=None, **moment),
        # What was released for lack of time has no detail, and a FAILED row must say why.
        "detail": Case(When(state=Delivery.State.UNKNOWN, then=Value(detail or NEVER_SENT)), default=Value(detail)),
    }
