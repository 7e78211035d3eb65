"""How a broadcast is asked for, and how it is paused, resumed and cancelled.

Every change is one conditional UPDATE whose row count is checked: after a double click or the back button, and where
two people press at once, each is told what really happened.
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import BigIntegerField, Case, DateTimeField, F, Max, Q, Value, When
from django.db.models.functions import Coalesce

from notifier.audience import topic_counts
from notifier.broadcasts import acts, staff_mails
from notifier.broadcasts.acts import Act
from notifier.broadcasts.send_options import AT_ONCE, SendOptions
from notifier.messages.brands import BrandLook
from notifier.models import Brand, Broadcast, Client, Notification, SavedAudience
from notifier.policies import client_values
from notifier.runtime import versions
from notifier.runtime.versions import NotAsShown
from notifier.saved_audiences import compiling, freezing
from notifier.saved_audiences.compiling import Members
from notifier.saved_audiences.document import Document
from notifier.wording import wall_clocks

State = Broadcast.State

#: Sending the same notification again within this time must be asked for explicitly.
RECENT = timedelta(hours=1)


class BroadcastError(Exception):
    """It can't be done; the text tells staff why."""


@dataclass(frozen=True, slots=True)
class AudienceSeen:
    """A saved audience as a page showed it."""

    id: int
    updated_at: datetime


class NotAllowed(BroadcastError):
    """The broadcast is not in a state for this act."""


class ChangedMeanwhile(BroadcastError, NotAsShown):
    """A notification is no longer what the page showed."""


class BadSendOptions(BroadcastError):
    """The times can't be kept; `mistakes` gives a sentence for each field of the options."""

    def __init__(self, mistakes: Mapping[str, str]) -> None:
        super().__init__(" ".join(mistakes.values()))
        self.mistakes = mistakes


class BadText(BroadcastError):
    """A text has a placeholder of a field that was retired or deleted since it was written."""


class SentRecently(BroadcastError):
    """A notification is asked for, running, or was sent a short while ago; sending it again must be asked for."""

    def __init__(self, earlier: Sequence[Broadcast]) -> None:
        what = "Sent recently" if all(broadcast.started_at for broadcast in earlier) else "Already waiting to be sent"
        super().__init__(f"{what}: " + "; ".join(describe(broadcast) for broadcast in earlier))
        self.earlier = earlier


def create(
    *,
    seen: Mapping[int, datetime],
    token: uuid.UUID,
    by: User | None,
    now: datetime,
    again: bool = False,
    options: SendOptions = AT_ONCE,
    brand_seen: str | None = None,
    audience: AudienceSeen | Document | None = None,
) -> list[Broadcast]:
    """One broadcast for each notification in `seen`, which gives the `updated_at` that the sender looked at.
    `brand_seen` is the `brand_version` that they looked at, where they did.

    `audience`: a saved one, or the conditions of a list of clients, to which alone they go.

    It runs once the time to undo it is over, or waits, for its time or for a second person. All of them or none. The
    same token returns what it made the first time, however often it comes. Raises `SentRecently` unless `again`,
    `ChangedMeanwhile`, `BadSendOptions`, `BadText` and `saved_audiences.document.BrokenAudience`.
    """
    # Before the lock: counting a million clients takes a while, and SQLite has one write lock.
    large = _needing_approval(seen, by, audience, now)
    with transaction.atomic():
        # The lock makes a second press wait for the first, and then see what it made.
        locked = Notification.objects.select_for_update().select_related(None).filter(pk__in=seen).order_by("pk")
        notifications = list(locked)
        requests = {n.pk: uuid.uuid5(token, str(n.pk)) for n in notifications}
        made = {b.notification_id: b for b in Broadcast.objects.filter(request_id__in=requests.values())}
        fresh = [n for n in notifications if n.pk not in made]
        if len(notifications) < len(seen) or any(n.updated_at != seen[n.pk] for n in fresh):
            raise ChangedMeanwhile(
                "A notification has been changed or deleted since you opened the page. Check it again before you "
                "send it."
            )
        brand = Brand.objects.look()
        if fresh and brand_seen is not None and brand_seen != brand_version(brand):
            raise ChangedMeanwhile(
                "The brand has been changed since you opened the page. Check the e-mail again before you send it."
            )
        only = _audience_columns(audience, now) if fresh and audience else {}
        if fresh:
            _refuse(fresh, again=again, options=options, now=now)
        for n in fresh:
            values = initial_columns(needs_approval=n.pk in large, options=options, now=now, by=by)
            made[n.pk] = make(
                n,
                brand=brand.as_json(),
                notification=n,
                text_of=n.updated_at,
                request_id=requests[n.pk],
                created_by=by,
                **only,
                **values,
            )
            if n.pk in large:
                staff_mails.ask_approvers(broadcast=made[n.pk], now=now)
    return [made[n.pk] for n in notifications]


