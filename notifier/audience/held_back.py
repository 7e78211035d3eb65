"""What quiet hours and the frequency cap do to those who could be sent a topic now. Read only.

Each client counts once, as the claims will decide: whoever is in quiet hours waits until these end, and the cap counts
at that moment.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db.models import Count, DateTimeField, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from notifier.audience import chains, reachable
from notifier.models import Broadcast, Channel, Delivery
from notifier.policies import caps, client_values, quiet_hours_sql
from notifier.saved_audiences.compiling import Members


def caps_are_set() -> bool:
    return any(settings.CAPS.values())


def quiet_hours_are_set() -> bool:
    return any(settings.QUIET_HOURS.values())


class Recipients:
    """Those who could be sent a topic on a channel at `now`; with `follows` only those whom that broadcast missed.

    `needed`: the placeholders that a client must have a value for; who lacks one is skipped for that alone. `within`:
    of the audience that it goes to; None: of everybody. A critical broadcast ignores quiet hours and the cap, so nobody
    is held back. Counted is only what is asked for.
    """

    def __init__(
        self,
        *,
        topic_id: int,
        channel: Channel,
        now: datetime,
        follows: Broadcast | None = None,
        needed: Sequence[str] = (),
        within: Members | None = None,
        is_critical: bool = False,
    ) -> None:
        self.now, self.is_critical = now, is_critical
        self._channel = channel
        self._cap: tuple[int, int] | None = None if is_critical else settings.CAPS[channel.value]
        self._opens_at = None if is_critical else quiet_hours_sql.moment(channel=channel, client="client", now=now)
        at_once = Value(now, DateTimeField())
        turn = at_once if self._opens_at is None else Coalesce(self._opens_at, at_once)
        self._chain: list[int] = []
        if follows:
            self._chain = chains.whole(broadcast_id=follows.pk, notification_id=follows.notification_id)
        wanting = reachable.wanting(topic_id=topic_id, channel=channel, within=within)
        wanting = wanting.filter(*self._missed("client_id"), *client_values.present(needed, client="client__"))
        # Any, because the type of a row does not know what it is annotated with.
        self._wanting: Any = wanting.annotate(turn=turn)

    @cached_property
    def over_cap(self) -> int:
        """How many are skipped, because they have reached the cap when it is their turn."""
        return int(self._wanting.filter(self._is_over_cap).count()) if self._is_over_cap else 0

    @cached_property
    def waits(self) -> dict[datetime, int]:
        """How many of the others wait for the end of quiet hours, by the moment at which these end."""
        if self._opens_at is None:
            return {}
        later = self._wanting.filter(turn__gt=self.now)
        if self._is_over_cap:
            later = later.exclude(self._is_over_cap)
        return dict(later.order_by("turn").values_list("turn").annotate(number=Count("pk")))

    def may_reach_cap(self, *, others: int) -> bool:
        """Whether `others` more messages, sent to them at the same time, might keep this one from any of them.

        Who of them also gets those is not asked, nor in which order: that is decided by who is claimed first.
        """
        if self._cap is None or others <= 0:
            return False
        maximum, days = self._cap
        below = self._wanting.exclude(self._is_over_cap) if self._is_over_cap else self._wanting
        if others < maximum:
            below = below.filter(client__in=self._full(maximum - others, self.now - timedelta(days=days)))
        return bool(below.exists())

    def among(self, client: str) -> list[Any]:
        """Conditions on the recipients' rows whose column `client` names them, true of those who are sent it, be it
        later.
        """
        over = self._is_over_cap
        below_cap = [~Q(**{f"{client}__in": self._wanting.filter(over).values("client")})] if over else []
        return [*self._missed(client), *below_cap]

    def _missed(self, client: str) -> list[Any]:
        """Conditions on rows whose column `client` names the client: nothing of the chain reached them."""
        if not self._chain:
            return []
        return [~Exists(chains.reached(broadcast_ids=self._chain, channel=self._channel, client=OuterRef(client)))]

    @cached_property
    def _is_over_cap(self) -> Q:
        """Empty where nobody is. Who has had enough at a later moment has had enough now, so these alone are asked."""
        if self._cap is None:
            return Q()
        maximum, days = self._cap
        period = timedelta(days=days)
        full = self._wanting.filter(client__in=self._full(maximum, self.now - period))
        turns = [self.now] if self._opens_at is None else full.order_by().values_list("turn", flat=True).distinct()
        found = Q()
        for turn in turns:
            found |= Q(turn=turn, client__in=self._full(maximum, turn - period))
        return found

    def _full(self, maximum: int, since: datetime) -> QuerySet[Delivery, Any]:
        """The clients who have had so many messages since then, or more, with what they have had by now.

        Found by the index `delivery_feed` of each broadcast that has sent since.
        """
        recent = Broadcast.objects.filter(Q(finished_at=None) | Q(finished_at__gt=since)).exclude(started_at=None)
        recently = list(recent.values_list("pk", flat=True))
        rows = Delivery.objects.filter(caps.counted(since=since), broadcast__in=recently, channel=self._channel)
        return (
            rows.order_by().values("client").annotate(number=Count("pk")).filter(number__gte=maximum).values("client")
        )


def over_cap(
    *,
    topic_id: int,
    channel: Channel,
    now: datetime,
    follows: Broadcast | None = None,
    needed: Sequence[str] = (),
    within: Members | None = None,
) -> int:
    """How many recipients would be skipped, unless it is critical; the rest as of `Recipients`."""
    return Recipients(
        topic_id=topic_id, channel=channel, now=now, follows=follows, needed=needed, within=within
    ).over_cap
