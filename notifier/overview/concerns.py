"""What needs somebody's attention, for the top of the overview. Read only.

What keeps messages from going out stands in the status strip, and what waits for a decision in *Needs attention* below
it; nothing stands in both.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, Sum
from django.urls import reverse

from notifier.broadcasts import approvals, faults, rejections
from notifier.broadcasts.rejections import Remedy
from notifier.consent import sms_replies
from notifier.delivery import claim_forecast
from notifier.delivery.claim_forecast import Forecast
from notifier.models import Broadcast, DailyStats, Delivery
from notifier.notifications import statuses
from notifier.overview import process_health
from notifier.overview.process_health import Health
from notifier.progress import sheets
from notifier.receipts import standing
from notifier.staff import groups
from notifier.wording import numbers
from notifier.wording.wall_clocks import shown_time

State = Broadcast.State

#: Late broadcasts that are named, each by itself.
MAX_NAMED = 6
#: Beyond this number of broadcasts or answers, it says "or more".
MAX_COUNTED = 100
#: How long after its time a scheduled broadcast that has not begun is late.
LATE_AFTER = timedelta(minutes=2)
#: How long failures of a broadcast that has ended are told. Whoever wanted to retry them has done so by then.
FAILED_FOR = timedelta(days=7)
#: Of a broadcast with more failures than this it is left to its page to count those that can be retried.
MAX_FORECAST = 500

#: Whether the person who asks has a permission.
May = Callable[[str], bool]


class Kind(Enum):
    """How bad it is; the value sorts them."""

    #: Something does not work.
    PROBLEM = 0
    #: Staff have stopped it themselves.
    PAUSED = 1
    #: Something waits for a decision, and everything works.
    TO_DECIDE = 2


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that needs somebody's attention: a sentence, and a link to where it is dealt with."""

    key: str
    #: What it is about, in a word or two: the first column of its list.
    label: str
    words: str
    kind: Kind = Kind.TO_DECIDE
    #: The command that helps, where no page does.
    command: str = ""
    #: Empty where this person may not go there.
    button: str = ""
    url: str = ""
    #: Whether the button does something, by POST, instead of leading to a page.
    is_act: bool = False

    @property
    def is_problem(self) -> bool:
        return self.kind is Kind.PROBLEM

    @property
    def holds_up(self) -> bool:
        """Whether it keeps messages from going out."""
        return self.kind is not Kind.TO_DECIDE


def find(*, health: list[Health], may: May, now: datetime, user_id: int | None = None) -> list[Concern]:
    """What needs attention and this person may see. What does not work comes first: all else depends on it.

    `user_id`: what this user asked for or wrote and was rejected is among it, and nothing of theirs is for them to
    approve.
    """
    found = [_of_part(part, may) for part in process_health.troubled(health)]
    found += _dead_letters(process_health.dead_letters(now=now), may)
    if may(groups.VIEW_BROADCAST):
        found += _awaiting(may, user_id, now)
        found += _rejected(may, user_id, now) if user_id else []
        found += _late(now)
        found += _faulty(now)
        found += _paused(may)
        ended = _ended_lately(now)
        found += _failed(ended, may, now)
        found += _without_receipts(ended, now)
    if may(groups.SEND_BROADCAST) and may(groups.VIEW_NOTIFICATION):
        found += _ready_to_send(told={concern.url for concern in found})
    if may(groups.VIEW_DELIVERY):
        found += _unknown(may)
    if may(groups.VIEW_INBOUNDMESSAGE):
        found += _unread()
    return sorted(found, key=lambda concern: concern.kind.value)


def _of_part(part: Health, may: May) -> Concern:
    if part.paused:
        paused = Concern(f"paused-{part.paused.value}", f"{part.part} paused automatically", part.words, Kind.PROBLEM)
        if not may(groups.CONTROL_BROADCAST):
            return paused
        return replace(
            paused, button="Try again now", url=reverse("admin:try_again", args=[part.paused.value]), is_act=True
        )
    key, words = "-".join(part.part.lower().split()), part.words.removesuffix(part.command)
    broken = Concern(key, part.part, words, Kind.PROBLEM, command=part.command)
    if not may(groups.VIEW_PROCESS):
        return broken
    return replace(broken, button="View processes", url=reverse("admin:notifier_process_changelist"))


