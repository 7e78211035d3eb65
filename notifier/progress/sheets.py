"""The numbers of a broadcast, as the progress page and the commands show them. Read only.

Everything comes from the broadcast's own row, so a page costs the same for ten clients and for ten million.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext

from notifier.models import Broadcast, Channel, Delivery
from notifier.progress.bars import Bar
from notifier.wording import numbers

State = Delivery.State

SETTLED = Delivery.SETTLED

#: Messages a second. Below this hardly anything was sent in the last ten seconds: the measured rate is on its way to
#: nothing, and says nothing of what is still to come.
MIN_RATE = 0.2


@dataclass(frozen=True, slots=True)
class ChannelProgress:
    channel: Channel
    counts: dict[str, int]
    #: Of its bar; see `Bar`.
    known_share: float = 1.0
    is_final: bool = False

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def settled(self) -> int:
        return sum(self.counts.get(state, 0) for state in SETTLED)

    @property
    def waiting(self) -> int:
        return self.total - self.settled

    @property
    def bar(self) -> Bar:
        return Bar(self.counts, self.known_share, self.is_final)

    @property
    def bar_id(self) -> str:
        """Of its bar on the page."""
        return f"bar-{self.channel.value}"


@dataclass(frozen=True, slots=True)
class QuietHoursWait:
    """How many deliveries of a channel wait for the end of quiet hours, and when the first of these end."""

    channel: Channel
    number: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Sheet:
    """The numbers of one broadcast, as of the dispatcher's last tally."""

    broadcast: Broadcast
    channels: list[ChannelProgress]
    audience: int
    rate: float
    expanded_share: float
    quiet_hours: list[QuietHoursWait] = field(default_factory=list)
    #: The most messages a second that each channel's provider may be given.
    limits: Mapping[Channel, float] = field(default_factory=dict)
    #: Why nothing of a channel is sent at present; see `process_health.stalled`.
    stalled: Mapping[Channel, str] = field(default_factory=dict)

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
    def is_expanded(self) -> bool:
        """Whether all clients were looked at: before that, nobody knows of how many the numbers are."""
        return self.expanded_share >= 1

    @property
    def is_counted(self) -> bool:
        """Whether there are numbers at all: before the first tally a nought would be a guess."""
        return "counts" in self.broadcast.tally

    @property
    def speed(self) -> float | None:
        """Messages a second; None where that says nothing of what is left: see `time_left`."""
        flows = any(channel not in self.stalled for channel in self._busy)
        has_work = not self.is_expanded or any(self._sent_next.values())
        return self.rate if flows and has_work and self.rate >= MIN_RATE else None

    @property
    def time_left(self) -> timedelta | None:
        """At the measured rate, or at the provider's limit where that is lower. Rows that wait for the end of quiet
        hours, or for their next try, do not count.

        None while there is no rate, while the audience still grows, while a channel stands still, or where only rows
        that wait are left.
        """
        if self.stalls or not self.is_expanded or not self.speed:
            return None
        left = self._sent_next
        limited = (left[channel] / limit for channel, limit in self.limits.items() if channel in left)
        return timedelta(seconds=round(max(sum(left.values()) / self.speed, *limited, 0)))

    @property
    def only_retries(self) -> int:
        """How many wait for their next try, where nothing else is left to send; else 0."""
        is_all = self._busy and self.is_expanded and not any(self._sent_next.values())
        return self.count(State.RETRYING) if is_all else 0

    @property
    def _sent_next(self) -> dict[Channel, int]:
        """How many of each channel nothing but its speed holds up."""
        late = self._late
        return {
            one.channel: max(0, one.waiting - one.counts.get(State.RETRYING, 0) - late.get(one.channel, 0))
            for one in self.channels
        }

    @property
    def stuck(self) -> int:
        """How many are not sent because their channel stands still; who is in quiet hours would not be sent to
        anyway.
        """
        late = self._late
        return sum(
            max(0, one.waiting - late.get(one.channel, 0))
            for one in self.channels
            if one.channel in self.stalled and one.channel in self._busy
        )

    @property
    def _late(self) -> dict[Channel, int]:
        """How many of each channel wait for the end of quiet hours."""
        return {wait.channel: wait.number for wait in self.quiet_hours}

    @property
    def _busy(self) -> list[Channel]:
        """The channels that have something left to send; none unless it runs."""
        if self.broadcast.state != Broadcast.State.RUNNING:
            return []
        return [one.channel for one in self.channels if one.waiting or not self.is_expanded]

    @property
    def stalls(self) -> list[str]:
        """Which channels stand still and why, as in "SMS stopped: no consumer is running"; nothing unless it runs."""
        busy = self._busy
        why = {channel: self.stalled[channel] for channel in busy if channel in self.stalled}
        if len(why) == len(busy) and len(set(why.values())) == 1:
            name = "Sending" if len(busy) > 1 else busy[0].label
            return [f"{name} stopped: {next(iter(why.values()))}"]
        return [f"{channel.label} stopped: {reason}" for channel, reason in why.items()]

    @property
    def bar(self) -> Bar:
        counts = (channel.counts for channel in self.channels)
        known_share = _known_share(self.broadcast, self.expanded_share)
        return Bar(sum(map(Counter, counts), Counter()), known_share, _is_final(self.broadcast))

    @property
    def result(self) -> str:
        """What became of it, once it has ended: "697 of 923 sent, 226 problems"."""
        bar, cancelled = self.bar, self.count(State.CANCELLED)
        if not bar.to_send:
            if self.total:
                return f"Nothing sent: {self.outcome()}"
            return "Nothing sent: the audience was empty" if self.broadcast.started_at else "Nothing sent"
        bad = f", {numbers.counted(bar.problems, 'problem')}" if bar.problems else ""
        return f"{bar.sent:,} of {bar.to_send:,} sent{bad}" + (f", {cancelled:,} cancelled" if cancelled else "")

    @property
    def missed(self) -> int:
        """How many were not sent or were refused; those whose outcome is unknown do not count."""
        return self.count(State.FAILED) + self.count(State.SKIPPED) + self.count(State.CANCELLED)

    def count(self, state: Delivery.State) -> int:
        return sum(channel.counts.get(state, 0) for channel in self.channels)

    def outcome(self) -> str:
        """E.g. "1,165 sent, 12 failed": the numbers of all settled deliveries."""
        counts = ((self.count(state), state) for state in SETTLED)
        return ", ".join(f"{number:,} {state.label.lower()}" for number, state in counts if number) or "nothing"


