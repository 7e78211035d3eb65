"""The rate limit of each provider. Staff may change it while consumers run, which read it again within seconds."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.lists.base import BackOfficeAdmin
from notifier.models import Channel, Throttle
from notifier.policies import rates, throttles


class RateField(forms.Field):
    """Messages a second in the database; 50/s, 600/m or 1000/h on the screen."""

    def prepare_value(self, value: Any) -> Any:
        return rates.formatted(value) if isinstance(value, float) else value

    def to_python(self, value: Any) -> Any:
        text = str(value or "").strip()
        if not text:
            return None
        try:
            return rates.read(text)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class ThrottleForm(forms.ModelForm):
    rate = RateField(
        label=_("Limit"),
        required=False,
        widget=forms.TextInput({"maxlength": 20, "autocomplete": "off"}),
        help_text=_(
            "For example 50/s, 600/m or 1000/h, for all consumers together. Leave empty to use the server’s setting."
        ),
    )


@admin.register(Throttle)
class ThrottleAdmin(BackOfficeAdmin):
    form = ThrottleForm
    list_display = ("channel", "provider_shown", "in_force", "set_by")
    fields = ("channel", "provider_shown", "by_settings", "rate")
    readonly_fields = ("channel", "provider_shown", "by_settings")
    ordering = ("channel", "provider")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: consumers create the rows as they start."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """With both rates: the history is where staff look up who slowed a provider down."""
        if "rate" not in form.changed_data:
            return super().construct_change_message(request, form, formsets, add)
        before, after = form.initial.get("rate"), form.cleaned_data["rate"]
        return gettext("Changed from %(before)s to %(after)s.") % {
            "before": _in_words(before),
            "after": _in_words(after),
        }

    @admin.display(description=_("provider"))
    def provider_shown(self, throttle: Throttle) -> str:
        return throttle.provider_name

    @admin.display(description=_("limit"))
    def in_force(self, throttle: Throttle) -> str:
        limit = throttles.in_force(throttle)
        return rates.formatted(limit) if limit else "no limit"

    @admin.display(description=_("set by"))
    def set_by(self, throttle: Throttle) -> str:
        return "server setting" if throttle.rate is None else "staff"

    @admin.display(description=_("server setting"))
    def by_settings(self, throttle: Throttle) -> str:
        limit = throttles.default(Channel(throttle.channel))
        return rates.formatted(limit) if limit else "no limit"


def _in_words(rate: float | None) -> str:
    return rates.formatted(rate) if rate else "the server’s setting"