def _dead_letters(number: int, may: May) -> list[Concern]:
    if not number:
        return []
    they, them = ("it was", "it") if number == 1 else ("they were", "them")
    words = (
        f"{numbers.counted(number, 'dead letter')}: no consumer could read {them}, so {they} set aside. "
        f"No message is lost: each is sent again automatically."
    )
    if not may(groups.VIEW_PROCESS):
        return [Concern("dead-letters", "Dead letters", f"{words} Ask your administrator to find out why.")]
    words += f" To see what is wrong and discard {them}, run"
    return [Concern("dead-letters", "Dead letters", words, command="python manage.py purge_dead_letters")]


def _awaiting(may: May, user_id: int | None, now: datetime) -> list[Concern]:
    """Those that await approval. The first of those that were to start by now have a line of their own."""
    waiting = _awaiting_approval(user_id)
    overdue = [one for one in waiting if one.scheduled_for and one.scheduled_for < now][:MAX_NAMED]
    others = sorted((one for one in waiting if one not in overdue), key=lambda broadcast: broadcast.pk)
    decided_here = [one for one in others if _decides(one, may)]
    by_others = [one for one in others if not _decides(one, may)]
    is_all = len(waiting) < MAX_COUNTED
    rule = "Nothing is sent until a second person approves {it}."
    own = "You created or changed {it} yourself, so someone else has to approve {it}."
    return [
        *_approvals("approval", decided_here, rule, may, is_all),
        *_approvals("asked", by_others, own if may(groups.APPROVE_BROADCAST) else rule, may, is_all),
        *_overdue(overdue, may, now),
    ]


def _awaiting_approval(user_id: int | None) -> list[Broadcast]:
    """Those that were to start first come first. Each with `is_open`: whether this user had no hand in it, and so may
    decide about it.
    """
    same = Broadcast.objects.filter(pk=OuterRef("pk"))
    is_open = Exists(approvals.open_to(user_id, same) if user_id else same)
    found = Broadcast.objects.filter(state=State.AWAITING_APPROVAL).annotate(is_open=is_open)
    return list(found.only("subject", "scheduled_for").order_by(F("scheduled_for").asc(nulls_last=True))[:MAX_COUNTED])


def _approvals(key: str, waiting: list[Broadcast], rule: str, may: May, is_all: bool) -> list[Concern]:
    """A line for each, where there are few of them; one for all, where they are many or not for this person."""
    if not waiting:
        return []
    decides = _decides(waiting[0], may)
    if len(waiting) <= (MAX_NAMED if decides else 1):
        return [
            Concern(
                key if len(waiting) == 1 else f"{key}-{one.pk}",
                "Approval",
                f"“{one.title}” is awaiting approval. {rule.format(it='it')}",
                button=_decide(one, may),
                url=_decide_url(one, may),
            )
            for one in waiting
        ]
    number = f"{len(waiting)} broadcasts" + ("" if is_all else " or more")
    url = reverse("admin:notifier_broadcast_changelist", query={"state__exact": State.AWAITING_APPROVAL})
    words = f"{number} are awaiting approval. {rule.format(it='them')}"
    return [Concern(key, "Approval", words, button="View", url=url)]


def _ready_to_send(told: Collection[str]) -> list[Concern]:
    """What others have written and handed over, for those who may send it. `told`: where other lines lead already."""
    found = list(statuses.ready().select_related("ready_by")[:MAX_COUNTED])
    ready = [one for one in found if _send_url(one.pk) not in told]
    if not ready:
        return []
    if len(ready) == 1:
        who = ready[0].ready_by
        words = (
            f"{who.get_username()} marked “{ready[0]}” as ready to send." if who else f"“{ready[0]}” is ready to send."
        )
        return [Concern("ready", "Ready to send", words, button="View and send", url=_send_url(ready[0].pk))]
    number = f"{len(ready)} notifications" + (" or more" if len(found) == MAX_COUNTED else "")
    url = reverse("admin:notifier_notification_changelist", query={"status": "ready"})
    return [Concern("ready", "Ready to send", f"{number} are ready to send.", button="View", url=url)]


