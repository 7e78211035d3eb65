"""What is out of the ordinary about a client, as badges: most clients have none, so that those who do stand out."""

from typing import Any

from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from notifier.consent import suppressions
from notifier.models import Channel
from notifier.staff import groups
from notifier.wording.badges import BLANK, badge


def look_up(request: HttpRequest, page: TemplateResponse) -> None:
    """For the clients on a page of their list which of them are suppressed: one query for all of their addresses.

    Before the page is rendered, and not when the list is made: acts about all that a list finds make one too.
    """
    changes = (page.context_data or {})["cl"]
    rows: list[Any] = list(changes.result_list)
    found = suppressions.suppressed_channels(rows) if request.user.has_perm(groups.VIEW_SUPPRESSION) else {}
    for row in rows:
        row.suppressed_channels = found.get(row.pk, ())
    changes.result_list = rows


def flags(client: Any) -> SafeString:
    """Of a client that `look_up` was told of; blank where there is nothing to say."""
    if client.erased_at:
        found = [badge(text="Erased", tone="quiet")]
    else:
        found = [] if client.is_active else [badge(text="Archived", tone="quiet")]
        found += _suppressed(client.suppressed_channels)
        found += [badge(text="Landline", tone="quiet")] if client.has_landline else []
    return format_html_join(" ", "{}", ((each,) for each in found)) or BLANK


def _suppressed(channels: tuple[Channel, ...]) -> list[SafeString]:
    if len(channels) == len(Channel):
        return [badge(text="Suppressed", tone="warn")]
    return [badge(text=f"{channel.label} suppressed", tone="warn") for channel in channels]
