from notifier.models.broadcasts import Broadcast, DailyTally, Delivery, Reason
from notifier.models.channels import Channel
from notifier.models.clients import Client, Preference, Suppression, Topic
from notifier.models.consents import ConsentChange
from notifier.models.imports import ClientImport
from notifier.models.notifications import Notification
from notifier.models.operations import Breaker, Census, QueuedTicket, Worker
from notifier.models.recovery import Resolution, ResolvedDelivery
from notifier.models.staff import Profile

__all__ = [
    "Breaker",
    "Broadcast",
    "Census",
    "Channel",
    "Client",
    "ClientImport",
    "ConsentChange",
    "DailyTally",
    "Delivery",
    "Notification",
    "Preference",
    "Profile",
    "QueuedTicket",
    "Reason",
    "Resolution",
    "ResolvedDelivery",
    "Suppression",
    "Topic",
    "Worker",
]
