"""How the back office writes numbers, durations and states."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.db.models import TextChoices
from django.template.loader import select_template
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from notifier.admin.badges import state_badge
from notifier.admin.confirmation import UNITS
from notifier.models import Broadcast, Channel, Delivery
from notifier.services import broadcasts

register = template.Library()


@register.filter
def thousands(number: float) -> str:
    """1234567 → 1,234,567"""
    return f"{number:,.0f}"


@register.filter
def in_words(span: timedelta) -> str:
    """About how long, in the largest unit that fits: 45 seconds, 3 minutes, 2 hours, 30 days."""
    seconds = max(1, round(span.total_seconds()))
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"{round(seconds / size)} {unit}s"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


@register.filter
def percent(share: float) -> str:
    """Whole, and 100 only when nothing is missing."""
    return f"{int(share * 100)} %"


@register.filter
def shown(value: Any) -> str:
    """A field's value as staff read it: yes, no, a date, or a dash for nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return date_format(localtime(value), "j M Y, H:i")
    return "–" if value in (None, "") else str(value)


@register.filter
def broadcast_badge(broadcast: Broadcast) -> SafeString:
    return state_badge(Broadcast.State(broadcast.state))


@register.filter
def state_in_words(broadcast: Broadcast) -> str:
    """scheduled for 24 Nov 2026, 16:00 GMT"""
    return broadcasts.state_in_words(broadcast)


@register.filter
def begun(broadcast: Broadcast) -> datetime:
    """When it started, or was asked for."""
    return broadcast.started_at or broadcast.created_at


@register.filter
def rate(number: float) -> str:
    """A second: 1,234, 12, 3.5, 0.04"""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


@register.filter
def units(channel: Channel) -> str:
    """e-mails"""
    return UNITS[channel][1]


@register.filter
def delivery_badge(state: str | TextChoices) -> SafeString:
    return state_badge(Delivery.State(state))


@register.simple_tag
def icon(name: str) -> SafeString:
    """The picture of a page in the menu: templates/admin/icons/."""
    drawn: SafeString = select_template([f"admin/icons/{name.lower()}.svg", "admin/icons/other.svg"]).render()
    return drawn
