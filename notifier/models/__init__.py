from notifier.models.broadcasts import Broadcast, Delivery, Reason
from notifier.models.channels import Channel
from notifier.models.clients import Client, Preference, Suppression, Topic
from notifier.models.notifications import Notification
from notifier.models.operations import QueuedTicket, Worker

__all__ = [
    "Broadcast",
    "Channel",
    "Client",
    "Delivery",
    "Notification",
    "Preference",
    "QueuedTicket",
    "Reason",
    "Suppression",
    "Topic",
    "Worker",
]