def _send_url(notification_id: int) -> str:
    return reverse("admin:notifier_notification_broadcast", query={"ids": notification_id})


def _rejected(may: May, user_id: int, now: datetime) -> list[Concern]:
    """What this user asked for, and what they wrote for others, until it is asked for again."""
    own = rejections.waiting_for(user_id=user_id, now=now)
    written = rejections.to_edit(user_id=user_id, now=now) if may(groups.CHANGE_NOTIFICATION) else own.none()
    either = Broadcast.objects.filter(Q(pk__in=own.values("pk")) | Q(pk__in=written.values("pk")))
    found = rejections.with_editor(either).select_related("rejected_by", "notification").order_by("-pk")
    rejected = list(found[:MAX_COUNTED])
    lines = [_rejection(broadcast, may) for broadcast in rejected[:MAX_NAMED]]
    if (more := len(rejected) - MAX_NAMED) > 0:
        lines.append(_more_rejections(more, is_all=len(rejected) < MAX_COUNTED))
    return lines


def _rejection(broadcast: Broadcast, may: May) -> Concern:
    by = f" by {broadcast.rejected_by.get_username()}" if broadcast.rejected_by else ""
    words, button, url = _remedy(broadcast, may)
    # A reason is a sentence of its own, which staff end with a full stop or not.
    why = broadcast.ended_because.rstrip(".")
    said = f"“{broadcast.title}” was rejected{by}: {why}." + (f" {words}" if words else "")
    return Concern(f"rejected-{broadcast.pk}", "Rejected", said, button=button, url=url)


def _remedy(broadcast: Broadcast, may: May) -> tuple[str, str, str]:
    """What this person can do about it, or who can; the button, and the page that has just that."""
    edit = reverse("admin:notifier_notification_change", args=[broadcast.notification_id])
    match rejections.remedy(broadcast=broadcast, may=may):
        case Remedy.SEND:
            words = "Its notification is ready to send again."
            return words, "View and send", _send_url(broadcast.notification_id)
        case Remedy.RESUBMIT:
            return "", "Edit and resubmit", edit
        case Remedy.EDIT:
            return "Edit the text, then mark it as ready to send.", "Edit", edit
        case Remedy.WAIT_FOR_EDITOR:
            who = getattr(broadcast, "editor", None) or "Anyone who may edit notifications"
            words = f"{who} can edit the text and mark it as ready to send."
            return words, "View", _progress_url(broadcast)
        case Remedy.FOLLOW_UP:
            first = broadcast.was_to_follow_id
            url = reverse("admin:notifier_broadcast_progress", args=[first])
            return (
                f"It was a follow-up to #{first}, which can be sent again to those who missed it.",
                f"View #{first}",
                url,
            )
    return "", "View", _progress_url(broadcast)


def _more_rejections(number: int, *, is_all: bool) -> Concern:
    words = f"{numbers.counted(number, 'more broadcast')}{'' if is_all else ' or more'} "
    words += "was rejected." if number == 1 else "were rejected."
    url = reverse("admin:notifier_broadcast_changelist", query={"state__exact": State.REJECTED})
    return Concern("rejected", "Rejected", words, button="View", url=url)


def _late(now: datetime) -> list[Concern]:
    late = Broadcast.objects.filter(state=State.SCHEDULED, scheduled_for__lt=now - LATE_AFTER)
    return [
        Concern(
            f"late-{broadcast.pk}",
            "Overdue",
            f"“{broadcast.title}” was due to start at {shown_time(broadcast.scheduled_for or now, now)} and has not. "
            "It starts once a dispatcher is running.",
            Kind.PROBLEM,
            button="View",
            url=_progress_url(broadcast),
        )
        for broadcast in late.order_by("scheduled_for").only("subject", "scheduled_for")[:MAX_NAMED]
    ]


