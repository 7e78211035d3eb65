"""How the back office writes numbers, durations and states."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.contrib.admin.models import LogEntry
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters, admin_urlquote
from django.db.models import TextChoices
from django.db.models.options import Options
from django.template.loader import select_template
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.timezone import get_current_timezone, localtime

from notifier.addresses import phones
from notifier.broadcasts import lifecycle
from notifier.models import Broadcast, Channel, Delivery, InboundMessage
from notifier.saved_audiences import freezing
from notifier.wording import badges, numbers, wall_clocks
from notifier.wording.badges import state_badge
from notifier.wording.model_names import NOTHING, listed, one, rows

register = template.Library()
register.filter(rows)

#: Letters in a line of the e-mail preview.
EMAIL_WIDTH = 56
_ADDRESS = re.compile(r"https?://\S+")
#: The last step of the breadcrumbs on a stock page, by the page's name.
DONE_TO_IT = {
    "history": "History",
    "simple_history": "Earlier version",
    "delete": "Delete",
    "password_change": "Password",
}


@dataclass(frozen=True, slots=True)
class Breadcrumb:
    name: str
    #: Empty for the present page, and for one that the reader may not open.
    url: str = ""


@register.filter
def thousands(number: float) -> str:
    """1234567 → 1,234,567"""
    return f"{number:,.0f}"


#: What Django calls rows that go with a deleted one, and nobody who works here.
_RELATED = {
    "client tags": "tags",
    "client values": "fields",
    "log entries": "edits in the history",
    "group-permission relationships": "permissions",
    "user-permission relationships": "permissions",
    "user-group relationships": "groups",
}


@register.filter
def deleted_too(model_count: Iterable[tuple[str, int]], opts: "Options[Any]") -> str:
    """What is deleted with a row: "preferences (2), tags (1)"; empty for nothing."""
    others = [(str(name), number) for name, number in model_count if str(name) != str(opts.verbose_name_plural)]
    return ", ".join(f"{_RELATED.get(name.lower(), name)} ({number:,})" for name, number in others)


@register.filter
def duration(span: timedelta) -> str:
    """About how long, as people say it: 45 seconds, 1 minute, 80 minutes, 1½ hours, 30 hours, 3 days."""
    seconds = max(1, round(span.total_seconds()))
    if seconds < 60:
        return numbers.counted(seconds, "second")
    if (minutes := round(seconds / 60)) < 90:
        return numbers.counted(minutes, "minute")
    if (halves := round(seconds / 1800)) < 10:
        return f"{halves // 2}{'½' * (halves % 2)} hours"
    if (hours := round(seconds / 3600)) < 48:
        return f"{hours} hours"
    return f"{round(seconds / 86_400)} days"


@register.filter
def percent(share: float) -> str:
    """Whole, and 100 only when nothing is missing."""
    return f"{int(share * 100)}%"


@register.filter
def known(number: str, is_known: bool) -> str:
    """The number, or a dash where nobody has counted yet: that is not 0."""
    return number if is_known else NOTHING


@register.filter
def shown(value: Any) -> str:
    """A field's value as staff read it: yes, no, a date, a number in groups of digits, or a dash for nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return wall_clocks.shown(value)
    return NOTHING if value in (None, "") else phones.spaced(str(value))


@register.filter
def address(value: Any) -> str:
    """An e-mail address as it is, and a phone number in groups of digits; empty for none."""
    return phones.spaced(str(value)) if value else ""


@register.simple_tag
def time_zone() -> str:
    """The zone in which a page shows times, such as Europe/London."""
    return str(get_current_timezone())


@register.filter
def moment(at: datetime | None) -> str:
    """24 Nov 2026, 16:00; with the zone where the clock shows this time twice."""
    return wall_clocks.shown(at) if at else ""


@register.filter
def moment_to_the_second(at: datetime | None) -> str:
    """24 Nov 2026, 16:00:07; with the zone where the clock shows this time twice."""
    return wall_clocks.shown_to_the_second(at) if at else ""


@register.filter
def time_of_day(at: datetime) -> str:
    """16:00:07; with the date where that is not today's."""
    return (
        date_format(there, "H:i:s")
        if (there := localtime(at)).date() == localtime().date()
        else moment_to_the_second(at)
    )