def _audience_columns(audience: AudienceSeen | Document, now: datetime) -> dict[str, Any]:
    """Locked, so that an edit at the same moment comes before this and is refused, or after it and finds the rows."""
    if isinstance(audience, Document):
        return freezing.columns_of_list(audience, now=now)
    saved = SavedAudience.objects.select_for_update().filter(pk=audience.id).first()
    if saved is None or saved.updated_at != audience.updated_at:
        raise ChangedMeanwhile(
            "The audience has been changed or deleted since you opened the page. Check the counts again before you "
            "send it."
        )
    return freezing.columns(saved)


def brand_version(look: BrandLook) -> str:
    """Of the brand that a page shows around an e-mail, for `create`."""
    return versions.digest(look.as_json().values())


def find_existing(*, token: uuid.UUID, notification_ids: Collection[int]) -> list[Broadcast]:
    """What `create` has made of this token; all of it or nothing."""
    requests = [uuid.uuid5(token, str(pk)) for pk in notification_ids]
    return list(Broadcast.objects.filter(request_id__in=requests).order_by("notification_id"))


def _refuse(fresh: Sequence[Notification], *, again: bool, options: SendOptions, now: datetime) -> None:
    if not again and (earlier := sent_recently(notification_ids=[n.pk for n in fresh], now=now)):
        raise SentRecently(earlier)
    if mistakes := options.mistakes(now):
        raise BadSendOptions(mistakes)
    if wrong := [f"“{n}”: {sentence}" for n in fresh for sentence in client_values.unusable_in(n)]:
        raise BadText(" ".join(wrong))


def make(source: Notification | Broadcast, **columns: Any) -> Broadcast:
    """The content is frozen here. Later edits change nothing, but in what a second person has yet to look at.

    So is the brand, and there nothing changes it: whoever wants the new one cancels, and broadcasts again.
    """
    return Broadcast.objects.create(**frozen_columns(source), **columns)


def frozen_columns(source: Notification | Broadcast) -> dict[str, Any]:
    """What a broadcast copies from its notification, or from the broadcast that it follows."""
    return {name: getattr(source, name) for name in Broadcast.FROZEN}


def initial_columns(
    *, needs_approval: bool, options: SendOptions, now: datetime, by: User | None = None
) -> dict[str, Any]:
    """The columns of a broadcast that is asked for now. `by` gets the time to undo it; without, it begins at once."""
    asked = {
        "scheduled_for": options.scheduled_for,
        "expires_at": options.expires_at,
        "is_critical": options.is_critical,
        "needs_approval": needs_approval,
    }
    if needs_approval:
        return asked | {"state": State.AWAITING_APPROVAL, "audience_upto": 0}
    if options.scheduled_for:
        return asked | {"state": State.SCHEDULED, "audience_upto": 0}
    return asked | sent_columns(by=by, now=now)


def sent_columns(*, by: User | None, now: datetime) -> dict[str, Any]:
    """The columns of a broadcast that someone has just sent: until the time to undo it is over it is scheduled.

    So whatever starts it at its time knows nothing of undoing it, nor need processes of the release before.
    """
    if by is None or not settings.UNDO_SECONDS:
        return running_columns(now=now)
    until = now + timedelta(seconds=settings.UNDO_SECONDS)
    return {"state": State.SCHEDULED, "audience_upto": 0, "scheduled_for": until, "undo_until": until}


def chosen_time() -> Case:
    """The time that staff have chosen for its start; NULL where it is only that until which it can be undone."""
    return Case(When(undo_until=F("scheduled_for"), then=None), default=F("scheduled_for"))


def running_columns(*, now: datetime) -> dict[str, Any]:
    """The columns of a broadcast that begins now. The audience is frozen here: later clients change nothing."""
    upto = Client.objects.aggregate(highest=Max("pk"))["highest"] or 0
    return {"state": State.RUNNING, "started_at": now, "audience_upto": upto}


def approval_limit(by: User | None) -> int | None:
    """More messages than this a second person must approve; None where none needs that, as from the command line."""
    return None if by is None else settings.APPROVAL_ABOVE