def _decides(broadcast: Broadcast, may: May) -> bool:
    """Whether this person can approve or reject it, which `_awaiting_approval` has read."""
    return may(groups.APPROVE_BROADCAST) and bool(getattr(broadcast, "is_open", False))


def _decide(broadcast: Broadcast, may: May) -> str:
    return "Review and decide" if _decides(broadcast, may) else "View"


def _decide_url(broadcast: Broadcast, may: May) -> str:
    """Straight to the page where it is read and decided, for those who can."""
    page = "approve" if _decides(broadcast, may) else "progress"
    return reverse(f"admin:notifier_broadcast_{page}", args=[broadcast.pk])


def _overdue(overdue: list[Broadcast], may: May, now: datetime) -> list[Concern]:
    return [
        Concern(
            f"overdue-{broadcast.pk}",
            "Overdue",
            f"“{broadcast.title}” was due to start at {shown_time(broadcast.scheduled_for or now, now)} and is still "
            "awaiting approval. It starts as soon as it is approved.",
            button=_decide(broadcast, may),
            url=_decide_url(broadcast, may),
        )
        for broadcast in overdue
    ]


def _paused(may: May) -> list[Concern]:
    """Those that staff paused: nothing else resumes them."""
    paused = Broadcast.objects.filter(state=State.PAUSED).order_by("-pk")
    next_step = "Resume or cancel it." if may(groups.CONTROL_BROADCAST) else "Nothing is sent until someone resumes it."
    return [
        Concern(
            f"paused-{broadcast.pk}",
            "Paused",
            f"“{broadcast.title}”: {sheets.sheet(broadcast).bar.words}. {next_step}",
            Kind.PAUSED,
            button="View",
            url=_progress_url(broadcast),
        )
        for broadcast in paused[:MAX_NAMED]
    ]


def _ended_lately(now: datetime) -> list[Broadcast]:
    """The newest, with their receipts, and with `is_followed`: whether a follow-up has taken over what they missed."""
    ended = Broadcast.objects.filter(state__in=(State.FINISHED, State.CANCELLED), finished_at__gt=now - FAILED_FOR)
    followed = Exists(Broadcast.objects.filter(follows=OuterRef("pk")))
    return list(ended.annotate(is_followed=followed).select_related("receipt_counts").order_by("-pk")[:MAX_COUNTED])


def _failed(ended: Collection[Broadcast], may: May, now: datetime) -> list[Concern]:
    """Those that ended lately with failures, and how many of these a retry would send; a follow-up has taken them over.

    Which have failures their tallies say. What a retry would send is asked as its own page does, but for few of them at
    most, so that the page costs the same however many failed.
    """
    newest = [broadcast for broadcast in ended if not getattr(broadcast, "is_followed", False)]
    found = [(broadcast, sheets.sheet(broadcast).count(Delivery.State.FAILED)) for broadcast in newest]
    named = [(broadcast, number) for broadcast, number in found if number][:MAX_NAMED]
    counted = [one for one, number in named if _is_retryable(one, now) and number <= MAX_FORECAST]
    failed = Delivery.objects.filter(state=Delivery.State.FAILED)
    forecasts = claim_forecast.of_each(counted, deliveries=failed, now=now) if counted else {}
    lines = [_failure(one, number, forecasts.get(one.pk), may, now) for one, number in named]
    return [line for line in lines if line]


def _is_retryable(broadcast: Broadcast, now: datetime) -> bool:
    return broadcast.state == State.FINISHED and not broadcast.is_expired(now)