@register.filter
def machine_readable(at: datetime | None) -> str:
    """2026-11-24T16:00:07+00:00, for a `time` element, which takes three digits of a second at most."""
    return localtime(at).isoformat(timespec="seconds") if at else ""


@register.filter
def moment_with_zone(at: datetime | None) -> str:
    """24 Nov 2026, 16:00 GMT"""
    return wall_clocks.with_zone(at) if at else ""


@register.filter
def broadcast_badge(broadcast: Broadcast) -> SafeString:
    return state_badge(Broadcast.State(broadcast.state))


@register.filter
def state_in_words(broadcast: Broadcast) -> str:
    """scheduled for 24 Nov 2026, 16:00 GMT"""
    return lifecycle.state_in_words(broadcast)


@register.filter
def log_action(entry: LogEntry) -> str:
    """What was done, in one word. Django's log has no flag for an export."""
    is_export = entry.get_change_message().startswith("Exported")
    return "Exported" if is_export else str(entry.get_action_flag_display())


@register.filter
def audience_text(broadcast: Broadcast) -> str:
    """The conditions of a broadcast to an audience."""
    return freezing.text_of(broadcast)


@register.filter
def started_at(broadcast: Broadcast) -> datetime:
    """When it started, or was asked for."""
    return broadcast.started_at or broadcast.created_at


@register.filter
def rate(number: float) -> str:
    """Messages a second: 1,234, 12, 3.5, 0.04"""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


@register.filter
def units(channel: Channel) -> str:
    """e-mails"""
    return channel.units


@register.filter
def email_height(text: str) -> int:
    """About how many pixels high the frame of an e-mail has to be, until `email_frame.js` has measured it."""
    # In HTML a link is a few words; as plain text, each of the footer takes three lines.
    shown = _ADDRESS.sub("a link", text)
    lines = sum(max(1, -(-len(line) // EMAIL_WIDTH)) for line in shown.splitlines())
    return max(240, min(900, 160 + 25 * lines))


@register.filter
def reply_badge(message: InboundMessage) -> SafeString:
    return badges.reply_badge(message)


@register.filter
def delivery_badge(state: str | TextChoices) -> SafeString:
    return state_badge(Delivery.State(state))


@register.simple_tag
def problem_badge(state: Delivery.State, number: int) -> SafeString:
    """12 failed"""
    return badges.badge(text=f"{number:,} {state.label.lower()}", tone=badges.TONES[state])


@register.simple_tag
def icon(name: str) -> SafeString:
    """The picture of a page in the menu: templates/admin/icons/."""
    drawn: SafeString = select_template([f"admin/icons/{name.lower()}.svg", "admin/icons/other.svg"]).render()
    return drawn


@register.simple_tag(takes_context=True)
def trail(context: template.Context) -> list[Breadcrumb]:
    """The breadcrumbs of a stock page: its list, the row, and what is done to it."""
    # The page of an earlier version is about a row of the history.
    opts: Options[Any] | None = context.get("original_opts") or context.get("opts")
    if opts is None:
        return [Breadcrumb(context["title"])] if context.get("title") else []
    page = context["request"].resolver_match.url_name.removeprefix(f"{opts.app_label}_{opts.model_name}_")
    above = Breadcrumb(listed(opts), _list_url(context, opts) if context.get("has_view_permission", True) else "")
    if page == "changelist":
        return [Breadcrumb(above.name)]
    obj = context.get("original") or context.get("object")
    if obj is None:
        return [above, Breadcrumb(f"Add {one(opts)}" if page == "add" else context["title"])]
    name = str(context.get("subtitle") or obj)
    if page == "change":
        return [above, Breadcrumb(name)]
    return [above, Breadcrumb(name, _url(opts, "change", admin_urlquote(obj.pk))), Breadcrumb(DONE_TO_IT[page])]


def _list_url(context: template.Context, opts: "Options[Any]") -> str:
    """As it was filtered when the row was opened from it: nothing else leads back there once the row is saved."""
    preserved: dict[str, Any] = {"opts": opts, "preserved_filters": context.get("preserved_filters", "")}
    return str(add_preserved_filters(preserved, _url(opts, "changelist")))


def _url(opts: "Options[Any]", page: str, *args: Any) -> str:
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", args=args)
