"""Erases a client's personal data for good. What was sent, and that they agreed to it, stays under a number."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Q

from notifier.clients import archiving, names
from notifier.clients.imports import erasure as imports_erasure
from notifier.consent import consents, digests, provider_events, suppressions
from notifier.consent.consents import Origin
from notifier.consent.suppressions import Evidence, Source
from notifier.models import (
    Breaker,
    Channel,
    Client,
    ClientImport,
    ClientTag,
    ClientValues,
    ConsentChange,
    Delivery,
    ErasedAddress,
    Receipt,
    Resolution,
    ResolvedDelivery,
    ValueChange,
)

GONE = "[erased]"


class NotErased(Exception):
    """It can't be done now; the message tells staff why."""


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows were emptied."""

    deliveries: int
    versions: int
    consents_ended: int


def erase(*, client_id: int, by: User | None, why: str, now: datetime) -> Erased:
    """Replace everything that tells who the client is: on the client, in its history, its deliveries and the log, and
    their rows in files of clients.

    All in one transaction. The addresses of today are suppressed, and what was suppressed stays so, by a digest in the
    address's place. Raises `NotErased` while something is being sent to the client: its outcome would bring the address
    back.
    """
    shown = Client.objects.filter(pk=client_id, erased_at=None).first()
    in_files = imports_erasure.find_rows(addresses=_all_addresses(shown) if shown else [])
    with transaction.atomic():
        client = Client.objects.select_for_update().filter(pk=client_id).first()
        if client is None or client.erased_at:
            raise NotErased(f"There is no client {client_id} with data to erase.")
        _refuse_while_sending(client)
        known, had, has = _identifying_texts(client), _all_addresses(client), _current_addresses(client)
        names.rename(client, name=f"Erased client {client.pk}")
        client.email = client.phone = None
        Client.objects.filter(pk=client.pk).update(
            name=client.name,
            first_name="",
            last_name="",
            email=None,
            phone=None,
            landline_ending=None,
            language=None,
            is_active=False,
            erased_at=now,
            updated_at=now,
        )
        versions = Client.history.filter(id=client.pk).update(
            name=client.name,
            first_name="",
            last_name="",
            email=None,
            phone=None,
            language=None,
            history_change_reason=None,
        )
        archiving.write_history(client_ids=[client.pk], by=by, why=f"erased: {why}", now=now)
        _delete_values(client)
        _scrub_texts(client, known)
        deliveries = Delivery.objects.filter(client=client).exclude(address="").update(address="", language=None)
        _scrub_log(client)
        _pseudonymise_addresses(client, had, known)
        imports_erasure.erase_rows(addresses=had, found=in_files, now=now)
        _suppress(has, by, now)
        origin = Origin(ConsentChange.Source.STAFF, by=by, detail="erased")
        return Erased(deliveries, versions, consents.withdraw_all(client=client, origin=origin, now=now))


def _refuse_while_sending(client: Client) -> None:
    """Locks the open deliveries by id, in the order of a claim, so that none is claimed before we commit."""
    active = Delivery.objects.active().filter(client=client).order_by("pk").select_for_update()
    if Delivery.State.SENDING in list(active.values_list("state", flat=True)):
        raise NotErased(f"A message to {client} is being sent right now. Try again in a few minutes.")


def _identifying_texts(client: Client) -> list[str]:
    """Every name and address that the client ever had, by which a text may identify them; the longest first."""
    texts = {text for row in Client.history.filter(id=client.pk).values_list("name", "email", "phone") for text in row}
    texts |= {client.name, client.email, client.phone}
    texts |= _the_other_way_round(client)
    texts |= set(Delivery.objects.filter(client=client).values_list("address", flat=True).distinct())
    texts |= {str(text)[1:] for text in texts if str(text).startswith("+")}
    # A name of one or two letters is a part of many words.
    return sorted({str(text) for text in texts if text and len(str(text)) > 2}, key=len, reverse=True)


def _the_other_way_round(client: Client) -> set[str]:
    """The names that the client ever had with the last name first. A first name alone is part of many words."""
    parts = {(client.first_name, client.last_name)}
    parts |= set(Client.history.filter(id=client.pk).values_list("first_name", "last_name"))
    return {f"{last}{between}{first}" for first, last in parts if first and last for between in (" ", ", ")}


def _current_addresses(client: Client) -> list[tuple[Channel, str]]:
    return [(channel, str(value)) for channel in Channel if (value := getattr(client, channel.address_field))]


def _all_addresses(client: Client) -> list[tuple[Channel, str]]:
    """Every address that the client ever had, from all records."""
    found = set(_current_addresses(client))
    for email, phone in Client.history.filter(id=client.pk).values_list("email", "phone"):
        found |= {(Channel.EMAIL, email), (Channel.SMS, str(phone or ""))}
    sent = Delivery.objects.filter(client=client).values_list("channel", "address").distinct()
    found |= {(Channel(channel), address) for channel, address in sent}
    # Both as it was written before addresses had one form, and as it is written now.
    found |= {(channel, channel.canonical(address)) for channel, address in found if address}
    return sorted((channel, address) for channel, address in found if address)


def _pseudonymise_addresses(client: Client, had: Collection[tuple[Channel, str]], known: Collection[str]) -> None:
    """Replaces each address by its digest, except where another client has or had it."""
    for channel, address in had:
        digest = digests.digest(channel, address)
        ErasedAddress.objects.get_or_create(client=client, channel=channel, digest=digest)
        clean = partial(without, known=known)
        if suppressions.pseudonymise(channel=channel, address=address, clean=clean):
            provider_events.pseudonymise(channel=channel, address=address, clean=clean)


def _suppress(has: Collection[tuple[Channel, str]], by: User | None, now: datetime) -> None:
    """Suppresses the addresses, so that nothing is sent to one that is entered again, by hand or from an old list."""
    for channel, address in has:
        evidence = Evidence(Source.ERASED, "personal data was erased", by=by)
        suppressions.suppress(channel=channel, address=address, evidence=evidence, now=now)


def _delete_values(client: Client) -> None:
    """What staff kept in fields and tags, and what was there before.

    Whoever sets them looks at the client, whose row we hold, so that none comes after us.
    """
    for rows in (ClientValues.objects, ClientTag.objects, ValueChange.objects):
        rows.filter(client=client).delete()


def _scrub_texts(client: Client, known: Collection[str]) -> None:
    """Cleans the texts of providers and staff, which may name the address."""
    theirs = Delivery.objects.filter(client=client)
    _scrub(theirs.exclude(detail=""), "detail", known)
    _scrub(theirs.exclude(provider_id=""), "provider_id", known)
    _scrub(Receipt.objects.filter(delivery__in=theirs).exclude(provider_id=""), "provider_id", known)
    _scrub(ResolvedDelivery.objects.filter(delivery__in=theirs).exclude(detail_before=""), "detail_before", known)
    _scrub(Resolution.objects.filter(deliveries__delivery__in=theirs), "why", known)
    _scrub(ConsentChange.objects.filter(client=client).exclude(detail=""), "detail", known)
    for field in ("reason", "file_name"):
        _scrub(ClientImport.objects.exclude(**{field: ""}), field, known)
    # A channel that paused itself keeps the last answer of its provider.
    _scrub(Breaker.objects.exclude(detail=""), "detail", known)


def _scrub(rows: Any, field: str, known: Collection[str]) -> None:
    most = rows.model._meta.get_field(field).max_length
    for pk, text in rows.order_by("pk").values_list("pk", field).distinct():
        cleaned = without(text, known, most)
        if cleaned != text:
            rows.model.objects.filter(pk=pk).update(**{field: cleaned})


def without(text: str, known: Collection[str], most: int) -> str:
    """`text`, of which `most` characters are kept, without any of `known`, however it is capitalised.

    One that is as long as that was cut, and may end in the middle of an address.
    """
    spans = [found.span(1) for one in known for found in re.finditer(f"(?=({re.escape(one)}))", text, re.IGNORECASE)]
    if len(text) >= most and (cut := _beginning_at_the_end(text, known)):
        spans.append((len(text) - cut, len(text)))
    kept, done = "", 0
    # Overlapping spans are one: a name within an address must not keep the rest of the address.
    for start, end in sorted(spans):
        if start > done or not done:
            kept += text[done:start] + GONE
        done = max(done, end)
    return (kept + text[done:])[:most]


def _beginning_at_the_end(text: str, known: Collection[str]) -> int:
    """How many of the last characters are the first ones of any of `known`."""
    return max(
        (
            length
            for one in known
            for length in range(1, min(len(one), len(text)) + 1)
            if re.fullmatch(re.escape(one[:length]), text[-length:], re.IGNORECASE)
        ),
        default=0,
    )


def _scrub_log(client: Client) -> None:
    """Empties Django's log of edits; who did something and when stays."""
    mine = Q(content_type=ContentType.objects.get_for_model(Client), object_id=str(client.pk))
    LogEntry.objects.filter(mine).update(object_repr=client.name, change_message="")
