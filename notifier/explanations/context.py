"""What is known about one client, one broadcast and one channel; and the phrases of the sentences."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from notifier.explanations.records import Activity, ClientHistory, Consents, when
from notifier.models import Broadcast, Channel, Client, ConsentChange, Delivery, ResolvedDelivery

#: Nobody reads more decisions on one delivery than these.
MAX_DECISIONS = 20


@dataclass(frozen=True)
class Case:
    client: Client
    broadcast: Broadcast
    channel: Channel
    delivery: Delivery | None
    now: datetime

    @property
    def message(self) -> str:
        return f"the {self.channel.in_words}"

    @property
    def subject(self) -> str:
        """What is agreed to."""
        return f"{self.broadcast.topic} by {self.channel.in_words}"

    @property
    def started(self) -> datetime:
        return self.broadcast.started_at or self.broadcast.created_at

    @property
    def ended(self) -> datetime:
        """The end of the time in which the audience was made."""
        return self.broadcast.finished_at or self.now

    @property
    def expanded(self) -> datetime:
        """When the audience had been made, at the latest: the end of the broadcast, or now."""
        return self.ended

    @cached_property
    def consents(self) -> Consents:
        return Consents(client=self.client, broadcast=self.broadcast, channel=self.channel)

    @cached_property
    def history(self) -> ClientHistory:
        return ClientHistory(client=self.client)

    @cached_property
    def decisions(self) -> list[ResolvedDelivery]:
        if self.delivery is None:
            return []
        found = ResolvedDelivery.objects.filter(delivery=self.delivery.pk).select_related("resolution__by")
        return list(found.order_by("-pk")[:MAX_DECISIONS])


# --- Words ---
def did_not(case: Case) -> str:
    return f"{case.client} did not get {case.message}:"


def has_not(case: Case) -> str:
    return f"{case.client} has not got {case.message} yet:"


def given(case: Case, change: ConsentChange) -> str:
    if change.source == ConsentChange.Source.EARLIER:
        return f"agreed to {case.subject} before records began ({date(change.at)})"
    return f"agreed to {case.subject} {when(change.at)} ({change.origin})"


def date(moment: datetime) -> str:
    return when(moment).partition(" on ")[2]


def archived_since(activity: Activity) -> str:
    """Who archived the client, and when; empty where the records don't have it."""
    version = activity.archived_by
    if version is None:
        return ""
    by = f" by {version.history_user.get_username()}" if version.history_user else ""
    erased = " and their personal data erased" if version.erased_at else ""
    return f"they had been archived{erased} {when(version.history_date)}{by}"


def withdrawn(change: ConsentChange) -> str:
    return f"{when(change.at)} ({change.origin})"


def decision(resolved: ResolvedDelivery) -> str:
    """What staff decided about the delivery: “maria sent it again at … because “…”; before, it was failed: …”."""
    resolution = resolved.resolution
    who = resolution.by.get_username() if resolution.by else "The command line"
    did = resolution.get_action_display().lower().replace("marked as sent", "marked it as sent")
    did = did.replace("sent again", "had it sent again")
    before = Delivery.State(resolved.state_before).label.lower()
    detail = f" ({resolved.reason_before.rstrip('.')})" if resolved.detail_before else ""
    return f"{who} {did} {when(resolution.at)}, because “{resolution.why}”. Before that it was {before}{detail}."
