"""The forms about time: when a broadcast starts, until when it may send, and the number typed before many are sent."""

import re
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.utils.timezone import get_current_timezone, localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.broadcasts.send_options import SendOptions
from notifier.wording import numbers

#: The factor by which the audience may have grown since the page showed its number.
GROWTH = 1.1


class MomentField(forms.DateTimeField):
    """A date and time in the staff member's own time zone; one that a clock change skips or repeats is refused."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class CriticalForm(forms.Form):
    """Whether it ignores quiet hours and caps. Without `may_be_critical` the field can't be changed."""

    is_critical = forms.BooleanField(label=_("Critical"), required=False)

    def __init__(self, *args: Any, may_be_critical: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["is_critical"].disabled = not may_be_critical


class SendOptionsForm(CriticalForm):
    """`options` is what was chosen, once it is valid."""

    when = forms.ChoiceField(
        choices=[("now", _("Now")), ("later", _("At a date and time"))], widget=forms.RadioSelect, required=False
    )
    scheduled_for = MomentField(label=_("Starts"), required=False)
    expires_at = MomentField(label=_("Expires"), required=False)

    options = SendOptions()

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        self.fields["when"].initial = "later" if self.initial.get("scheduled_for") else "now"

    @property
    def zone(self) -> str:
        """The time zone of the fields, as in "Europe/London (now UTC+01:00)"."""
        name, offset = str(get_current_timezone()), localtime(self.now).strftime("%z")
        return name if name == "UTC" else f"{name} (now UTC{offset[:3]}:{offset[3:]})"

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("when") != "later":
            # The field is hidden then, so what it contains is ignored.
            self.errors.pop("scheduled_for", None)
            cleaned["scheduled_for"] = None
        elif not cleaned.get("scheduled_for") and "scheduled_for" not in self.errors:
            self.add_error("scheduled_for", gettext("Enter the date and time when it should start."))
        self.options = SendOptions(
            cleaned.get("scheduled_for"), cleaned.get("expires_at"), bool(cleaned.get("is_critical"))
        )
        for field, mistake in self.options.mistakes(self.now).items():
            if field not in self.errors:
                self.add_error(field, mistake)
        return cleaned


class NumberForm(forms.Form):
    """The number of messages that the page showed must still be about right. Above CONFIRM_ABOVE it must be typed as
    well, which shows that it was read."""

    counted = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    #: The number that the page showed for a critical broadcast, which ignores frequency caps.
    counted_critical = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    typed = forms.CharField(label=_("Number of messages"), required=False)

    def __init__(self, *args: Any, sends: int, critical_sends: int | None = None, **kwargs: Any) -> None:
        """`critical_sends`: how many it would be if it were critical, where the form may say so."""
        super().__init__(*args, **kwargs)
        self._sends = sends
        self._critical_sends = sends if critical_sends is None else critical_sends

    @property
    def sends(self) -> int:
        return self._critical_sends if self.is_for_critical else self._sends

    @property
    def is_for_critical(self) -> bool:
        """Whether the broadcast would be critical, as this form says."""
        return "is_critical" in self.fields and bool(self["is_critical"].value())

    @property
    def shown(self) -> int | None:
        """The number that the page showed; None where it showed none."""
        names = ("counted_critical", "counted") if self.is_for_critical else ("counted",)
        return next((numbers.read_id(str(self.data[name])) for name in names if self.data.get(name)), None)

    @property
    def must_type(self) -> bool:
        return bool(self.sends > settings.CONFIRM_ABOVE)

    @property
    def has_grown(self) -> bool:
        """Whether it would be many more than the page showed, or the page did not say how many that was."""
        return self.shown is None or self.sends > self.shown * GROWTH

    @property
    def pattern(self) -> str:
        """What the browser accepts: 12345, also with a comma, a full stop or a space between the thousands.

        Where *Critical* may be ticked it is either number; which of them holds is known once the form is posted.
        """
        may_choose = "is_critical" in self.fields and not self.fields["is_critical"].disabled
        each = dict.fromkeys([self._sends, self._critical_sends] if may_choose else [self.sends])
        typed = "|".join(f"{number:,}".replace(",", r"[,.\s]?") for number in each)
        return r"\s*" + (f"(?:{typed})" if len(each) > 1 else typed) + r"\s*"

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.must_type:
            if self.has_grown:
                self.add_error(
                    None,
                    gettext("It would now be %(sends)s messages. Check the number before you send them.")
                    % {"sends": f"{self.sends:,}"},
                )
        else:
            self._check_typed(re.sub(r"[,.\s’']", "", cleaned.get("typed") or ""), self.shown)
        return cleaned

    def _check_typed(self, typed: str, counted: int | None) -> None:
        if self.has_grown:
            self.add_error(
                "typed",
                gettext("It would now be %(sends)s messages. Type that number to send them.")
                % {"sends": f"{self.sends:,}"},
            )
        elif typed != str(counted):
            self.add_error(
                "typed", gettext("Type the number of messages, %(sends)s, to send them.") % {"sends": f"{self.sends:,}"}
            )


class SendForm(SendOptionsForm, NumberForm):
    """What the confirm page asks: when, and how many."""


class FollowForm(CriticalForm, NumberForm):
    """What the page asks before a text is sent to those who did not get it."""
