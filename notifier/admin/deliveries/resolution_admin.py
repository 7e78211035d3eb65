"""The record of what staff decided about deliveries."""

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from notifier.admin.lists.base import ReadOnlyAdmin
from notifier.models import Resolution
from notifier.wording.badges import badge


@admin.register(Resolution)
class ResolutionAdmin(ReadOnlyAdmin):
    """The deliveries of a decision are a list of their own: see `delivery_admin.ResolutionFilter`."""

    list_display = ("decision", "shown_action", "shown_number", "who", "at", "why")
    list_filter = ("action",)
    list_select_related = ("by",)
    ordering = ("-pk",)
    fields = ("shown_action", "shown_number", "who", "at", "why")

    @admin.display(description=_("number"))
    def decision(self, resolution: Resolution) -> str:
        return f"#{resolution.pk}"

    @admin.display(description=_("decision"))
    def shown_action(self, resolution: Resolution) -> SafeString:
        return badge(text=resolution.get_action_display(), tone="quiet")

    @admin.display(description=_("messages"))
    def shown_number(self, resolution: Resolution) -> str:
        return f"{resolution.number:,}"

    @admin.display(description=_("decided by"))
    def who(self, resolution: Resolution) -> str:
        return resolution.by.get_username() if resolution.by else "the command line"
