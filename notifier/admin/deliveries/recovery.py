"""What staff may decide about deliveries: the wording of each decision, its forms, and what is said afterwards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django import forms
from django.contrib import messages
from django.utils.translation import gettext_lazy as _

from notifier.admin.lists.reason_field import ReasonField
from notifier.delivery import recovery
from notifier.delivery.obstacles import Obstacle
from notifier.delivery.recovery import Resolved
from notifier.forms import moments
from notifier.models import Resolution
from notifier.wording import numbers

INCOMPLETE = _("The form was incomplete, so nothing was changed. Please try again.")


@dataclass(frozen=True, slots=True)
class DeliveryDecision:
    """Something that staff may decide about deliveries."""

    #: In URLs.
    name: str
    action: Resolution.Action
    label: str
    take: Callable[..., Resolved]
    #: The headline of the page that asks, and the button on it, with "3 deliveries" or "3".
    question: str
    button: str
    #: What each delivery becomes, and what that means.
    becomes: str
    meaning: str
    done: str
    nothing: str


DECISIONS = {
    decision.name: decision
    for decision in (
        DeliveryDecision(
            "mark-as-sent",
            Resolution.Action.MARKED_SENT,
            "Mark as sent",
            recovery.mark_as_sent,
            "Mark {} as sent?",
            "Mark {} as sent",
            "marked as sent",
            "Do this if you know that the messages arrived, for example because the provider’s log shows them. "
            "Nothing is sent. Anyone who did not get the message will not get it.",
            "Marked as sent: {}.",
            "None of these is unknown or failed now. Someone else may have decided already.",
        ),
        DeliveryDecision(
            "send-again",
            Resolution.Action.SENT_AGAIN,
            "Send again",
            recovery.send_again,
            "Send {} again?",
            "Send {} again",
            "sent again",
            "Each message gets all its attempts again, and a finished broadcast continues for it. Clients who have "
            "withdrawn consent, are archived or have a suppressed address are still skipped.",
            "To be sent again: {}.",
            "None of these is unknown, failed or skipped now. Someone else may have decided already.",
        ),
    )
}


class SeenAtForm(forms.Form):
    why = ReasonField(
        max_length=300,
        help_text=_("Recorded with your name. For example: “ticket 4711: the mailbox was full”."),
    )
    #: When the page counted. What failed later was not on it, so the decision leaves it alone.
    seen_at = forms.CharField(widget=forms.HiddenInput, error_messages={"required": INCOMPLETE})

    def clean_seen_at(self) -> datetime:
        if moment := moments.read(self.cleaned_data["seen_at"]):
            return moment
        raise forms.ValidationError(INCOMPLETE)


class DecisionForm(SeenAtForm):
    """What the page that asks posts. The page makes `twice` required where something UNKNOWN is sent again."""

    twice = forms.BooleanField(
        label=_("Send them again, even though some may arrive twice"),
        required=False,
        error_messages={"required": _("Tick this to confirm: the unknown ones may have arrived.")},
    )


def outcome(decision: DeliveryDecision, resolved: Resolved) -> tuple[int, str]:
    """What is said after a decision: the level of the message, and its text with every number."""
    left = obstacles_in_words(resolved.left)
    if not resolved.number:
        return messages.WARNING, f"Nothing was changed. {f'{left}.' if left else decision.nothing}"
    done = decision.done.format(numbers.counted(resolved.number, "message"))
    return (messages.WARNING, f"{done} Unchanged: {left}.") if left else (messages.SUCCESS, done)


def obstacles_in_words(left: Mapping[Obstacle, int]) -> str:
    """Why some were left, as in "2 in a paused broadcast (resume it first); 1 cancelled"."""
    return "; ".join(f"{number:,} {obstacle}" for obstacle, number in left.items())
