"""What needs somebody's attention, for the top of the overview. Read only.

What keeps messages from going out stands in the status strip, and what waits for a decision in *Needs attention* below
it; nothing stands in both.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from django.db.models import Sum
from django.urls import reverse

from notifier.broadcasts import faults, rejections
from notifier.consent import sms_replies
from notifier.models import Broadcast, DailyStats, Delivery
from notifier.notifications import statuses
from notifier.overview import process_health
from notifier.overview.process_health import Health
from notifier.progress import sheets
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

    `user_id`: what this user asked for and was rejected is among it.
    """
    found = [_of_part(part, may) for part in health if not part.ok and part.is_known]
    found += _dead_letters(process_health.dead_letters(now=now))
    if may(groups.VIEW_BROADCAST):
        overdue = _overdue(now)
        found += _awaiting(may, overdue) + _overdue_ones(overdue, may, now)
        found += _rejected(user_id, now)
        found += _late(now)
        found += _faulty(now)
        found += _paused()
        found += _failed(may, now)
    if may(groups.SEND_BROADCAST) and may(groups.VIEW_NOTIFICATION):
        found += _ready_to_send()
    if may(groups.VIEW_DELIVERY):
        found += _unknown()
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


def _dead_letters(number: int) -> list[Concern]:
    if not number:
        return []
    they, them = ("it was", "it") if number == 1 else ("they were", "them")
    words = (
        f"{numbers.counted(number, 'dead letter')}: no consumer could read {them}, so {they} set aside. "
        f"No message is lost: each is sent again automatically. To see what is wrong and discard {them}, run"
    )
    return [Concern("dead-letters", "Dead letters", words, command="python manage.py purge_dead_letters")]


def _awaiting(may: May, named: list[Broadcast]) -> list[Concern]:
    """Those that await approval, without those that have a line of their own."""
    others = Broadcast.objects.filter(state=State.AWAITING_APPROVAL).exclude(pk__in=[one.pk for one in named])
    waiting = list(others.order_by("pk").only("subject")[:MAX_COUNTED])
    if not waiting:
        return []
    decides = may(groups.APPROVE_BROADCAST)
    button = _decide(may)
    rule = "approval. Nothing is sent until a second person approves"
    if len(waiting) <= (MAX_NAMED if decides else 1):
        return [
            Concern(
                "approval" if len(waiting) == 1 else f"approval-{one.pk}",
                "Approval",
                f"“{one.title}” is awaiting {rule} it.",
                button=button,
                url=_decide_url(one, may),
            )
            for one in waiting
        ]
    number = f"{MAX_COUNTED} broadcasts or more" if len(waiting) == MAX_COUNTED else f"{len(waiting)} broadcasts"
    url = reverse("admin:notifier_broadcast_changelist", query={"state__exact": State.AWAITING_APPROVAL})
    return [Concern("approval", "Approval", f"{number} are awaiting {rule} them.", button=button, url=url)]


def _ready_to_send() -> list[Concern]:
    """What others have written and handed over, for those who may send it."""
    ready = list(statuses.ready().select_related("ready_by")[:MAX_COUNTED])
    if not ready:
        return []
    if len(ready) == 1:
        who = ready[0].ready_by
        words = (
            f"{who.get_username()} marked “{ready[0]}” as ready to send." if who else f"“{ready[0]}” is ready to send."
        )
        url = reverse("admin:notifier_notification_broadcast", query={"ids": ready[0].pk})
        return [Concern("ready", "Ready to send", words, button="View and send", url=url)]
    number = f"{MAX_COUNTED} notifications or more" if len(ready) == MAX_COUNTED else f"{len(ready)} notifications"
    url = reverse("admin:notifier_notification_changelist", query={"status": "ready"})
    return [Concern("ready", "Ready to send", f"{number} are ready to send.", button="View", url=url)]


def _rejected(user_id: int | None, now: datetime) -> list[Concern]:
    rejected = rejections.waiting_for(user_id=user_id, now=now).select_related("rejected_by").order_by("-pk")
    return [
        Concern(
            f"rejected-{broadcast.pk}",
            "Rejected",
            f"“{broadcast.title}” was rejected"
            + (f" by {broadcast.rejected_by.get_username()}" if broadcast.rejected_by else "")
            + f": {broadcast.ended_because}",
            button="Edit and resubmit",
            url=_progress_url(broadcast),
        )
        for broadcast in rejected[:MAX_NAMED]
    ]


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


