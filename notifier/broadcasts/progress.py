"""What the progress page and the commands show of a broadcast: the balance sheet, the live feed, the health. Read only.

Everything comes from the broadcast's own row, the newest settled deliveries and the workers: a page view costs the
same whether ten clients are addressed or ten million.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils.formats import date_format
from django.utils.timezone import localtime

from notifier.messages import placeholders
from notifier.models import Breaker, Broadcast, Channel, Delivery, Process

State = Delivery.State

SETTLED = Delivery.SETTLED
FEED_LENGTH = 50
MESSAGE_LENGTH = 120


@dataclass(frozen=True, slots=True)
class ChannelProgress:
    channel: Channel
    counts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def settled(self) -> int:
        return sum(self.counts.get(state, 0) for state in SETTLED)

    @property
    def waiting(self) -> int:
        return self.total - self.settled


@dataclass(frozen=True, slots=True)
class Night:
    """Deliveries of a channel that wait for their clients' sending hours, and when the first of these begin."""

    channel: Channel
    number: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Sheet:
    """The books of one broadcast, as of the dispatcher's last tally."""

    broadcast: Broadcast
    channels: list[ChannelProgress]
    audience: int
    rate: float
    expanded_share: float
    nights: list[Night] = field(default_factory=list)
    #: Messages a second that a channel's provider is given at most.
    limits: Mapping[Channel, float] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(channel.total for channel in self.channels)

    @property
    def settled(self) -> int:
        return sum(channel.settled for channel in self.channels)

    @property
    def waiting(self) -> int:
        return self.total - self.settled

    @property
    def balanced(self) -> bool:
        return self.audience == self.total

    @property
    def time_left(self) -> timedelta | None:
        """At the measured rate, or that of the provider's limit where it is the narrower; without those who wait for
        their sending hours. None while there is no rate, the audience is still growing, or only they are left."""
        late = {night.channel: night.number for night in self.nights}
        left = {channel.channel: channel.waiting - late.get(channel.channel, 0) for channel in self.channels}
        number = sum(left.values())
        is_known = self.rate and self.expanded_share >= 1 and self.broadcast.state == Broadcast.State.RUNNING
        if not is_known or (late and not number):
            return None
        limited = (left[channel] / limit for channel, limit in self.limits.items() if channel in left)
        return timedelta(seconds=round(max(number / self.rate, *limited, 0)))

    @property
    def share(self) -> float:
        """Of the deliveries that there are so far, how many nothing more happens to."""
        return self.settled / self.total if self.total else 0.0

    @property
    def missed(self) -> int:
        """Those that never left, or were refused; not those of which nobody knows."""
        return self.count(State.FAILED) + self.count(State.SKIPPED) + self.count(State.CANCELLED)

    def count(self, state: Delivery.State) -> int:
        return sum(channel.counts.get(state, 0) for channel in self.channels)

    def outcome(self) -> str:
        """ "1,165 sent, 12 failed": what there is of everything that has ended."""
        counts = ((self.count(state), state) for state in SETTLED)
        return ", ".join(f"{number:,} {state.label.lower()}" for number, state in counts if number) or "nothing"


def sheet(broadcast: Broadcast, *, limits: Mapping[Channel, float] | None = None) -> Sheet:
    """`limits` is what `throttles.rates` gives, where the time left is shown."""
    counts: dict[str, dict[str, int]] = broadcast.tally.get("counts", {})
    return Sheet(
        broadcast=broadcast,
        channels=[
            ChannelProgress(channel, counts.get(channel.value, {}))
            for channel in Channel
            if channel in broadcast.channels or channel.value in counts
        ],
        audience=broadcast.tally.get("audience", 0),
        rate=broadcast.tally.get("rate", 0.0),
        expanded_share=min(1.0, broadcast.cursor / broadcast.audience_upto) if broadcast.audience_upto else 1.0,
        nights=[
            Night(Channel(channel), late["number"], datetime.fromisoformat(late["until"]))
            for channel, late in broadcast.tally.get("waiting", {}).items()
            if broadcast.state == Broadcast.State.RUNNING
        ],
        limits=limits or {},
    )


def announcement(sheet: Sheet) -> str:
    """What is said aloud to whoever cannot see the page: it changes with the state, and with each tenth of the way."""
    broadcast = sheet.broadcast
    if broadcast.finished_at is not None:
        return f"{broadcast.get_state_display()}: {sheet.outcome()}."
    if broadcast.state == Broadcast.State.RUNNING and sheet.expanded_share < 1:
        return "Running: working out who gets it."
    return f"{broadcast.get_state_display()}: {int(sheet.share * 10) * 10} % settled."


def as_json(broadcast: Broadcast) -> dict[str, Any]:
    """What `broadcast --json` and `broadcast_status --json` print; every channel is there, whatever it was sent by."""
    books = sheet(broadcast)
    counts = {channel.channel: channel.counts for channel in books.channels}
    return {
        "id": broadcast.pk,
        "state": broadcast.state,
        "topic": broadcast.topic.slug,
        "deliveries": {channel.value: counts.get(channel, {}) for channel in Channel},
        "total": books.total,
        "balanced": books.balanced,
        "started_at": broadcast.started_at.isoformat() if broadcast.started_at else None,
        "finished_at": broadcast.finished_at.isoformat() if broadcast.finished_at else None,
        **_terms(broadcast),
    }


