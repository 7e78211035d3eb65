from notifier.models.broadcasts import Broadcast, Delivery, Reason
from notifier.models.channels import Channel
from notifier.models.clients import Client, Preference, Suppression, Topic
from notifier.models.notifications import Notification
from notifier.models.operations import Breaker, QueuedTicket, Worker
from notifier.models.recovery import Resolution, ResolvedDelivery

__all__ = [
    "Breaker",
    "Broadcast",
    "Channel",
    "Client",
    "Delivery",
    "Notification",
    "Preference",
    "QueuedTicket",
    "Reason",
    "Resolution",
    "ResolvedDelivery",
    "Suppression",
    "Topic",
    "Worker",
]
