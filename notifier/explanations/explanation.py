"""Why a client did or did not get a broadcast, in plain sentences, by the facts of that moment. Read only.

The delivery comes first: no sentence contradicts its state. Where there is no delivery, what
the dispatcher went by is told from the records of that time; where those can't tell, the sentence says so.
"""

from dataclasses import dataclass
from datetime import datetime

from notifier.explanations import delivered, membership, no_delivery
from notifier.explanations.context import Case, decision
from notifier.explanations.membership import Membership
from notifier.models import Broadcast, Channel, Client, Delivery

__all__ = ["Explanation", "audience", "explain", "explain_delivery"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Of one channel."""

    channel: Channel
    sentence: str
    delivery: Delivery | None
    #: What staff decided about the delivery, newest first.
    decisions: list[str]


def explain(*, client: Client, broadcast: Broadcast, now: datetime) -> list[Explanation]:
    """One explanation for each channel, in the same few queries however much the client was sent."""
    found = {d.channel: d for d in Delivery.objects.filter(broadcast=broadcast, client=client)}
    return [_explanation(Case(client, broadcast, channel, found.get(channel), now)) for channel in Channel]


def audience(*, client: Client, broadcast: Broadcast) -> Membership | None:
    """By which conditions the client was in the broadcast's audience, or not, when it started; None without one."""
    return membership.of(client, broadcast, broadcast.started_at) if broadcast.started_at else None


def explain_delivery(delivery: Delivery, *, now: datetime) -> str:
    """The outcome of a delivery and its reason; for one that was sent, the consent that allowed it."""
    case = Case(delivery.client, delivery.broadcast, Channel(delivery.channel), delivery, now)
    return delivered.sentence(case, delivery)


def _explanation(case: Case) -> Explanation:
    sentence = no_delivery.sentence(case) if case.delivery is None else delivered.sentence(case, case.delivery)
    return Explanation(case.channel, sentence, case.delivery, [decision(each) for each in case.decisions])