def _terms(broadcast: Broadcast) -> dict[str, Any]:
    """Only where there are any: most broadcasts start at once, and end by themselves."""
    moments = {name: getattr(broadcast, name) for name in ("scheduled_for", "expires_at", "approved_at")}
    found = {name: moment.isoformat() for name, moment in moments.items() if moment}
    if waiting := broadcast.tally.get("waiting"):
        found["waiting_for_hours"] = waiting
    return found | ({"ended_because": broadcast.ended_because} if broadcast.ended_because else {})


@dataclass(frozen=True, slots=True)
class FeedLine:
    """One client who was reached, or was not."""

    delivery: Delivery
    message: str


def feed(broadcast: Broadcast) -> list[FeedLine]:
    """The newest FEED_LENGTH settled deliveries, newest first, each with what the client was told."""
    newest = broadcast.deliveries.filter(settled_at__isnull=False).select_related("client").order_by("-settled_at")
    topic = broadcast.topic.name
    return [FeedLine(delivery, _message(broadcast, delivery, topic)) for delivery in newest[:FEED_LENGTH]]


def _message(broadcast: Broadcast, delivery: Delivery, topic: str) -> str:
    text = broadcast.subject if delivery.channel == Channel.EMAIL else broadcast.sms_body
    rendered = placeholders.render(text, placeholders.values(name=delivery.client.name, topic=topic))
    return rendered if len(rendered) <= MESSAGE_LENGTH else rendered[: MESSAGE_LENGTH - 1] + "…"


@dataclass(frozen=True, slots=True)
class Health:
    """One part of the machinery: whether it works, and in plain words what staff should know or do."""

    part: str
    ok: bool
    words: str
    #: The channel that has paused itself, where that is what this tells.
    paused: Channel | None = None


def health(*, channels: Iterable[Channel], now: datetime) -> list[Health]:
    """The dispatcher, the broker, the consumers of `channels`, and which of these channels paused themselves.

    From the heartbeats and the breakers alone.
    """
    alive = list(Process.objects.alive(now))
    dispatchers = [worker for worker in alive if worker.kind == Process.Kind.DISPATCHER]
    found = [_dispatcher_health(dispatchers), _broker_health(dispatchers)]
    breakers = {breaker.channel: breaker for breaker in Breaker.objects.open()}
    for channel in channels:
        if breaker := breakers.get(channel.value):
            found.append(_breaker_health(breaker, now))
        found.append(_consumer_health(channel, [worker for worker in alive if worker.channel == channel]))
    return found


def dead_tickets(*, now: datetime) -> int:
    """How many were put aside, as the dispatcher last counted; 0 while none is running."""
    dispatchers = list(Process.objects.alive(now).filter(kind=Process.Kind.DISPATCHER))
    return _newest_depths(dispatchers).get(Process.DEAD, 0)


def _dispatcher_health(dispatchers: list[Process]) -> Health:
    if not dispatchers:
        return Health("Dispatcher", False, "No dispatcher is running. Start one with: python manage.py run_dispatcher")
    return Health("Dispatcher", True, _running(len(dispatchers)))


def _broker_health(dispatchers: list[Process]) -> Health:
    name = "Queue in the database" if settings.BROKER_URL.startswith("database:") else "RabbitMQ"
    troubled = [worker for worker in dispatchers if worker.state == Process.State.WAITING]
    if troubled:
        return Health(name, False, troubled[0].detail)
    if not dispatchers:
        return Health(name, False, "Not known: only a running dispatcher looks after it.")
    depths = _newest_depths(dispatchers)
    waiting = sum(depths.get(channel.value, 0) for channel in Channel)
    return Health(name, True, f"Reachable, {waiting} ticket{'' if waiting == 1 else 's'} waiting")


def _newest_depths(dispatchers: list[Process]) -> dict[str, int]:
    return max(dispatchers, key=lambda worker: worker.last_seen_at).depths if dispatchers else {}


def _breaker_health(breaker: Breaker, now: datetime) -> Health:
    channel = Channel(breaker.channel)
    why = f"{breaker.failed} of the last {breaker.given} sends failed"
    if breaker.probes:
        why += f", and so did {breaker.probes} single {'try' if breaker.probes == 1 else 'tries'} since"
    if said := " ".join(breaker.detail.split()).rstrip("."):
        why += f" ({said})"
    later = breaker.probe_at is not None and breaker.probe_at > now
    when = f"at {date_format(localtime(breaker.probe_at), 'H:i:s')}" if later else "as soon as one is due"
    words = (
        f"{channel.label} is paused by itself since {_moment(breaker.opened_at or now, now)}: {why}. "
        f"A single delivery is tried {when}; once one goes through, sending resumes by itself."
    )
    return Health(str(channel.label), False, words, paused=channel)


def _moment(moment: datetime, now: datetime) -> str:
    there = localtime(moment)
    return date_format(there, "TIME_FORMAT" if there.date() == localtime(now).date() else "DATETIME_FORMAT")


def _consumer_health(channel: Channel, consumers: list[Process]) -> Health:
    part = f"{channel.label} consumers"
    if not consumers:
        start = f"python manage.py run_consumer {channel.value}"
        return Health(part, False, f"No {channel.in_words} consumer is running. Start one with: {start}")
    troubled = [worker for worker in consumers if worker.state == Process.State.WAITING]
    if len(troubled) == len(consumers):
        return Health(part, False, troubled[0].detail)
    return Health(part, True, _running(len(consumers)))


def _running(number: int) -> str:
    return f"{number} running"
