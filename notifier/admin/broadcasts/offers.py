"""What staff read before they send: who would get it, who would not and why, how it reads, what speaks against it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import User
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.broadcasts import email_preview, samples, sending_time
from notifier.admin.broadcasts.samples import SampleVariant
from notifier.admin.broadcasts.sending_time import SendingTime
from notifier.admin.broadcasts.totals import Totals
from notifier.admin.clients import audience_lists
from notifier.audience import estimates, held_back, missing_values, readers, topic_counts, unreached
from notifier.audience.estimates import Duration, Segments
from notifier.audience.held_back import Recipients
from notifier.audience.missing_values import Lacking
from notifier.audience.standings import Standing
from notifier.audience.topic_counts import Reach
from notifier.broadcasts import lifecycle
from notifier.languages import offered
from notifier.messages import fill_ins, placeholders, sms_segments
from notifier.messages.variants import Completeness
from notifier.models import Broadcast, Channel, Client, Notification, Topic
from notifier.policies import client_values, sms_countries
from notifier.runtime import clock
from notifier.saved_audiences import compiling
from notifier.saved_audiences import document as documents
from notifier.saved_audiences.compiling import Members
from notifier.wording import numbers, wall_clocks

#: What there is to say of each channel that stands still.
Stopped = Mapping[Channel, str]
#: The parameter of a URL that says to whom a notification would go: the id of a saved audience, or `LIST` where the
#: conditions beside it are meant.
AUDIENCE, LIST = "audience", "list"

HEADINGS = {
    Standing.RECIPIENTS: _("Will get it"),
    Standing.NO_CONSENT: _("No consent"),
    Standing.NO_ADDRESS: _("No address"),
    Standing.SUPPRESSED: _("Suppressed"),
    Standing.NOT_ALLOWED: _("Country not allowed"),
    Standing.LANDLINE: _("Landline"),
    Standing.ARCHIVED: _("Archived"),
    Standing.NOT_IN_AUDIENCE: _("Not in audience"),
}


def _shown(is_limited: bool) -> list[Standing]:
    """What is counted here: without SMS_COUNTRIES no number is left out for its country."""
    unused = {Standing.NOT_ALLOWED} if not sms_countries.are_set(Channel.SMS) else set()
    return [one for one in Standing if one not in unused and (is_limited or one != Standing.NOT_IN_AUDIENCE)]


@dataclass(frozen=True, slots=True)
class Counted:
    """A number on the page, with the URL of the list of exactly those clients."""

    heading: str
    number: int
    #: Empty where there is no list.
    url: str


@dataclass(frozen=True, slots=True)
class LackingNote:
    """Recipients who lack a value that the text needs, and so get nothing: a sentence, and the URL of their list."""

    words: str
    url: str


_NOBODY_HELD = _("Nobody is in quiet hours or has reached the frequency cap.")


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
    #: The saved audience that it goes to; None: everybody on the topic.
    audience_id: int | None = None
    #: Or conditions that nobody saved, as `document.as_text` writes them.
    conditions: str = ""
    #: What quiet hours and the frequency cap do to them; None where nobody is counted.
    held: Recipients | None = None
    #: Recipients who would be skipped, because they lack a value that the text needs; and which values it needs.
    lacking: Lacking = missing_values.NOBODY
    needed: tuple[str, ...] = ()
    #: The heading of their column; empty where no channel of the text needs any.
    lacking_heading: str = ""

    @property
    def audience(self) -> int:
        """How many would get it if nothing were left out for the cap or for missing values."""
        return self.reach.recipients if self.reach and self.text else 0

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
        return max(0, self.audience - self.lacking.number)

    @property
    def sends(self) -> int:
        return max(0, self.critical_sends - self.over_cap)

    @property
    def counts(self) -> list[Counted]:
        found: list[Counted] = []
        for standing in _shown(bool(self.audience_id or self.conditions)) if self.reach else ():
            is_used = standing != Standing.RECIPIENTS or self.text
            is_all = self.to_all and not self.over_cap
            is_listed = is_used and (is_all or standing != Standing.RECIPIENTS)
            have = self.needed if standing == Standing.RECIPIENTS else ()
            url = self._list_url(standing, audience_lists.HAVE, have) if is_listed else ""
            number = getattr(self.reach, standing.value) if is_used else 0
            number = self.sends if standing == Standing.RECIPIENTS else number
            found.append(Counted(str(HEADINGS[standing]), number, url))
        if found and self.lacking_heading:
            is_listed = self.to_all and self.lacking.number > 0
            url = self._list_url(Standing.RECIPIENTS, audience_lists.LACK, self.needed) if is_listed else ""
            found.insert(1, Counted(self.lacking_heading, self.lacking.number, url))
        if found and held_back.caps_are_set():
            # There is no list of them.
            found.insert(1, Counted("Frequency cap", self.over_cap, ""))
        return found

    @property
    def lacks(self) -> list[LackingNote]:
        """A sentence for each value that recipients lack."""
        return [
            LackingNote(
                missing_values.in_words(key=key, number=number, channel=self.channel),
                self._list_url(Standing.RECIPIENTS, audience_lists.LACK, [key]) if self.to_all else "",
            )
            for key, number in self.lacking.each.items()
        ]

    def _list_url(self, standing: Standing, which: str, keys: Sequence[str]) -> str:
        return audience_lists.list_url(
            topic=self.topic,
            channel=self.channel,
            standing=standing,
            which=which,
            keys=keys,
            audience_id=self.audience_id,
            conditions=self.conditions,
        )

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
    to: "To"
    #: How it reads in other languages.
    variants: list[SampleVariant] = field(default_factory=list)

    @property
    def critical_segments(self) -> Segments:
        """The segments if it ignored the frequency cap."""
        offer = next(one for one in self.channels if one.channel == Channel.SMS)
        if not offer.over_cap:
            return self.segments
        return _segments(self.notification, offer.critical_sends, to=self.to)

    @property
    def readers_in_words(self) -> str:
        """Whose copies the preview shows."""
        shown = {one.channel: one.sample for one in self.channels if one.text}
        each = {channel: _called(sample) for channel, sample in shown.items()}
        if len(set(shown.values())) == 1:
            return gettext("Shown for %(next)s.") % {"next": next(iter(each.values()))}
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
        return found or [str(_NOBODY_HELD)] * bool(held_back.quiet_hours_are_set() or held_back.caps_are_set())

    @property
    def sends(self) -> int:
        return sum(channel.sends for channel in self.channels)

    @property
    def critical_sends(self) -> int:
        return sum(channel.critical_sends for channel in self.channels)

    def needs_approval(self, by: User) -> bool:
        """Whatever the cap and missing values keep back: it is the audience that a second person agrees to."""
        return lifecycle.needs_approval(by=by, sends=lambda: sum(channel.audience for channel in self.channels))

    @property
    def seen(self) -> str:
        """The version that the form posts, so that nobody sends a text that they have not read."""
        assert isinstance(self.notification, Notification)  # noqa: S101  (a broadcast has a version of its own)
        return f"{self.notification.pk}@{self.notification.updated_at.isoformat()}"

    @property
    def warnings(self) -> list[str]:
        found = [self._warning(channel, channel.reach) for channel in self.channels if channel.reach]
        found += [channel.too_large for channel in self.channels]
        found += [f"{one.name}: {shown.warning}" for one in self.variants for shown in one.shown if shown.warning]
        found += [self._incomplete(one) for one in self.notification.completeness if one.is_begun]
        if any(channel.reach for channel in self.channels) and not self.sends:
            found.insert(0, self._nobody)
        return [*self._unusable(), *self._left_open(), *(warning for warning in found if warning)]

    def _unusable(self) -> list[str]:
        """Why it can't be sent as it is. A broadcast that has been created may go on with a field retired since."""
        return client_values.unusable_in(self.notification) if isinstance(self.notification, Notification) else []

    @property
    def _nobody(self) -> str:
        if self.critical_sends:
            return gettext("Nobody would get this now: all clients who agreed have reached the frequency cap.")
        return gettext("Nobody would get this: no client can be reached about %(topic)s now.") % {
            "topic": self.notification.topic
        }

    def _left_open(self) -> list[str]:
        """What a template left to be filled in, in whichever of the texts."""
        text = self.notification
        all_texts = (text.own_texts, *text.other_texts.values())
        return fill_ins.warnings("\n".join(getattr(texts, name) for texts in all_texts for name in Notification.TEXTS))

    def _incomplete(self, one: Completeness) -> str:
        if one.is_complete:
            return ""
        channels = " and ".join(Channel(kind).in_words for kind in one.missing)
        default = offered.name(offered.default())
        return gettext(
            "%(one_name)s: %(words)s. Clients who read %(one_name)s get the %(default)s %(channels)s instead."
        ) % {"one_name": one.name, "words": one.words, "default": default, "channels": channels}

    def _warning(self, offer: ChannelOffer, reach: Reach) -> str:
        name = offer.channel.in_words
        if not offer.text and reach.recipients:
            clients = numbers.counted(reach.recipients, "client")
            return gettext(
                "There is no %(name)s text, so %(clients)s who agreed to %(name)s will not get it that way."
            ) % {"name": name, "clients": clients}
        if offer.text and not reach.recipients + reach.unreachable:
            return gettext("Nobody has agreed to hear about %(topic)s by %(name)s.") % {
                "topic": self.notification.topic,
                "name": name,
            }
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
    #: By which channels fewer may be sent, as what is sent together uses up the frequency cap: see `_upper_limits`.
    upper_limits: frozenset[Channel] = frozenset()
    #: The same if it ignored quiet hours and caps; None where that changes nothing, or is nothing that may be chosen.
    if_critical: "Summary | None" = None

    @property
    def is_upper_limit(self) -> bool:
        return bool(self.upper_limits)

    @property
    def is_upper_limit_of_sms(self) -> bool:
        return Channel.SMS in self.upper_limits

    @property
    def stop_line(self) -> str:
        """What it would cost to say in each SMS how to opt out; empty where each SMS does, or there are none."""
        added = self.segments.stop_line
        if added is None or not self.segments.total:
            return ""
        about = "" if self.segments.is_exact else "about "
        segments = about + numbers.counted(added, "segment") if added else "no segments"
        return gettext("A line “%(stop_line)s” would add %(segments)s.") % {
            "stop_line": placeholders.STOP_LINE,
            "segments": segments,
        }

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
    upper_limits = _upper_limits(each_channel)
    if may_be_critical and (sends != critical or any(waits.values()) or upper_limits):
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
        upper_limits=upper_limits,
        if_critical=if_critical,
    )


