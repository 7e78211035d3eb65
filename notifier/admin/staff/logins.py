"""Log-ins, and those that failed lately: the rows of django-axes, to look at. Deleting a failed one unlocks."""

from datetime import datetime
from typing import Any

from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.lists.base import ReadOnlyAdmin
from notifier.runtime import versions
from notifier.staff import groups
from notifier.wording import numbers
from notifier.wording.badges import badge
from notifier.wording.model_names import NOTHING, one


def _in_words(moment: datetime | None) -> str:
    """In words here: of what a method returns, the page of one row would show a moment as Python writes it."""
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT") if moment else NOTHING


class LogInAdmin(ReadOnlyAdmin):
    """Page titles in words that staff use; the names of django-axes are technical."""

    def named(self, obj: Any) -> str:
        """What staff call the row, for its page's title."""
        raise NotImplementedError

    @admin.display(description=_("user"))
    def who(self, obj: Any) -> str:
        return obj.username or NOTHING

    @admin.display(description=_("address"))
    def came_from(self, obj: Any) -> str | None:
        address: str | None = obj.ip_address
        return address

    @admin.display(description=_("browser"))
    def browser(self, obj: Any) -> str:
        return obj.user_agent or NOTHING

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().change_view(request, object_id, form_url, self._with_name(request, object_id, extra_context))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().delete_view(request, object_id, self._with_name(request, object_id, extra_context))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().history_view(request, object_id, self._with_name(request, object_id, extra_context))

    def _with_name(self, request: HttpRequest, object_id: str, extra: dict[str, Any] | None) -> dict[str, Any]:
        obj = self.get_object(request, unquote(object_id))
        name = {"title": capfirst(one(self.opts)), "subtitle": self.named(obj)} if obj else {}
        return name | (extra or {})


@admin.register(AccessAttempt)
class AccessAttemptAdmin(LogInAdmin):
    """Log-ins that failed lately. Deleting one lets that user try again."""

    list_display = ("who", "came_from", "failures", "state", "last_try", "browser")
    search_fields = ("username__startswith", "ip_address__startswith")
    search_help_text = _("Search by the start of a username or address.")
    ordering = ("-pk",)
    actions = ("unlock",)
    fields = list_display

    def named(self, obj: AccessAttempt) -> str:
        return f"{self.who(obj)} from {obj.ip_address or 'an unknown address'}"

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(groups.DELETE_ACCESSATTEMPT)

    def version_for_deletion(self, request: HttpRequest, obj: Any) -> str:
        # The page names who and from where. How often they have tried meanwhile is no reason to ask again.
        return versions.digest([obj.pk, self.named(obj)])

    @admin.display(description=_("failures"))
    def failures(self, attempt: AccessAttempt) -> int:
        return int(attempt.failures_since_start)

    @admin.display(description=_("last attempt"))
    def last_try(self, attempt: AccessAttempt) -> str:
        return _in_words(attempt.attempt_time)

    @admin.display(description=_("status"))
    def state(self, attempt: AccessAttempt) -> SafeString:
        until = attempt.attempt_time + settings.AXES_COOLOFF_TIME
        if until < timezone.now():
            return badge(text="Over", tone="quiet")
        if attempt.failures_since_start < settings.LOGIN_FAILURES:
            return badge(text="Can try again", tone="good")
        return badge(text=f"Blocked until {date_format(timezone.localtime(until), 'H:i')}", tone="warn")

    @admin.action(description=_("Unblock selected users"), permissions=["delete"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[AccessAttempt]) -> None:
        # "All of them" means those that the list showed, newest first: who was locked out since, nobody has looked at.
        ticked = [numbers.read_id(pk) or 0 for pk in request.POST.getlist("_selected_action")]
        shown = queryset.filter(pk__lte=max(ticked, default=0))
        names = ", ".join(sorted({attempt.username or NOTHING for attempt in shown}))
        shown.delete()
        self.message_user(request, gettext("Unblocked: %(names)s.") % {"names": names}, messages.SUCCESS)


@admin.register(AccessLog)
class AccessLogAdmin(LogInAdmin):
    """Who logged in when, and from where."""

    list_display = ("who", "came", "left", "came_from", "browser")
    search_fields = ("username__startswith", "ip_address__startswith")
    search_help_text = _("Search by the start of a username or address.")
    ordering = ("-pk",)
    fields = list_display

    def named(self, obj: AccessLog) -> str:
        return f"{obj.username}, {_in_words(obj.attempt_time)}"

    @admin.display(description=_("logged in"))
    def came(self, obj: AccessLog) -> str:
        return _in_words(obj.attempt_time)

    @admin.display(description=_("logged out"))
    def left(self, obj: AccessLog) -> str:
        return _in_words(obj.logout_time)