def needs_approval(*, by: User | None, sends: Callable[[], int]) -> bool:
    """Whether a second person must approve so many messages. `sends` counts them, which may take a while, and is only
    called where it matters.
    """
    limit = approval_limit(by)
    return limit is not None and sends() > limit


def _needing_approval(
    notification_ids: Collection[int], by: User | None, audience: AudienceSeen | Document | None, now: datetime
) -> set[int]:
    if approval_limit(by) is None:
        return set()
    within = _within(audience, now)
    found = Notification.objects.filter(pk__in=notification_ids).select_related("topic")
    return {n.pk for n in found if needs_approval(by=by, sends=partial(topic_counts.sends, n, within=within))}


def _within(audience: AudienceSeen | Document | None, now: datetime) -> Members | None:
    if isinstance(audience, Document):
        return compiling.members(audience, now=now)
    saved = SavedAudience.objects.filter(pk=audience.id).first() if audience else None
    return compiling.of_saved(saved, now=now) if saved else None


def sent_recently(*, notification_ids: Sequence[int], now: datetime) -> list[Broadcast]:
    """The broadcasts of these notifications that wait, are under way, or were started within the last hour."""
    under_way = Q(state__in=[*Broadcast.BEFORE_START, State.RUNNING, State.PAUSED])
    # What was cancelled or undone before its start was sent to nobody.
    recent = Q(started_at__gte=now - RECENT) | Q(finished_at__gte=now - RECENT, started_at__isnull=False)
    earlier = Broadcast.objects.filter(under_way | recent, notification__in=notification_ids)
    return list(earlier.select_related("created_by").order_by("-pk"))


def requester(broadcast: Broadcast) -> str:
    """The name of whoever asked for it."""
    return broadcast.created_by.get_username() if broadcast.created_by else "the command line"


def describe(broadcast: Broadcast) -> str:
    """Who sent it and when, in words."""
    moment = broadcast.started_at or broadcast.created_at
    return f"{broadcast} by {requester(broadcast)}, {wall_clocks.with_zone(moment)}, {state_in_words(broadcast)}"


def state_in_words(broadcast: Broadcast) -> str:
    """As in "scheduled for 24 Nov 2026, 16:00 GMT"."""
    if broadcast.can_be_undone:
        return "about to start"
    if broadcast.state == State.SCHEDULED and broadcast.scheduled_for:
        return f"{_state(broadcast)} for {wall_clocks.with_zone(broadcast.scheduled_for)}"
    return _state(broadcast)


def _state(broadcast: Broadcast) -> str:
    """As in "it is paused"."""
    return "being sent" if broadcast.state == State.RUNNING else broadcast.get_state_display().lower()


def pause(*, broadcast_id: int, now: datetime) -> None:
    """Nothing of it is given to a consumer from now on; what is being sent at this moment still goes out.

    One that can still be undone begins with it, paused: its audience is frozen, and `resume` goes on as with any other.
    """
    upto = Value(running_columns(now=now)["audience_upto"], BigIntegerField())
    begun = {
        "started_at": Coalesce(F("started_at"), Value(now, DateTimeField())),
        "audience_upto": Case(When(started_at=None, then=upto), default=F("audience_upto")),
    }
    on_its_way = Q(state=State.RUNNING) | Q(undo_until=F("scheduled_for"))
    pausable = acts.allowing(Act.PAUSE, broadcast_id=broadcast_id).filter(on_its_way)
    if not pausable.update(state=State.PAUSED, **begun):
        raise refusal(Act.PAUSE, broadcast_id)


def resume(*, broadcast_id: int) -> None:
    """Its deliveries are due already: the dispatcher finds them at its next cycle."""
    _set_state(State.RUNNING, Act.RESUME, broadcast_id)


def cancel(*, broadcast_id: int) -> None:
    """What has not been sent never will be: the dispatcher settles those deliveries as CANCELLED, and ends it."""
    _set_state(State.CANCELLED, Act.CANCEL, broadcast_id)


def _set_state(state: Broadcast.State, act: Act, broadcast_id: int) -> None:
    if not acts.allowing(act, broadcast_id=broadcast_id).update(state=state):
        raise refusal(act, broadcast_id)


def refusal(act: Act, broadcast_id: int) -> NotAllowed:
    """Why an act changed nothing, by the state that the broadcast is in now."""
    broadcast = Broadcast.objects.filter(pk=broadcast_id).first()
    if broadcast is None:
        return NotAllowed(f"There is no broadcast {broadcast_id}.")
    return NotAllowed(f"{broadcast} is {_state(broadcast)}: you can’t {act} it now.")