def _upper_limits(each_channel: Sequence[ChannelOffer]) -> frozenset[Channel]:
    """By which channels a client might get one of these and reach the cap by it, so that another one is skipped.

    Which one that is nobody knows: their messages are claimed side by side. So each is counted as if it were alone.
    """
    sent = Counter(one.channel for one in each_channel if one.sends)
    # Notifications that go to the same clients have these in common, and are asked about once.
    asked = {id(one.held): (one.held, one.channel) for one in each_channel if one.held and one.sends}
    return frozenset(channel for held, channel in asked.values() if held.may_reach_cap(others=sent[channel] - 1))


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


@dataclass(frozen=True, slots=True)
class To:
    """To whom it goes: those in an audience, or everybody on the topic."""

    within: Members | None = None
    audience_id: int | None = None

    @property
    def conditions(self) -> str:
        """Of an audience that nobody saved, as `document.as_text` writes them; else empty."""
        return documents.as_text(self.within.document) if self.within and not self.audience_id else ""

    @property
    def query(self) -> str:
        """The choice as parameters of a URL; empty for everybody."""
        if self.conditions:
            return urlencode({AUDIENCE: LIST, audience_lists.CONDITIONS: self.conditions})
        return f"{AUDIENCE}={self.audience_id}" if self.audience_id else ""


