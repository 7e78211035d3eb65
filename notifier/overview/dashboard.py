"""What the overview shows: what needs somebody, what is going on, and the counts. Read only.

Everything comes from rows that others keep small: the broadcasts' own, the workers', the breakers', the daily tallies
and the client counts. Nothing is counted here, so the page costs the same for ten clients and for ten million.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import F, QuerySet, Sum
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime

from notifier.broadcasts import progress
from notifier.consent import sms_replies
from notifier.models import Broadcast, Channel, ClientCounts, DailyStats, Delivery, Topic

State = Broadcast.State

#: Broadcasts in each of the overview's lists.
MAX_LISTED = 6
#: More broadcasts that await approval, or unread replies, than these are not counted.
MAX_COUNTED = 100
#: A broadcast that has not started so long after its time is overdue.
OVERDUE_AFTER = timedelta(minutes=2)
#: Counts older than this are shown as old: somebody should look at the dispatcher.
OLD_AFTER = timedelta(minutes=15)

#: Whether the user has a permission.
May = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that needs attention: a sentence, and a link or a button."""

    key: str
    words: str
    #: Something does not work. Otherwise something waits for a decision.
    is_bad: bool = False
    #: The command to run, where no page helps.
    command: str = ""
    #: Empty where this user has no permission.
    button: str = ""
    url: str = ""
    #: The button acts by POST, instead of leading to a page.
    is_order: bool = False


def concerns(*, health: list[progress.Health], may: May, now: datetime) -> list[Concern]:
    """What needs attention, faults first, and only what this user may see."""
    found = [_health_concern(part, may) for part in health if not part.ok]
    found += _dead_tickets(progress.dead_tickets(now=now))
    if may("notifier.view_broadcast"):
        found += _awaiting(may)
        found += _overdue(now)
    if may("notifier.view_delivery"):
        found += _unknown()
    if may("notifier.view_inboundmessage"):
        found += _unread()
    return sorted(found, key=lambda concern: not concern.is_bad)


def _health_concern(part: progress.Health, may: May) -> Concern:
    if part.paused:
        paused = Concern(f"paused-{part.paused.value}", part.words, is_bad=True)
        if not may("notifier.control_broadcast"):
            return paused
        return replace(
            paused, button="Try again now", url=reverse("admin:try_again", args=[part.paused.value]), is_order=True
        )
    silent = Concern("-".join(part.part.lower().split()), f"{part.part}: {part.words}", is_bad=True)
    if not may("notifier.view_process"):
        return silent
    return replace(silent, button="See the workers", url=reverse("admin:notifier_process_changelist"))


def _dead_tickets(number: int) -> list[Concern]:
    if not number:
        return []
    they, them = ("it was", "it") if number == 1 else ("they were", "them")
    words = (
        f"{_counted(number, 'dead ticket')}: no consumer could read {them}, so {they} put aside. No delivery is lost: "
        f"each comes due again by itself. See what is wrong, and discard {them}, with"
    )
    return [Concern("dead-tickets", words, command="python manage.py purge_dead_letters")]


def _awaiting(may: May) -> list[Concern]:
    waiting = list(Broadcast.objects.filter(state=State.AWAITING_APPROVAL).order_by("pk").only("subject")[:MAX_COUNTED])
    if not waiting:
        return []
    button = "Look and decide" if may("notifier.approve_broadcast") else "See what waits"
    rule = "approval: nothing is sent until a second person has agreed."
    if len(waiting) == 1:
        return [Concern("approval", f"“{waiting[0].subject}” awaits {rule}", button=button, url=_progress(waiting[0]))]
    number = f"{MAX_COUNTED} broadcasts or more" if len(waiting) == MAX_COUNTED else f"{len(waiting)} broadcasts"
    url = reverse("admin:notifier_broadcast_changelist", query={"state__exact": State.AWAITING_APPROVAL})
    return [Concern("approval", f"{number} await {rule}", button=button, url=url)]