def _failure(broadcast: Broadcast, number: int, then: Forecast | None, may: May, now: datetime) -> Concern | None:
    """`then`: what a retry would do; None where it was not asked. No line where nothing has failed any more."""
    button = "View"
    if not _is_retryable(broadcast, now):
        what = "was cancelled" if broadcast.state == State.CANCELLED else "has expired"
        words = f"{_of_failed(number)}. The broadcast {what}, so {_it(number)} can’t be sent again."
        if may(groups.SEND_BROADCAST):
            words += " Its page shows who can still get it."
    elif then is None:
        words = f"{_of_failed(number)}. Its page counts those that can be sent again."
    elif number := then.number + then.left_out:
        words = f"{_of_failed(number)}{_retry_in_words(then)}"
        button = "View and send again" if then.number and may(groups.RESOLVE_DELIVERY) else "View"
    else:
        return None
    said = f"“{broadcast.title}”: {words}"
    return Concern(f"failed-{broadcast.pk}", "Failed", said, button=button, url=_progress_url(broadcast))


def _of_failed(number: int) -> str:
    return f"{numbers.counted(number, 'message')} failed"


def _it(number: int) -> str:
    return "it" if number == 1 else "they"


def _retry_in_words(then: Forecast) -> str:
    if not then.left_out:
        return " and can be sent again."
    if not then.number:
        none = "It can’t" if then.left_out == 1 else "None can"
        return f". {none} be sent again: {then.why}."
    return f", {then.number:,} of which can be sent again. The rest would be skipped: {then.why}."


def _faulty(now: datetime) -> list[Concern]:
    faulty = Broadcast.objects.faulty(now - faults.SHOWN_FOR).order_by("pk").only("subject", "fault")
    return [
        Concern(
            f"faulty-{broadcast.pk}",
            "Fault",
            f"“{broadcast.title}”: {broadcast.fault}. It is retried automatically, and other broadcasts continue. "
            "The server’s log has the details.",
            Kind.PROBLEM,
            button="View",
            url=_progress_url(broadcast),
        )
        for broadcast in faulty[:MAX_NAMED]
    ]


def _without_receipts(ended: Collection[Broadcast], now: datetime) -> list[Concern]:
    """Those of whose messages too many still wait for a receipt, long enough after their end. By their counts alone."""
    latest = now - timedelta(minutes=settings.RECEIPT_MINUTES)
    silent = [broadcast for broadcast in ended if broadcast.finished_at and broadcast.finished_at <= latest]
    overdue = [(broadcast, one) for broadcast in silent for one in standing.of_broadcast(broadcast) if one.is_overdue]
    return [
        Concern(
            f"receipts-{broadcast.pk}-{one.channel.value}",
            "Receipts overdue",
            f"“{broadcast.title}”: {one.waiting:,} of {one.channel.counted(one.sent)} still wait for a receipt. "
            "The provider has not said whether they arrived: its log may tell why.",
            button="View",
            url=_progress_url(broadcast),
        )
        for broadcast, one in overdue[:MAX_NAMED]
    ]


def _unknown(may: May) -> list[Concern]:
    number = DailyStats.objects.filter(state=Delivery.State.UNKNOWN).aggregate(number=Sum("number"))["number"]
    if not number:
        return []
    words = f"{numbers.counted(number, 'message')} may or may not have arrived."
    if may(groups.RESOLVE_DELIVERY):
        words += " Check the provider’s log: mark those that are in it as sent, and send the others again."
    url = reverse("admin:notifier_delivery_changelist", query={"state__exact": Delivery.State.UNKNOWN})
    return [Concern("unknown", "Unknown", words, button="View", url=url)]


def _unread() -> list[Concern]:
    number = sms_replies.unread()[:MAX_COUNTED].count()
    if not number:
        return []
    counted = f"{MAX_COUNTED} or more" if number == MAX_COUNTED else f"{number}"
    words = f"{counted} SMS {'reply hasn’t' if number == 1 else 'replies haven’t'} been read yet."
    url = reverse("admin:notifier_inboundmessage_changelist", query={"state": "unread"})
    return [Concern("inbox", "Inbox", words, button="Read", url=url)]


def _progress_url(broadcast: Broadcast) -> str:
    return reverse("admin:notifier_broadcast_progress", args=[broadcast.pk])
