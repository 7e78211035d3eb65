"""What the overview shows of broadcasts and clients. Read only.

Everything comes from broadcasts' own rows and from what the dispatcher counts. Nothing is counted here, so the page
costs the same for ten clients and for ten million.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, QuerySet

from notifier.models import Broadcast, Channel, ClientCounts, Delivery, Topic
from notifier.progress import sheets
from notifier.progress.bars import Bar
from notifier.wording import wall_clocks

State = Broadcast.State

#: Broadcasts in each of the overview's lists.
MAX_LISTED = 6
#: Beyond this number of broadcasts that have not begun, it says "or more".
MAX_COUNTED = 100
#: Client counts older than this are shown as old: somebody should look at the dispatcher.
OLD_AFTER = timedelta(minutes=15)


# --- Broadcasts -------------------------------------------------------------------------------------------------------
def under_way(*, stalled: Mapping[Channel, str]) -> list[sheets.Sheet]:
    """`stalled`: what `process_health.stalled` gives."""
    newest = _listed(Broadcast.objects.to_sweep()).order_by("-created_at")
    return [sheets.sheet(broadcast, stalled=stalled) for broadcast in newest[:MAX_LISTED]]


@dataclass(frozen=True, slots=True)
class InOneState:
    """Broadcasts that have begun and not ended, of which the same is to be said."""

    heading: str
    broadcasts: list[sheets.Sheet]


#: What is said of those in each state, in the order of the page.
_HEADINGS = {State.RUNNING: "Sending now", State.CANCELLED: "Cancelling", State.PAUSED: "Paused"}


def by_state(found: Sequence[sheets.Sheet]) -> list[InOneState]:
    """What `under_way` gives, under the headings of the page: what is paused is not being sent."""
    groups = ((heading, [one for one in found if one.broadcast.state == state]) for state, heading in _HEADINGS.items())
    return [InOneState(heading, of_state) for heading, of_state in groups if of_state]


def to_come() -> list[Broadcast]:
    """Broadcasts that have not begun, the next one first; those without a time last."""
    return list(
        _listed(Broadcast.objects.before_start()).order_by(F("scheduled_for").asc(nulls_last=True))[:MAX_LISTED]
    )


def number_to_come() -> int:
    """How many have not begun, up to MAX_COUNTED."""
    # None of them has ended, and those that have not ended have an index of their own.
    return Broadcast.objects.before_start().filter(finished_at=None)[:MAX_COUNTED].count()


@dataclass(frozen=True, slots=True)
class Finished:
    broadcast: Broadcast
    #: Sent of what was to be sent, by channel; None where there was nothing to send by it.
    results: list[tuple[Channel, Bar | None]]
    #: How many deliveries ended in each state of `Delivery.PROBLEMS`, without those in which none did.
    problems: list[tuple[Delivery.State, int]]


def finished() -> list[Finished]:
    # Of what was rejected, undone, or cancelled before it started, nothing was sent.
    ended = Broadcast.objects.filter(finished_at__isnull=False, started_at__isnull=False)
    newest = _listed(ended).order_by("-created_at")
    return [_finished(sheets.sheet(broadcast)) for broadcast in newest[:MAX_LISTED]]


def _finished(sheet: sheets.Sheet) -> Finished:
    bars = {one.channel: one.bar for one in sheet.channels if one.bar.to_send}
    problems = [(state, number) for state in Delivery.PROBLEMS if (number := sheet.count(state))]
    return Finished(sheet.broadcast, [(channel, bars.get(channel)) for channel in Channel], problems)


def _listed(broadcasts: QuerySet[Broadcast]) -> QuerySet[Broadcast]:
    return broadcasts.select_related("created_by", "topic")


# --- Clients ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class TopicConsent:
    topic: Topic
    #: How many active clients agreed, and what share of them that is; None where nobody has counted yet.
    channels: list[tuple[Channel, int | None, float]]


@dataclass(frozen=True, slots=True)
class Clients:
    active: int
    archived: int
    topics: list[TopicConsent]
    #: Active ones that were added within `counts.NEW_FOR`; None where the release before counted them.
    new: int | None
    counted_at: str
    is_old: bool


def clients(*, now: datetime) -> Clients | None:
    """As the dispatcher last counted; None when it never has."""
    latest = ClientCounts.objects.first()
    if latest is None:
        return None
    active = latest.counts["clients"] - latest.counts["archived"]
    consents = latest.counts["consents"]
    return Clients(
        active=active,
        archived=latest.counts["archived"],
        topics=[_consent(topic, consents.get(str(topic.pk), {}), active) for topic in Topic.objects.order_by("name")],
        new=latest.counts.get("new"),
        counted_at=wall_clocks.shown_time(latest.counted_at, now),
        is_old=latest.counted_at < now - OLD_AFTER,
    )


def _consent(topic: Topic, counted: dict[str, int], active: int) -> TopicConsent:
    agreed = [(channel, counted.get(channel.value)) for channel in Channel]
    return TopicConsent(topic, [(channel, number, (number or 0) / (active or 1)) for channel, number in agreed])
