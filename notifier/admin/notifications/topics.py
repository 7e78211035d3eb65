"""What notifications are about."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.lists.base import GuardedDeleteAdmin
from notifier.fields import usage
from notifier.models import Broadcast, Notification, Topic
from notifier.saved_audiences import saving


@admin.register(Topic)
class TopicAdmin(GuardedDeleteAdmin):
    list_display = ("name", "slug", "notifications", "broadcasts")
    search_fields = ("name",)
    ordering = ("name",)
    sortable_by = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Topic]:
        topics: QuerySet[Topic] = super().get_queryset(request)
        return topics.annotate(notification_count=_count_of(Notification), broadcast_count=_count_of(Broadcast))

    @admin.display(description=_("notifications"))
    def notifications(self, topic: Any) -> int:
        return int(topic.notification_count)

    @admin.display(description=_("broadcasts"))
    def broadcasts(self, topic: Any) -> int:
        return int(topic.broadcast_count)

    def reason_to_keep(self, obj: Topic) -> str:
        if obj.notifications.exists() or obj.broadcasts.exists():
            return gettext("%(obj)s can’t be deleted, because it has notifications. You can rename it instead.") % {
                "obj": obj
            }
        if obj.preferences.exists():
            return gettext(
                "%(obj)s can’t be deleted, because clients have made choices about it. You can rename it instead."
            ) % {"obj": obj}
        if uses := list(saving.uses(obj)):
            return gettext(
                "%(obj)s can’t be deleted, because it is used by %(in_words)s. You can rename it instead."
            ) % {"obj": obj, "in_words": usage.in_words(uses)}
        return ""


def _count_of(model: Any) -> Coalesce:
    rows = model.objects.filter(topic=OuterRef("pk")).order_by().values("topic").annotate(number=Count("pk"))
    return Coalesce(Subquery(rows.values("number")), 0, output_field=IntegerField())