EVERYBODY = To()


def sends(notifications: Sequence[Notification], *, now: datetime, to: To = EVERYBODY) -> tuple[int, int]:
    """How many messages these would be in total, counted at this moment; and if they ignored the frequency cap."""
    reaches = topic_counts.reaches(topics=_topics(notifications), within=to.within)
    lacking = _lacking(notifications, to=to)
    total = sum(
        max(0, reaches[n.topic_id][channel].recipients - lacking[_key(n, channel)].number)
        for n in notifications
        for channel in n.channels
    )
    held = _held(notifications, now, to=to)
    return total - sum(held[_key(n, channel)].over_cap for n in notifications for channel in n.channels), total


def of_notifications(
    *, notifications: Sequence[Notification], now: datetime, counted: bool = True, to: To = EVERYBODY
) -> list[Offer]:
    """What these would send now. Without `counted` there is no reach, but still a sample of how each reads."""
    earlier = lifecycle.sent_recently(notification_ids=[n.pk for n in notifications], now=now)
    if not counted:
        return _offers(notifications, None, now, earlier, to=to)
    reaches = topic_counts.reaches(topics=_topics(notifications), within=to.within)
    held, lacking = _held(notifications, now, to=to), _lacking(notifications, to=to)
    return _offers(notifications, reaches, now, earlier, held, lacking, to=to)


#: What a count of recipients is about: the topic, the channel, and the values that the text needs.
_Key = tuple[int, Channel, tuple[str, ...]]


def _key(text: Notification | Broadcast, channel: Channel) -> _Key:
    return text.topic_id, channel, client_values.needed(text, channel)


def _held(
    texts: Sequence[Notification | Broadcast],
    start: datetime,
    follows: Broadcast | None = None,
    *,
    to: To,
    is_critical: bool = False,
) -> dict[_Key, Recipients]:
    """What quiet hours and the frequency cap do if it begins at `start`, to those who have the values it needs."""
    used = {_key(text, channel) for text in texts for channel in text.channels}
    return {
        (pk, channel, needed): Recipients(
            topic_id=pk,
            channel=channel,
            now=start,
            follows=follows,
            needed=needed,
            within=to.within,
            is_critical=is_critical,
        )
        for pk, channel, needed in used
    }