def _decide(may: May) -> str:
    return "Review and decide" if may(groups.APPROVE_BROADCAST) else "View"


def _decide_url(broadcast: Broadcast, may: May) -> str:
    """Straight to the page where it is read and decided, for those who may."""
    page = "approve" if may(groups.APPROVE_BROADCAST) else "progress"
    return reverse(f"admin:notifier_broadcast_{page}", args=[broadcast.pk])


def _overdue(now: datetime) -> list[Broadcast]:
    """The first of those that were to start and still await approval."""
    overdue = Broadcast.objects.filter(state=State.AWAITING_APPROVAL, scheduled_for__lt=now)
    return list(overdue.order_by("scheduled_for").only("subject", "scheduled_for")[:MAX_NAMED])


def _overdue_ones(overdue: list[Broadcast], may: May, now: datetime) -> list[Concern]:
    return [
        Concern(
            f"overdue-{broadcast.pk}",
            "Overdue",
            f"“{broadcast.title}” was due to start at {shown_time(broadcast.scheduled_for or now, now)} and is still "
            "awaiting approval. It starts as soon as it is approved.",
            button=_decide(may),
            url=_decide_url(broadcast, may),
        )
        for broadcast in overdue
    ]


def _paused() -> list[Concern]:
    """Those that staff paused: nothing else resumes them."""
    paused = Broadcast.objects.filter(state=State.PAUSED).order_by("-pk")
    return [
        Concern(
            f"paused-{broadcast.pk}",
            "Paused",
            f"“{broadcast.title}”: {sheets.sheet(broadcast).bar.words}. Resume or cancel it.",
            Kind.PAUSED,
            button="View",
            url=_progress_url(broadcast),
        )
        for broadcast in paused[:MAX_NAMED]
    ]


def _failed(may: May, now: datetime) -> list[Concern]:
    """Those that ended lately with failures which can still be sent again; by their tallies, so nothing is counted."""
    ended = Broadcast.objects.filter(state=State.FINISHED, finished_at__gt=now - FAILED_FOR, followed_by=None)
    newest = ended.unexpired(now).order_by("-pk")[:MAX_COUNTED]
    found = [(broadcast, sheets.sheet(broadcast).count(Delivery.State.FAILED)) for broadcast in newest]
    button = "View and send again" if may(groups.RESOLVE_DELIVERY) else "View"
    return [
        Concern(
            f"failed-{broadcast.pk}",
            "Failed",
            f"“{broadcast.title}”: {numbers.counted(number, 'message')} failed.",
            button=button,
            url=_progress_url(broadcast),
        )
        for broadcast, number in found
        if number
    ][:MAX_NAMED]


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


def _unknown() -> list[Concern]:
    number = DailyStats.objects.filter(state=Delivery.State.UNKNOWN).aggregate(number=Sum("number"))["number"]
    if not number:
        return []
    words = (
        f"{numbers.counted(number, 'message')} may or may not have arrived. Decide what to do: "
        "mark those in the provider’s log as sent, or send them again."
    )
    url = reverse("admin:notifier_delivery_changelist", query={"state__exact": Delivery.State.UNKNOWN})
    return [Concern("unknown", "Unknown", words, button="View", url=url)]


def _unread() -> list[Concern]:
    number = sms_replies.unread()[:MAX_COUNTED].count()
    if not number:
        return []
    some = numbers.counted(number, "unread SMS reply", "unread SMS replies")
    counted = f"{MAX_COUNTED} or more unread SMS replies" if number == MAX_COUNTED else some
    words = f"{counted} without a keyword, so nothing has been done about {'it' if number == 1 else 'them'} yet."
    url = reverse("admin:notifier_inboundmessage_changelist", query={"state": "unread"})
    return [Concern("inbox", "Inbox", words, button="Read", url=url)]


def _progress_url(broadcast: Broadcast) -> str:
    return reverse("admin:notifier_broadcast_progress", args=[broadcast.pk])
