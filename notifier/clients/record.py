"""Everything that is kept about one client: for their page, their history, and the file that they may ask for.

Read only. Every list on a page is bounded; the file has all of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.db.models import QuerySet

from notifier.consent import suppression_history
from notifier.consent.suppression_history import Entry
from notifier.models import (
    Channel,
    Client,
    ConsentChange,
    Delivery,
    InboundMessage,
    ProviderEvent,
    ResolvedDelivery,
    Suppression,
    SuppressionChange,
)
from notifier.models.suppressions import shown

#: Deliveries and versions on one page; changes of consent before somebody asks for all.
PAGE_SIZE, SHORT_CHANGES = 20, 10
#: SMS replies on the client's page; the rest is in the inbox.
SHOWN_REPLIES = 5
#: A page shows no more than these of anything.
MAX_SHOWN = 500
#: The fields in which versions are compared, with their names on the screens.
FIELDS = {
    "name": "Name",
    "email": "E-mail",
    "phone": "Phone",
    "time_zone": "Time zone",
    "is_active": "Active",
    "erased_at": "Erased",
}


def consent_changes(client: Client) -> QuerySet[ConsentChange]:
    """Newest first."""
    return ConsentChange.objects.filter(client=client).select_related("topic", "by").order_by("-at", "-pk")


def deliveries(client: Client) -> QuerySet[Delivery]:
    """Newest first, without the broadcasts' texts."""
    rows = Delivery.objects.filter(client=client).select_related("broadcast").order_by("-pk")
    return rows.defer("broadcast__email_body", "broadcast__sms_body", "broadcast__tally")


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    rows: Sequence[Delivery]
    #: The next page begins before this id; None on the last page.
    older: int | None


def delivery_page(*, client: Client, before: int | None) -> DeliveryPage:
    """Pages by key, so that the hundredth costs what the first does."""
    found = deliveries(client)
    rows = list((found.filter(pk__lt=before) if before else found)[: PAGE_SIZE + 1])
    return DeliveryPage(rows[:PAGE_SIZE], rows[PAGE_SIZE - 1].pk if len(rows) > PAGE_SIZE else None)


def suppressions(client: Client) -> list[Suppression]:
    """Suppressions of the client's addresses; of an erased client, of those that they had."""
    return list(suppression_history.suppressions(suppression_history.current_addresses(client)))


def consent_timeline(*, client: Client, most: int, with_addresses: bool) -> list[Entry]:
    """Up to `most` changes, newest first: of consent, and of suppressions of all addresses that the client ever had."""
    addresses = suppression_history.all_addresses(client) if with_addresses else []
    # Read MAX_SHOWN even for a shorter list: the older changes tell what each one changed.
    return suppression_history.timeline(addresses, consent_changes(client)[: MAX_SHOWN + 1])[:most]


def sms_replies(client: Client) -> QuerySet[InboundMessage]:
    """Messages from the client's present number, newest first."""
    found = InboundMessage.objects.filter(channel=Channel.SMS, sender=str(client.phone)).order_by("-pk")
    return found if client.phone else found.none()


@dataclass(frozen=True, slots=True)
class Difference:
    label: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class ClientVersion:
    """The client after one edit."""

    row: Any
    differences: Sequence[Difference]

    @property
    def by(self) -> str:
        """Empty for a command, or a user who no longer exists."""
        return self.row.history_user.get_username() if self.row.history_user else ""


def history(client: Client) -> QuerySet[Any]:
    """Newest first."""
    versions: QuerySet[Any] = Client.history.filter(id=client.pk).select_related("history_user")
    return versions.order_by("-history_date", "-history_id")


def archiving(client: Client) -> Any:
    """The version that archived the client; None for an active client, or where it is not on record."""
    last_active = history(client).filter(is_active=True).values_list("history_date", flat=True).first()
    archived = history(client).filter(is_active=False)
    return (archived.filter(history_date__gt=last_active) if last_active else archived).last()


def versions(*, client: Client, most: int) -> Iterator[ClientVersion]:
    """The newest `most`, each with what it changed."""
    rows = list(history(client)[: most + 1])
    for after, before in pairwise([*rows, None]):
        if most > 0:
            yield ClientVersion(after, _differences(before, after))
        most -= 1


def _differences(before: Any, after: Any) -> list[Difference]:
    """The fields that differ; all of them where there is no version before."""
    return [
        Difference(label, getattr(before, name, None), getattr(after, name))
        for name, label in FIELDS.items()
        if getattr(before, name, None) != getattr(after, name)
    ]