def _lacking(
    texts: Sequence[Notification | Broadcast], follows: Broadcast | None = None, *, to: To
) -> dict[_Key, Lacking]:
    """How many recipients lack a value that the text needs; each question is asked once."""
    used = {_key(text, channel): text for text in texts for channel in text.channels}
    return {
        key: missing_values.count(text=text, channel=key[1], follows=follows, within=to.within)
        for key, text in used.items()
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
    to = To(compiling.of_broadcast(broadcast, now=now), broadcast.saved_audience_id)
    start = max(now, at or now)
    if not counted:
        return _offers([broadcast], None, start, to=to)[0]
    reach = topic_counts.reach(topic=broadcast.topic, within=to.within)
    ignores_cap = broadcast.is_critical if is_critical is None else is_critical
    # A rejected follow-up follows nothing any more, and would go to the same clients.
    follows = broadcast.follows or broadcast.was_to_follow
    held = _held([broadcast], start, follows, to=to, is_critical=ignores_cap)
    lacking = _lacking([broadcast], follows, to=to)
    if follows is None:
        return _offers([broadcast], {broadcast.topic_id: reach}, start, held=held, lacking=lacking, to=to)[0]
    missing = {one.channel: one.recipients for one in unreached.missing(broadcast=follows, now=now)}
    only = {channel: replace(reach[channel], recipients=missing.get(channel, 0)) for channel in Channel}
    offer = _offers([broadcast], {broadcast.topic_id: only}, start, held=held, lacking=lacking, to=to)[0]
    return replace(offer, channels=[replace(channel, to_all=False) for channel in offer.channels])


def _offers(
    notifications: Sequence[Notification | Broadcast],
    reaches: Mapping[int, Mapping[Channel, Reach]] | None,
    start: datetime,
    earlier: Sequence[Broadcast] = (),
    held: Mapping[_Key, Recipients] = MappingProxyType({}),
    lacking: Mapping[_Key, Lacking] = MappingProxyType({}),
    *,
    to: To,
) -> list[Offer]:
    counted = {(pk, channel): reach for pk, found in (reaches or {}).items() for channel, reach in found.items()}
    # Of several notifications that go to the same clients everybody is looked for once.
    alike = {_keys(n): n for n in notifications}
    found = {keys: readers.find(n, now=clock.now(), within=to.within) for keys, n in alike.items()}
    made = []
    for n in notifications:
        samples_by, heading = found[_keys(n)].of(), _lacking_heading(n)
        query = to.query if isinstance(n, Notification) else ""
        channels = [
            replace(
                _channel_offer(n, channel, counted.get((n.topic_id, channel)), samples_by.get(channel), query),
                audience_id=to.audience_id,
                conditions=to.conditions,
                held=held.get(_key(n, channel)) if channel in n.channels else None,
                lacking=lacking.get(_key(n, channel), missing_values.NOBODY),
                needed=client_values.needed(n, channel),
                lacking_heading=heading,
            )
            for channel in Channel
        ]
        sms = next(one for one in channels if one.channel == Channel.SMS)
        made.append(
            Offer(
                notification=n,
                channels=channels,
                earlier=[b for b in earlier if b.notification_id == n.pk],
                segments=_segments(n, sms.sends, sms.held, to=to),
                start=start,
                to=to,
                variants=samples.variants_of(n, found[_keys(n)], query),
            )
        )
    return made


def _keys(text: Notification | Broadcast) -> tuple[Any, ...]:
    """What tells the readers of a text from those of another one."""
    return *(_key(text, channel) for channel in text.channels), bool(text.other_texts)


def _lacking_heading(text: Notification | Broadcast) -> str:
    keys = {key for channel in Channel for key in client_values.needed(text, channel)}
    return f"No {placeholders.in_words(keys.pop())}" if len(keys) == 1 else "Missing values" if keys else ""


def _segments(n: Notification | Broadcast, recipients: int, held: Recipients | None = None, *, to: To) -> Segments:
    """Of those who get it: neither of those over the cap nor, of a follow-up, of those who got it before."""
    return estimates.segments(
        text=n.sms_body.strip(),
        topic=n.topic,
        recipients=recipients,
        within=to.within,
        others={code: n.other_texts[code].sms_body for code in n.languages(Channel.SMS)} if recipients else {},
        only=held.among("client_id") if held and recipients else (),
    )


def _channel_offer(
    n: Notification | Broadcast, channel: Channel, reach: Reach | None, sample: Client | None, audience: str
) -> ChannelOffer:
    shown = samples.sample_text(n, channel, sample, audience=audience)
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