def _overdue(now: datetime) -> list[Concern]:
    late = Broadcast.objects.filter(state=State.SCHEDULED, scheduled_for__lt=now - OVERDUE_AFTER)
    return [
        Concern(
            f"late-{broadcast.pk}",
            f"“{broadcast.subject}” was to start at {_moment(broadcast.scheduled_for or now, now)} and has not. "
            "A running dispatcher starts it.",
            is_bad=True,
            button="Open it",
            url=_progress(broadcast),
        )
        for broadcast in late.order_by("scheduled_for").only("subject", "scheduled_for")[:MAX_LISTED]
    ]


def _unknown() -> list[Concern]:
    number = DailyStats.objects.filter(state=Delivery.State.UNKNOWN).aggregate(number=Sum("number"))["number"]
    if not number:
        return []
    words = (
        f"{_counted(number, 'delivery', 'deliveries')} may or may not have arrived. Decide what to do: "
        "mark as sent what the provider’s log shows, or send again."
    )
    url = reverse("admin:notifier_delivery_changelist", query={"state__exact": Delivery.State.UNKNOWN})
    return [Concern("unknown", words, button="See them", url=url)]


def _unread() -> list[Concern]:
    number = sms_replies.unread()[:MAX_COUNTED].count()
    if not number:
        return []
    counted = f"{MAX_COUNTED} answers or more" if number == MAX_COUNTED else _counted(number, "answer")
    words = (
        f"{counted} by SMS {'waits' if number == 1 else 'wait'} to be read: no keyword, so nothing was done about it."
    )
    url = reverse("admin:notifier_inboundmessage_changelist", query={"state": "unread"})
    return [Concern("inbox", words, button="Read it" if number == 1 else "Read them", url=url)]


def _progress(broadcast: Broadcast) -> str:
    return reverse("admin:notifier_broadcast_progress", args=[broadcast.pk])


# --- Broadcasts -------------------------------------------------------------------------------------------------------
def under_way() -> list[progress.Sheet]:
    newest = _listed(Broadcast.objects.to_sweep()).order_by("-created_at")
    return [progress.sheet(broadcast) for broadcast in newest[:MAX_LISTED]]


def to_come() -> list[Broadcast]:
    """Those that have not begun, the next one first; those without a time last."""
    return list(
        _listed(Broadcast.objects.before_start()).order_by(F("scheduled_for").asc(nulls_last=True))[:MAX_LISTED]
    )


@dataclass(frozen=True, slots=True)
class Finished:
    broadcast: Broadcast
    #: By outcome, those that happened.
    outcomes: list[tuple[Delivery.State, int]]


def finished() -> list[Finished]:
    newest = _listed(Broadcast.objects.exclude(finished_at=None)).order_by("-created_at")
    return [Finished(broadcast, _outcomes(broadcast)) for broadcast in newest[:MAX_LISTED]]


def _outcomes(broadcast: Broadcast) -> list[tuple[Delivery.State, int]]:
    sheet = progress.sheet(broadcast)
    return [(state, number) for state in Delivery.SETTLED if (number := sheet.count(state))]


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
    counted_at: str
    is_old: bool


def clients(*, now: datetime) -> Clients | None:
    """The dispatcher's last counts; None where it has never counted."""
    counts = ClientCounts.objects.first()
    if counts is None:
        return None
    active = counts.counts["clients"] - counts.counts["archived"]
    consents = counts.counts["consents"]
    return Clients(
        active=active,
        archived=counts.counts["archived"],
        topics=[_consent(topic, consents.get(str(topic.pk), {}), active) for topic in Topic.objects.order_by("name")],
        counted_at=_moment(counts.counted_at, now),
        is_old=counts.counted_at < now - OLD_AFTER,
    )


def _consent(topic: Topic, counted: dict[str, int], active: int) -> TopicConsent:
    numbers = [(channel, counted.get(channel.value)) for channel in Channel]
    return TopicConsent(topic, [(channel, number, (number or 0) / (active or 1)) for channel, number in numbers])


def _moment(moment: datetime, now: datetime) -> str:
    there = localtime(moment)
    return date_format(there, "H:i" if there.date() == localtime(now).date() else "j M Y, H:i")


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