# --- The file ---------------------------------------------------------------------------------------------------------
def full_record(*, client: Client, now: datetime) -> dict[str, Any]:
    """Everything, in words and plain values, for a file that the client can read."""
    addresses = suppression_history.all_addresses(client)
    return {
        "exported": now.isoformat(timespec="seconds"),
        "client": {
            "number": client.pk,
            "name": client.name,
            "e-mail": client.email,
            "phone": _text(client.phone),
            "time zone": _text(client.time_zone),
            "active": client.is_active,
            "added": client.created_at.isoformat(timespec="seconds"),
            "changed": client.updated_at.isoformat(timespec="seconds"),
            "stopped everything": _moment(client.stopped_at),
            "erased": _moment(client.erased_at),
        },
        "consent today": [
            {"topic": each.topic.name, "e-mail": each.email, "SMS": each.sms}
            for each in client.preferences.select_related("topic").order_by("topic__name")
        ],
        "changes of consent": [_consent(each) for each in consent_changes(client)],
        "messages": [_message(each) for each in deliveries(client)],
        "decisions about messages": [_decision(each) for each in _decisions(client)],
        "addresses never written to": [
            {
                "address": shown(each.address),
                "channel": each.get_channel_display(),
                "since": _moment(each.created_at),
                "source": each.get_source_display(),
                "reason": each.reason,
            }
            for each in suppressions(client)
        ],
        "how addresses were suppressed and lifted": [
            _suppression(each) for each in suppression_history.changes(addresses)
        ],
        "what providers told": [_event(each) for each in suppression_history.events(addresses)],
        "messages from the client": [_inbound(each) for each in suppression_history.inbound(addresses)],
        "versions of the entry": [_version(each) for each in history(client)],
    }


def _consent(change: ConsentChange) -> dict[str, Any]:
    return {
        "when": _moment(change.at),
        "topic": change.topic.name,
        "channel": change.get_channel_display(),
        "before": change.agreed_before,
        "agreed": change.agreed,
        "from where": change.origin,
        "internet address": change.ip,
    }


def _suppression(change: SuppressionChange) -> dict[str, Any]:
    return {
        "when": _moment(change.at),
        "address": shown(change.address),
        "channel": change.get_channel_display(),
        "what": change.get_action_display(),
        "from where": suppression_history.origin(change),
    }


def _event(event: ProviderEvent) -> dict[str, Any]:
    return {
        "when": _moment(event.at),
        "address": shown(event.address),
        "channel": event.get_channel_display(),
        "what": event.get_kind_display(),
        "provider": event.provider,
        "message": event.delivery_id,
        "detail": event.detail,
    }


def _inbound(message: InboundMessage) -> dict[str, Any]:
    return {
        "when": _moment(message.received_at),
        "sender": shown(message.sender),
        "channel": message.get_channel_display(),
        "text": message.text,
        "what became of it": message.get_outcome_display(),
    }


def _message(delivery: Delivery) -> dict[str, Any]:
    return {
        "number": delivery.pk,
        "broadcast": str(delivery.broadcast),
        "channel": delivery.get_channel_display(),
        "address": delivery.address,
        "outcome": delivery.get_state_display(),
        "detail": delivery.detail,
        "tries": delivery.attempts,
        "settled": _moment(delivery.settled_at),
    }


def _decisions(client: Client) -> QuerySet[ResolvedDelivery]:
    found = ResolvedDelivery.objects.filter(delivery__in=Delivery.objects.filter(client=client))
    return found.select_related("resolution__by").order_by("-pk")


def _decision(resolved: ResolvedDelivery) -> dict[str, Any]:
    resolution = resolved.resolution
    return {
        "message": resolved.delivery_id,
        "decision": resolution.get_action_display(),
        "when": _moment(resolution.at),
        "by": resolution.by.get_username() if resolution.by else "the command line",
        "why": resolution.why,
        "before": Delivery.State(resolved.state_before).label,
    }


def _version(row: Any) -> dict[str, Any]:
    return {
        "when": _moment(row.history_date),
        "by": row.history_user.get_username() if row.history_user else "",
        "why": row.history_change_reason or "",
        "name": row.name,
        "e-mail": row.email,
        "phone": _text(row.phone),
        "time zone": _text(row.time_zone),
        "active": row.is_active,
    }


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _text(value: Any) -> str | None:
    return str(value) if value else None


def as_text(found: dict[str, Any]) -> str:
    """The full record as text: a heading for each part, a line for each entry."""
    lines = [f"What is kept about {found['client']['name']}, as of {found['exported']}", ""]
    for heading, part in found.items():
        if isinstance(part, str):
            continue
        lines += [heading.capitalize(), "-" * len(heading)]
        entries = [part] if isinstance(part, dict) else part
        lines += [_line(entry) for entry in entries] or ["none"]
        lines.append("")
    return "\n".join(lines)


def _line(entry: dict[str, Any]) -> str:
    words = {True: "yes", False: "no"}
    texts = {
        label: words[value] if isinstance(value, bool) else value
        for label, value in entry.items()
        if value not in (None, "")
    }
    return "- " + "; ".join(f"{label}: {' '.join(str(value).split())}" for label, value in texts.items())
