"""What a new notification begins from: an empty form, a template, or an earlier notification."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from notifier.admin.notifications import forms
from notifier.messages.text_templates import TEMPLATES
from notifier.models import Notification
from notifier.wording import numbers

#: Earlier notifications that the page offers, the newest first.
OFFERED = 30
#: Parameters of the form's URL.
TEMPLATE, COPY = "template", "copy"


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the form shows at first, and in words where that comes from."""

    values: dict[str, Any]
    words: str
    #: The name of the template, or the id of the notification, which the page marks.
    template: str = ""
    copied: int | None = None


def chosen(request: HttpRequest, *, may_view: bool) -> Beginning | None:
    """What the URL asks for; None where that is nothing, or nothing that is there."""
    name = request.GET.get(TEMPLATE, "")
    if template := TEMPLATES.get(name):
        return Beginning(template.texts, f"the template “{template.name}”", template=name)
    number = numbers.read_id(request.GET.get(COPY, ""))
    earlier = Notification.objects.filter(pk=number).first() if number is not None and may_view else None
    if earlier is None:
        return None
    values = {name: getattr(earlier, name) for name in Notification.TEXTS} | forms.fields_of(earlier.other_texts)
    return Beginning({"topic": earlier.topic_id, **values}, f"a copy of “{earlier}”", copied=earlier.pk)


def earlier_ones() -> list[Notification]:
    """Those that can be copied."""
    return list(Notification.objects.order_by("-created_at", "-pk").only("pk", "subject", "created_at")[:OFFERED])
