"""Everything that is kept about one client, as a file that they may ask for: in words, or as plain values."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from notifier.clients import record
from notifier.consent import suppression_history
from notifier.fields import changes, definitions, tags, values
from notifier.fields.definitions import Definitions
from notifier.languages import offered
from notifier.models import (
    Client,
    ConsentChange,
    Delivery,
    InboundMessage,
    ProviderEvent,
    ResolvedDelivery,
    SuppressionChange,
    ValueChange,
)
from notifier.models.suppressions import shown


def full_record(*, client: Client, now: datetime) -> dict[str, Any]:
    """Everything, in words and plain values, for a file that the client can read."""
    addresses = suppression_history.all_addresses(client)
    fields = definitions.every()
    return {
        "exported": now.isoformat(timespec="seconds"),
        "client": {
            "number": client.pk,
            "name": client.name,
            "first name": _text(client.first_name),
            "last name": _text(client.last_name),
            "e-mail": client.email,
            "phone": _text(client.phone),
            "language": _language(client.language),
            "time zone": _text(client.time_zone),
            "active": client.is_active,
            "added": client.created_at.isoformat(timespec="seconds"),
            "changed": client.updated_at.isoformat(timespec="seconds"),
            "unsubscribed from everything": _moment(client.stopped_at),
            "erased": _moment(client.erased_at),
        },
        "fields": list(_values(client, fields)),
        "tags": [{"tag": tag.name} for tag in tags.of_client(client.pk)],
        "consent today": [
            {"topic": each.topic.name, "e-mail": each.email, "SMS": each.sms}
            for each in client.preferences.select_related("topic").order_by("topic__name")
        ],
        "changes of consent": [_consent(each) for each in record.consent_changes(client)],
        "messages": [_message(each) for each in record.deliveries(client)],
        "decisions about messages": [_decision(each) for each in _decisions(client)],
        "suppressed addresses": [
            {
                "address": shown(each.address),
                "channel": each.get_channel_display(),
                "since": _moment(each.created_at),
                "source": each.get_source_display(),
                "reason": each.reason,
            }
            for each in record.suppressions(client)
        ],
        "how addresses were suppressed and lifted": [
            _suppression(each) for each in suppression_history.changes(addresses)
        ],
        "reports from providers": [_event(each) for each in suppression_history.events(addresses)],
        "messages from the client": [_inbound(each) for each in suppression_history.inbound(addresses)],
        "changes of fields and tags": [_change(each, fields) for each in changes.of_client(client.pk)],
        "earlier versions": [_version(each) for each in record.history(client)],
    }


def _values(client: Client, fields: Definitions) -> Iterator[dict[str, Any]]:
    """In the order of the fields; without those that are empty."""
    found = values.of_client(client.pk, fields)
    for one in fields:
        if one.id in found:
            kept_for = {"what it is for": one.field.description} if one.field.description else {}
            yield {"field": one.label, "value": one.type.show(found[one.id])} | kept_for


def _change(change: ValueChange, fields: Definitions) -> dict[str, Any]:
    return {
        "when": _moment(change.at),
        "by": change.by.get_username() if change.by else "",
        "reason": change.reason,
        "what": "; ".join(
            f"{one.label}: {one.before or 'nothing'} → {one.after or 'nothing'}"
            for one in changes.differences(change, fields)
        ),
    }


def _consent(change: ConsentChange) -> dict[str, Any]:
    return {
        "when": _moment(change.at),
        "topic": change.topic.name,
        "channel": change.get_channel_display(),
        "before": change.agreed_before,
        "agreed": change.agreed,
        "source": change.origin,
        "internet address": change.ip,
    }


def _suppression(change: SuppressionChange) -> dict[str, Any]:
    return {
        "when": _moment(change.at),
        "address": shown(change.address),
        "channel": change.get_channel_display(),
        "what": change.get_action_display(),
        "source": suppression_history.origin(change),
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
        "outcome": message.get_outcome_display(),
    }


def _message(delivery: Delivery) -> dict[str, Any]:
    return {
        "number": delivery.pk,
        "broadcast": str(delivery.broadcast),
        "channel": delivery.get_channel_display(),
        "address": delivery.address,
        "language": _language(delivery.language),
        "outcome": delivery.get_state_display(),
        "detail": delivery.reason,
        "attempts": delivery.attempts,
        "processed": _moment(delivery.settled_at),
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
        "reason": resolution.why,
        "before": str(Delivery.State(resolved.state_before).label),
    }


def _version(row: Any) -> dict[str, Any]:
    return {
        "when": _moment(row.history_date),
        "by": row.history_user.get_username() if row.history_user else "",
        "reason": row.history_change_reason or "",
        "name": row.name,
        "first name": _text(row.first_name),
        "last name": _text(row.last_name),
        "e-mail": row.email,
        "phone": _text(row.phone),
        "language": _language(row.language),
        "time zone": _text(row.time_zone),
        "active": row.is_active,
    }


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _language(code: str | None) -> str | None:
    return offered.name(code) if code else None


def _text(value: Any) -> str | None:
    return str(value) if value else None


def as_text(found: dict[str, Any]) -> str:
    """The full record as text: a heading for each part, a line for each entry."""
    lines = [f"Data held about {found['client']['name']} as of {found['exported']}", ""]
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
