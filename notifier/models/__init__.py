"""The data: every table of the product, and its query verbs. Rules for changing it are in the packages above."""

from notifier.models.audiences import SavedAudience
from notifier.models.brands import Brand
from notifier.models.broadcasts import Broadcast, BroadcastChange
from notifier.models.channels import Channel
from notifier.models.clients import Client, Preference, Topic
from notifier.models.consents import ConsentChange
from notifier.models.deliveries import DailyStats, Delivery, Reason
from notifier.models.feedback import InboundMessage, ProviderEvent, SoftBounces
from notifier.models.fields import ClientField, ClientTag, ClientValues, FieldOption, Tag, ValueChange
from notifier.models.imports import ClientImport
from notifier.models.notifications import Notification, UnsavedText
from notifier.models.operations import Breaker, ClientCounts, Installation, Process, QueuedTicket, Throttle
from notifier.models.pictures import Picture
from notifier.models.receipts import Receipt, ReceiptCounts
from notifier.models.recovery import Resolution, ResolvedDelivery
from notifier.models.staff import Profile, StaffMail
from notifier.models.suppressions import DIGEST, ErasedAddress, Suppression, SuppressionChange, shown

__all__ = [
    "DIGEST",
    "Brand",
    "Breaker",
    "Broadcast",
    "BroadcastChange",
    "Channel",
    "Client",
    "ClientCounts",
    "ClientField",
    "ClientImport",
    "ClientTag",
    "ClientValues",
    "ConsentChange",
    "DailyStats",
    "Delivery",
    "ErasedAddress",
    "FieldOption",
    "InboundMessage",
    "Installation",
    "Notification",
    "Picture",
    "Preference",
    "Process",
    "Profile",
    "ProviderEvent",
    "QueuedTicket",
    "Reason",
    "Receipt",
    "ReceiptCounts",
    "Resolution",
    "ResolvedDelivery",
    "SavedAudience",
    "SoftBounces",
    "StaffMail",
    "Suppression",
    "SuppressionChange",
    "Tag",
    "Throttle",
    "Topic",
    "UnsavedText",
    "ValueChange",
    "shown",
]
