"""What staff read before they send: who would get it, who would not and why, how it reads, what speaks against it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from django.conf import settings
from django.contrib.auth.models import User

from notifier.admin.broadcasts import email_preview, samples, sending_time
from notifier.admin.broadcasts.sending_time import SendingTime
from notifier.admin.broadcasts.totals import Totals
from notifier.admin.clients import audience_lists
from notifier.audience import estimates, held_back, readers, topic_counts, unreached
from notifier.audience.estimates import Duration, Segments
from notifier.audience.held_back import Recipients
from notifier.audience.standings import Standing
from notifier.audience.topic_counts import Reach
from notifier.broadcasts import lifecycle
from notifier.messages import fill_ins, placeholders, sms_segments
from notifier.models import Broadcast, Channel, Client, Notification, Topic
from notifier.policies import sms_countries
from notifier.runtime import clock
from notifier.wording import numbers, wall_clocks

#: What there is to say of each channel that stands still.
Stopped = Mapping[Channel, str]

HEADINGS = {
    Standing.RECIPIENTS: "Will get it",
    Standing.NO_CONSENT: "No consent",
    Standing.NO_ADDRESS: "No address",
    Standing.SUPPRESSED: "Suppressed",
    Standing.NOT_ALLOWED: "Country not allowed",
    Standing.LANDLINE: "Landline",
    Standing.ARCHIVED: "Archived",
}


def _shown() -> list[Standing]:
    """What is counted here: without SMS_COUNTRIES no number is left out for its country."""
    return [one for one in Standing if one != Standing.NOT_ALLOWED or sms_countries.are_set(Channel.SMS)]


@dataclass(frozen=True, slots=True)
class Counted:
    """A number on the page, with the URL of the list of exactly those clients."""

    #: None for those who are over the frequency cap, of whom there is no list.
    standing: Standing | None
    number: int
    url: str

    @property
    def heading(self) -> str:
        return HEADINGS[self.standing] if self.standing else "Frequency cap"


_NOBODY_HELD = "Nobody is in quiet hours or has reached the frequency cap."


def _called(client: Client | None) -> str:
    if client is None:
        return f"{email_preview.NOBODY}, a made-up client"
    return f"{client.name}, who would get it"


@dataclass(frozen=True, slots=True)
class ChannelOffer:
    channel: Channel
    topic: Topic
    #: None where the counts come later: see `deferred_counts`.
    reach: Reach | None
    #: One of the clients who will get it on this channel.
    sample: Client | None
    subject: str
    preheader: str
    #: As the sample client will read it, an e-mail without its HTML; empty when there is no text for this channel.
    text: str
    #: The URL of the page that shows the e-mail, for a frame; empty for an SMS.
    email_url: str
    #: What the reader's mail program would not show of it.
    too_large: str
    #: Whether it goes to everybody in the list of recipients; a follow-up goes only to some of them.
    to_all: bool = True
    #: What quiet hours and the frequency cap do to them; None where nobody is counted.
    held: Recipients | None = None

    @property
    def over_cap(self) -> int:
        """Recipients who would be skipped, because they have had as many messages as the frequency cap allows."""
        return self.held.over_cap if self.held else 0

    @property
    def waits(self) -> Mapping[datetime, int]:
        """How many wait for the end of quiet hours, by when these end."""
        return self.held.waits if self.held and self.sends else {}

    @property
    def held_in_words(self) -> str:
        """What becomes of each recipient, where quiet hours or the cap hold some of them back; else empty."""
        waiting = sum(self.waits.values())
        parts = []
        # No promise that they are sent at once: the channel may be stopped, or the broadcast scheduled.
        if others := max(0, self.sends - waiting):
            are = "is" if others == 1 else "are"
            parts.append(f"{others:,} {are} outside quiet hours" if waiting else f"{others:,} will get it")
        if waiting:
            first, last = (wall_clocks.with_zone(moment) for moment in (min(self.waits), max(self.waits)))
            until = f"at {first}" if first == last else f"between {first} and {last}"
            parts.append(f"{waiting:,} {'waits' if waiting == 1 else 'wait'} for quiet hours to end {until}")
        if self.over_cap:
            have = "has" if self.over_cap == 1 else "have"
            parts.append(f"{self.over_cap:,} {have} reached the frequency cap and will be skipped")
        if not waiting and not self.over_cap:
            return ""
        return f"{self.channel.label}: {', '.join(parts)}."

    @property
    def critical_sends(self) -> int:
        """How many messages it would be if it ignored the cap."""
        return self.reach.recipients if self.reach and self.text else 0

    @property
    def sends(self) -> int:
        return max(0, self.critical_sends - self.over_cap)

    @property
    def counts(self) -> list[Counted]:
        found: list[Counted] = []
        for standing in _shown() if self.reach else ():
            is_used = standing != Standing.RECIPIENTS or self.text
            is_all = self.to_all and not self.over_cap
            is_listed = is_used and (is_all or standing != Standing.RECIPIENTS)
            url = (
                audience_lists.list_url(topic=self.topic, channel=self.channel, standing=standing) if is_listed else ""
            )
            number = getattr(self.reach, standing.value) if is_used else 0
            found.append(Counted(standing, self.sends if standing == Standing.RECIPIENTS else number, url))
        if found and held_back.caps_are_set():
            found.insert(1, Counted(None, self.over_cap, ""))
        return found

    @property
    def size(self) -> sms_segments.SmsSize | None:
        return sms_segments.measure(self.text) if self.channel == Channel.SMS and self.text else None


@dataclass(frozen=True, slots=True)
class Offer:
    """One notification, or what a broadcast has taken over from one, as it would go out now."""

    notification: Notification | Broadcast
    channels: list[ChannelOffer]
    #: Waiting, under way, or started a short while ago: sending again must be asked for.
    earlier: list[Broadcast]
    segments: Segments
    #: When it would begin: now, or at the time that it is scheduled for.
    start: datetime

    @property
    def critical_segments(self) -> Segments:
        """The segments if it ignored the frequency cap."""
        offer = next(one for one in self.channels if one.channel == Channel.SMS)
        if not offer.over_cap:
            return self.segments
        text = self.notification.sms_body.strip()
        return estimates.segments(text=text, topic=self.notification.topic, recipients=offer.critical_sends)

    @property
    def readers_in_words(self) -> str:
        """Whose copies the preview shows."""
        shown = {one.channel: one.sample for one in self.channels if one.text}
        each = {channel: _called(sample) for channel, sample in shown.items()}
        if len(set(shown.values())) == 1:
            return f"Shown for {next(iter(each.values()))}."
        return "; ".join(
            f"{'the ' if number else 'The '}{channel.in_words} is shown for {name}"
            for number, (channel, name) in enumerate(each.items())
        ) + ("." if each else "")

    @property
    def held_in_words(self) -> list[str]:
        """What quiet hours and the cap do, by channel; says so where they are set and keep nobody back."""
        held = [one.held for one in self.channels if one.held and one.sends + one.over_cap]
        if not held or held[0].is_critical:
            return []
        found = [words for one in self.channels if one.text and (words := one.held_in_words)]
        return found or [_NOBODY_HELD] * bool(held_back.quiet_hours_are_set() or held_back.caps_are_set())

    @property
    def sends(self) -> int:
        return sum(channel.sends for channel in self.channels)

    @property
    def critical_sends(self) -> int:
        return sum(channel.critical_sends for channel in self.channels)

    def needs_approval(self, by: User) -> bool:
        """Whatever the cap keeps back: it is the audience that a second person agrees to."""
        return lifecycle.needs_approval(by=by, sends=lambda: self.critical_sends)

    @property
    def seen(self) -> str:
        """The version that the form posts, so that nobody sends a text that they have not read."""
        assert isinstance(self.notification, Notification)  # noqa: S101  (a broadcast has a version of its own)
        return f"{self.notification.pk}@{self.notification.updated_at.isoformat()}"

    @property
    def warnings(self) -> list[str]:
        found = [self._warning(channel, channel.reach) for channel in self.channels if channel.reach]
        found += [channel.too_large for channel in self.channels]
        if any(channel.reach for channel in self.channels) and not self.sends:
            found.insert(0, self._nobody)
        return [*self._left_open(), *(warning for warning in found if warning)]

    @property
    def _nobody(self) -> str:
        if self.critical_sends:
            return "Nobody would get this now: all clients who agreed have reached the frequency cap."
        return f"Nobody would get this: no client can be reached about {self.notification.topic} now."

    def _left_open(self) -> list[str]:
        """What a template left to be filled in, in whichever of the texts."""
        text = self.notification
        return fill_ins.warnings("\n".join((text.subject, text.preheader, text.email_body, text.sms_body)))

    def _warning(self, offer: ChannelOffer, reach: Reach) -> str:
        name = offer.channel.in_words
        if not offer.text and reach.recipients:
            clients = numbers.counted(reach.recipients, "client")
            return f"There is no {name} text, so {clients} who agreed to {name} will not get it that way."
        if offer.text and not reach.recipients + reach.unreachable:
            return f"Nobody has agreed to hear about {self.notification.topic} by {name}."
        return ""


@dataclass(frozen=True, slots=True)
class Summary(Totals):
    """All offers of a page together."""

    duration: Duration
    segments: Segments
    #: Which of its channels stand still, in a sentence each that says what to do.
    stopped: Sequence[str] = ()
    #: Whether it would begin at this moment.
    is_now: bool = True
    #: Whether it ignores quiet hours, of whoever may be in them at another time.
    ignores_quiet_hours: bool = False
    #: The same if it ignored quiet hours and caps; None where that changes nothing, or is nothing that may be chosen.
    if_critical: "Summary | None" = None

    @property
    def stop_line(self) -> str:
        """What it would cost to say in each SMS how to opt out; empty where each SMS does, or there are none."""
        added = self.segments.stop_line
        if added is None or not self.segments.total:
            return ""
        about = "" if self.segments.is_exact else "about "
        segments = about + numbers.counted(added, "segment") if added else "no segments"
        return f"A line “{placeholders.STOP_LINE}” would add {segments}."

    @property
    def all_at_once(self) -> bool:
        """Whether all of it is sent as soon as it is asked for."""
        return self.is_now and not self.stopped and not self.duration.waiting

    @property
    def time(self) -> SendingTime:
        """How long it takes, or until when, as far as can be known."""
        return sending_time.told(self.duration, total=self.total, is_stopped=bool(self.stopped), is_now=self.is_now)

    @property
    def time_if_later(self) -> SendingTime | None:
        """The same for another time than now, of which nobody knows who is in quiet hours then; None if it is alike."""
        some_may_wait = held_back.quiet_hours_are_set() and not self.ignores_quiet_hours
        if not self.total or not (self.stopped or some_may_wait):
            return None
        return sending_time.told_for_later(self.duration, some_may_wait=some_may_wait)


def summary(
    offered: Sequence[Offer], *, stopped: Stopped = MappingProxyType({}), may_be_critical: bool = False
) -> Summary:
    """`stopped` says of each channel that stands still what there is to say."""
    each_channel = [one for offer in offered for one in offer.channels]
    sends = {channel: sum(one.sends for one in each_channel if one.channel == channel) for channel in Channel}
    critical = {
        channel: sum(one.critical_sends for one in each_channel if one.channel == channel) for channel in Channel
    }
    waits: dict[Channel, Counter[datetime]] = {channel: Counter() for channel in Channel}
    for one in each_channel:
        waits[one.channel].update(one.waits)
    start = max(offer.start for offer in offered)
    is_now = start <= clock.now()
    if_critical = None
    if may_be_critical and (sends != critical or any(waits.values())):
        if_critical = Summary(
            sends=critical,
            critical=critical,
            duration=estimates.duration(sends=critical),
            segments=_all_segments([offer.critical_segments for offer in offered]),
            stopped=_lines(stopped, critical),
            is_now=is_now,
            ignores_quiet_hours=True,
        )
    return Summary(
        sends=sends,
        critical=critical,
        duration=estimates.duration(sends=sends, waits=waits, start=start),
        segments=_all_segments([offer.segments for offer in offered]),
        stopped=_lines(stopped, sends),
        is_now=is_now,
        if_critical=if_critical,
    )


def _lines(stopped: Stopped, sends: Mapping[Channel, int]) -> list[str]:
    """What stops the channels that are used; once where it is the same for several."""
    return list(dict.fromkeys(stopped[channel] for channel in sends if sends[channel] and channel in stopped))


def _all_segments(each: Sequence[Segments]) -> Segments:
    return Segments(
        total=sum(one.total for one in each),
        longest=max((one.longest for one in each), default=0),
        measured=sum(one.measured for one in each),
        is_exact=all(one.is_exact for one in each),
        stop_line=None if settings.SMS_STOP_LINE else sum(one.stop_line or 0 for one in each),
    )


def sends(notifications: Sequence[Notification], *, now: datetime) -> tuple[int, int]:
    """How many messages these would be in total, counted at this moment; and if they ignored the frequency cap."""
    reaches = topic_counts.reaches(topics=_topics(notifications))
    total = sum(reaches[n.topic_id][channel].recipients for n in notifications for channel in n.channels)
    held = _held(notifications, now)
    return total - sum(held[n.topic_id, channel].over_cap for n in notifications for channel in n.channels), total


def of_notifications(*, notifications: Sequence[Notification], now: datetime, counted: bool = True) -> list[Offer]:
    """What these would send now. Without `counted` there is no reach, but still a sample of how each reads."""
    earlier = lifecycle.sent_recently(notification_ids=[n.pk for n in notifications], now=now)
    reaches = topic_counts.reaches(topics=_topics(notifications)) if counted else None
    return _offers(notifications, reaches, now, earlier, _held(notifications, now) if counted else {})


def _held(
    texts: Sequence[Notification | Broadcast],
    start: datetime,
    follows: Broadcast | None = None,
    *,
    is_critical: bool = False,
) -> dict[tuple[int, Channel], Recipients]:
    """By topic and channel, what quiet hours and the frequency cap do if it begins at `start`."""
    used = {(text.topic_id, channel) for text in texts for channel in text.channels}
    return {
        (pk, channel): Recipients(topic_id=pk, channel=channel, now=start, follows=follows, is_critical=is_critical)
        for pk, channel in used
    }


def _topics(notifications: Sequence[Notification | Broadcast]) -> list[Topic]:
    return list({n.topic_id: n.topic for n in notifications}.values())


def of_broadcast(
    broadcast: Broadcast, *, counted: bool = True, is_critical: bool | None = None, at: datetime | None = None
) -> Offer:
    """What a broadcast that has not begun would send now; a follow-up goes only to those whom the others missed.

    `is_critical` is in place of the broadcast's own. `at` is a time to come at which it would begin.
    """
    now = clock.now()
    start = max(now, at or now)
    if not counted:
        return _offers([broadcast], None, start)[0]
    reach = topic_counts.reach(topic=broadcast.topic)
    ignores_cap = broadcast.is_critical if is_critical is None else is_critical
    held = _held([broadcast], start, broadcast.follows, is_critical=ignores_cap)
    if broadcast.follows is None:
        return _offers([broadcast], {broadcast.topic_id: reach}, start, held=held)[0]
    missing = {one.channel: one.recipients for one in unreached.missing(broadcast=broadcast.follows)}
    only = {channel: replace(reach[channel], recipients=missing.get(channel, 0)) for channel in Channel}
    offer = _offers([broadcast], {broadcast.topic_id: only}, start, held=held)[0]
    return replace(offer, channels=[replace(channel, to_all=False) for channel in offer.channels])


def _offers(
    notifications: Sequence[Notification | Broadcast],
    reaches: Mapping[int, Mapping[Channel, Reach]] | None,
    start: datetime,
    earlier: Sequence[Broadcast] = (),
    held: Mapping[tuple[int, Channel], Recipients] = MappingProxyType({}),
) -> list[Offer]:
    counted = {(pk, channel): reach for pk, found in (reaches or {}).items() for channel, reach in found.items()}
    # Of several notifications on one topic everybody is looked for once.
    alike = {(n.topic_id, *n.channels): n for n in notifications}
    found = {key: readers.of(n, now=clock.now()) for key, n in alike.items()}
    return [
        Offer(
            notification=n,
            channels=[
                replace(
                    _channel_offer(
                        n, channel, counted.get((n.topic_id, channel)), found[n.topic_id, *n.channels].get(channel)
                    ),
                    held=held.get((n.topic_id, channel)) if channel in n.channels else None,
                )
                for channel in Channel
            ],
            earlier=[b for b in earlier if b.notification_id == n.pk],
            segments=_segments(n, counted.get((n.topic_id, Channel.SMS)), held.get((n.topic_id, Channel.SMS))),
            start=start,
        )
        for n in notifications
    ]


def _segments(n: Notification | Broadcast, reach: Reach | None, held: Recipients | None) -> Segments:
    """Of those who get it: neither of those over the cap nor, of a follow-up, of those who got it before."""
    recipients = reach.recipients - (held.over_cap if held else 0) if reach else 0
    only = held.among_clients() if held else []
    return estimates.segments(text=n.sms_body.strip(), topic=n.topic, recipients=max(0, recipients), only=only)


def _channel_offer(
    n: Notification | Broadcast, channel: Channel, reach: Reach | None, sample: Client | None
) -> ChannelOffer:
    shown = samples.sample_text(n, channel, sample)
    return ChannelOffer(
        channel=channel,
        topic=n.topic,
        reach=reach,
        sample=sample,
        subject=shown.subject,
        preheader=shown.preheader,
        text=shown.text,
        email_url=shown.email_url,
        too_large=shown.warning,
    )