def sheet(
    broadcast: Broadcast,
    *,
    limits: Mapping[Channel, float] | None = None,
    stalled: Mapping[Channel, str] | None = None,
) -> Sheet:
    """`limits` is what `throttles.rates` gives, and `stalled` what `process_health` does, where they are shown."""
    counts: dict[str, dict[str, int]] = broadcast.tally.get("counts", {})
    expanded_share = min(1.0, broadcast.cursor / broadcast.audience_upto) if broadcast.audience_upto else 1.0
    known_share = _known_share(broadcast, expanded_share)
    return Sheet(
        broadcast=broadcast,
        channels=[
            ChannelProgress(channel, counts.get(channel.value, {}), known_share, _is_final(broadcast))
            for channel in Channel
            if channel in broadcast.channels or channel.value in counts
        ],
        audience=broadcast.tally.get("audience", 0),
        rate=broadcast.tally.get("rate", 0.0),
        expanded_share=expanded_share,
        quiet_hours=[
            QuietHoursWait(Channel(channel), late["number"], datetime.fromisoformat(late["until"]))
            for channel, late in broadcast.tally.get("waiting", {}).items()
            if broadcast.state == Broadcast.State.RUNNING
        ],
        limits=limits or {},
        stalled=stalled or {},
    )


def _known_share(broadcast: Broadcast, expanded_share: float) -> float:
    """What share of the clients the numbers are about; once it has finished, that is all of them."""
    return 1.0 if broadcast.state == Broadcast.State.FINISHED else expanded_share


def _is_final(broadcast: Broadcast) -> bool:
    """Whether it makes no more deliveries: what was cancelled goes to nobody else."""
    return broadcast.state in (Broadcast.State.FINISHED, Broadcast.State.CANCELLED)


def announcement(sheet: Sheet) -> str:
    """What a screen reader says: it changes with the state, and with each tenth of the way."""
    broadcast = sheet.broadcast
    if broadcast.can_be_undone:
        return gettext("About to start: it can still be undone.")
    if broadcast.state == Broadcast.State.REJECTED:
        # Why is told where it is read, once.
        return gettext("Rejected: nothing was sent.")
    if broadcast.finished_at is not None:
        return f"{broadcast.get_state_display()}: {sheet.result}."
    if broadcast.state == Broadcast.State.RUNNING and sheet.expanded_share < 1:
        return gettext("Sending: working out who gets it.")
    said = [f"{broadcast.get_state_display()}: {int(sheet.bar.share * 10) * 10}% sent", *sheet.stalls]
    return " ".join(f"{sentence}." for sentence in said)


def as_json(broadcast: Broadcast) -> dict[str, Any]:
    """What `broadcast --json` and `broadcast_status --json` print. Every channel is there, also an unused one."""
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
        **_optional(broadcast),
    }


def _optional(broadcast: Broadcast) -> dict[str, Any]:
    """The times and the reason of the end, where there are any: most broadcasts start at once and just finish."""
    moments = {name: getattr(broadcast, name) for name in ("scheduled_for", "expires_at", "approved_at")}
    if broadcast.undo_until == broadcast.scheduled_for:
        moments["scheduled_for"] = None  # a time that nobody chose
    found = {name: moment.isoformat() for name, moment in moments.items() if moment}
    if waiting := broadcast.tally.get("waiting"):
        found["waiting_for_hours"] = waiting
    return found | ({"ended_because": broadcast.ended_because} if broadcast.ended_because else {})
