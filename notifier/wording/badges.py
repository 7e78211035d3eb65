"""States as coloured badges. The text alone is enough; the colour only helps to find it."""

from django.db.models import TextChoices
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifier.models import Broadcast, Delivery, InboundMessage, Notification, Process

TONES: dict[TextChoices, str] = {
    Notification.Status.DRAFT: "quiet",
    Notification.Status.READY: "warn",
    Notification.Status.SCHEDULED: "active",
    Notification.Status.SENT: "good",
    Broadcast.State.AWAITING_APPROVAL: "warn",
    Broadcast.State.SCHEDULED: "active",
    Broadcast.State.RUNNING: "active",
    Broadcast.State.PAUSED: "warn",
    Broadcast.State.CANCELLED: "quiet",
    Broadcast.State.FINISHED: "good",
    Broadcast.State.REJECTED: "bad",
    Delivery.State.PENDING: "quiet",
    Delivery.State.SENDING: "active",
    Delivery.State.RETRYING: "warn",
    Delivery.State.SENT: "good",
    Delivery.State.FAILED: "bad",
    Delivery.State.UNKNOWN: "warn",
    Delivery.State.SKIPPED: "quiet",
    Delivery.State.CANCELLED: "quiet",
    InboundMessage.Outcome.STOPPED: "warn",
    InboundMessage.Outcome.STARTED: "good",
    InboundMessage.Outcome.HELPED: "quiet",
    Process.State.IDLE: "good",
    Process.State.WORKING: "active",
    Process.State.WAITING: "warn",
}


#: In the place of a badge where nothing is out of the ordinary. For an empty text a list would show a dash.
BLANK = SafeString("&nbsp;")


def badge(*, text: str, tone: str) -> SafeString:
    """`tone`: good, active, warn, bad or quiet."""
    return format_html('<span class="badge badge-{}">{}</span>', tone, text)


def reply_badge(message: InboundMessage) -> SafeString:
    if message.outcome != InboundMessage.Outcome.KEPT:
        return state_badge(InboundMessage.Outcome(message.outcome))
    return badge(text="Unread", tone="active") if message.waits else badge(text="Read", tone="quiet")


def state_badge(state: TextChoices) -> SafeString:
    return badge(text=str(state.label), tone=TONES[state])
