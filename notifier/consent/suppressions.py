"""Addresses that are sent nothing. Each suppression and each lifting is recorded in the transaction that makes it.

Claims and counts compare addresses as they stand. Where a client was erased a digest stands in the address's place, and
`restore_plaintext` puts the address back as soon as somebody has it again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, Value

from notifier.consent import digests
from notifier.models import Channel, Client, ErasedAddress, Suppression, SuppressionChange
from notifier.runtime import versions
from notifier.runtime.versions import NotAsShown

Source = Suppression.Source

#: Addresses in one query; each has a digest for every key.
CHUNK = 1_000
#: What staff may lift with a reason. What the client asked for takes a permission of its own.
STAFF_LIFTABLE = tuple(source for source in Source if source not in Suppression.CLIENT_REQUESTED)

_REASON, _KEPT_REASON = 200, 300


@dataclass(frozen=True, slots=True)
class Evidence:
    """Who or what suppresses an address or lifts a suppression. It is kept with the change."""

    source: Suppression.Source
    reason: str
    by: User | None = None


# --- Entering and lifting ---------------------------------------------------------------------------------------------
def suppress(*, channel: Channel, address: str, evidence: Evidence, now: datetime) -> bool:
    """From the next claim on the address is sent nothing on this channel; False where that stood already.

    A client's own evidence takes the place of any other, which may be lifted more easily; never the other way round.
    """
    address = channel.canonical(address)
    said = {"source": evidence.source, "reason": evidence.reason[:_REASON]}
    with transaction.atomic():
        while (row := _locked(known(channel, address))) is None:
            kept = stored_form(channel, address)
            row, is_new = Suppression.objects.get_or_create(channel=channel, address=kept, defaults=said)
            if is_new:
                # The time comes from the caller's clock: it is compared with the start of a broadcast.
                Suppression.objects.filter(pk=row.pk).update(created_at=now)
                _record(row, SuppressionChange.Action.SUPPRESSED, evidence, now)
                return True
            # Somebody else was faster. Look again under a lock: it may have been lifted meanwhile.
        if row.is_client_requested or evidence.source not in Suppression.CLIENT_REQUESTED:
            return False
        Suppression.objects.filter(pk=row.pk).update(**said)
        _record(row, SuppressionChange.Action.SUPPRESSED, evidence, now)
    return True


def suppress_many(*, channel: Channel, evidence_of: Mapping[str, Evidence], now: datetime) -> int:
    """Suppress each address, in the caller's transaction; those that are suppressed already stay as they are."""
    evidence_of = {channel.canonical(address): evidence for address, evidence in evidence_of.items()}
    there = Suppression.objects.filter(channel=channel, address__in=evidence_of).values_list("address", flat=True)
    fresh = {address: evidence_of[address] for address in sorted(set(evidence_of) - set(there))}
    rows = [
        Suppression(channel=channel, address=address, source=evidence.source, reason=evidence.reason[:_REASON])
        for address, evidence in fresh.items()
    ]
    Suppression.objects.bulk_create(rows)
    SuppressionChange.objects.bulk_create(
        _change(row, SuppressionChange.Action.SUPPRESSED, fresh[row.address], now) for row in rows
    )
    return len(rows)


def lift(
    *,
    channel: Channel,
    address: str,
    evidence: Evidence,
    now: datetime,
    sources: Collection[Suppression.Source] = tuple(Source),
) -> bool:
    """The address may be written to again, if its suppression is of one of these sources; whether there was one.

    Consent is another matter: what the client ticked holds again. Who may lift what is asked by the caller.
    """
    return _lift(known(channel, address), evidence, now, sources) > 0


def lift_rows(
    *,
    ids: Collection[int],
    evidence: Evidence,
    now: datetime,
    sources: Collection[Suppression.Source] = tuple(Source),
    seen: str | None = None,
) -> int:
    """As `lift`, for these rows; returns how many there still were of these sources.

    `seen`: the `version` of the rows that somebody was asked about. Raises `NotAsShown`, and lifts none, where what
    would be lifted is not exactly that: a client may have said STOP meanwhile.
    """
    return _lift(Q(pk__in=ids), evidence, now, sources, seen)


def suppressed_channels(clients: Iterable[Client]) -> dict[int, tuple[Channel, ...]]:
    """By the id of a client who is not erased, the channels whose address is suppressed. One query for all of them."""
    owners = {
        (channel.value, str(address)): client.pk
        for client in clients
        for channel in Channel
        if (address := getattr(client, channel.address_field))
    }
    about = Q(pk__in=[])
    for channel in Channel:
        about |= Q(channel=channel, address__in=[address for of, address in owners if of == channel])
    found: dict[int, tuple[Channel, ...]] = {}
    rows = Suppression.objects.filter(about).order_by("channel") if owners else Suppression.objects.none()
    for key in rows.values_list("channel", "address"):
        owner = owners[key]
        found[owner] = (*found.get(owner, ()), Channel(key[0]))
    return found


def version(rows: Iterable[Suppression]) -> str:
    """Of rows in the order of their ids, with who wanted each and why."""
    return versions.digest(
        part for row in rows for part in (row.pk, row.channel, row.address, row.source, row.reason, row.created_at)
    )


def _lift(
    which: Q, evidence: Evidence, now: datetime, sources: Collection[Suppression.Source], seen: str | None = None
) -> int:
    with transaction.atomic():
        rows = list(Suppression.objects.select_for_update().filter(which, source__in=sources).order_by("pk"))
        if seen is not None and seen != version(rows):
            raise NotAsShown
        Suppression.objects.filter(pk__in=[row.pk for row in rows]).delete()
        for row in rows:
            before = _staffs_own(row) if evidence.source == Source.CLIENT else None
            _record(row, SuppressionChange.Action.LIFTED, evidence, now)
            if before:
                suppress(channel=Channel(row.channel), address=row.address, evidence=before, now=now)
    return len(rows)


def _staffs_own(row: Suppression) -> Evidence | None:
    """What staff had entered before the client's own request replaced it: clients lift only their own."""
    story = SuppressionChange.objects.filter(channel=row.channel, address=row.address).order_by("-pk")
    lifted = story.filter(action=SuppressionChange.Action.LIFTED).values_list("pk", flat=True).first() or 0
    entered = story.filter(action=SuppressionChange.Action.SUPPRESSED, source=Source.STAFF, pk__gt=lifted)
    found = entered.select_related("by").first()
    return Evidence(Source.STAFF, found.reason, by=found.by) if found else None


def is_suppressed(*, channel: Channel, address: str) -> bool:
    """Whether nothing may be sent to it, however an e-mail address is written."""
    return Suppression.objects.filter(known(channel, address)).exists()


def known(channel: Channel, address: str) -> Q:
    """The suppressions of this address, stored as itself or as a digest."""
    address = channel.canonical(address)
    return Q(channel=channel, address__in=[address, *digests.digests(channel, address)])


def _locked(which: Q) -> Suppression | None:
    return Suppression.objects.select_for_update().filter(which).order_by("pk").first()


def _record(row: Suppression, action: SuppressionChange.Action, evidence: Evidence, now: datetime) -> None:
    _change(row, action, evidence, now).save(force_insert=True)


def _change(row: Suppression, action: SuppressionChange.Action, evidence: Evidence, now: datetime) -> SuppressionChange:
    return SuppressionChange(
        channel=row.channel,
        # As it is stored: a lifting must not bring an erased address back.
        address=row.address,
        action=action,
        source=evidence.source,
        reason=evidence.reason[:_KEPT_REASON],
        by=evidence.by,
        at=now,
    )


# --- Erased addresses -------------------------------------------------------------------------------------------------
def stored_form(channel: Channel, address: str) -> str:
    """How the address is stored: as itself, or as its digest where it was erased and no other client has or had it."""
    named = ErasedAddress.objects.filter(channel=channel, digest__in=digests.digests(channel, address))
    digest = named.values_list("digest", flat=True).first()
    return address if digest is None or address_in_use(channel, address) else digest


def address_in_use(channel: Channel, address: str) -> bool:
    """Whether a client has or had the address; erased clients don't count."""
    theirs = Q(**{channel.address_field: Value(address)})
    return Client.objects.filter(theirs).exists() or Client.history.filter(theirs).exists()


def any_erased() -> bool:
    """Whether anybody was ever erased. Where nobody was, a long list need not be checked."""
    return ErasedAddress.objects.exists()


def suppressed_as_digest(channel: Channel, addresses: Iterable[str]) -> dict[str, str]:
    """Those of these addresses that are suppressed as a digest: the digest, and its address."""
    found: dict[str, str] = {}
    chunk: dict[str, str] = {}
    for address in addresses:
        chunk |= dict.fromkeys(digests.digests(channel, address), address)
        if len(chunk) >= CHUNK:
            found |= _among(channel, chunk)
            chunk = {}
    return found | _among(channel, chunk)


def _among(channel: Channel, by_digest: Mapping[str, str]) -> dict[str, str]:
    there = Suppression.objects.filter(channel=channel, address__in=by_digest).values_list("address", flat=True)
    return {digest: by_digest[digest] for digest in there} if by_digest else {}


def restore_plaintext(*, channel: Channel, addresses: Sequence[str]) -> int:
    """Make the suppressions of these addresses readable again; returns how many were erased ones.

    For every writer of clients' addresses, in its transaction and after it has written them: from then on a client has
    the address, and the claim finds the suppression by it. What was suppressed stays so.
    """
    number = 0
    with transaction.atomic():
        for start in range(0, len(addresses), CHUNK):
            number += _restore_chunk(channel, addresses[start : start + CHUNK])
    return number


def _restore_chunk(channel: Channel, addresses: Sequence[str]) -> int:
    # Locked although most are readable: an erasure at this moment either sees the new client, or is waited for.
    list(Suppression.objects.select_for_update().filter(channel=channel, address__in=addresses).order_by("pk"))
    found = suppressed_as_digest(channel, addresses)
    for row in Suppression.objects.select_for_update().filter(channel=channel, address__in=found).order_by("pk"):
        _rename(row, found[row.address])
    return len(found)


def restore_plaintext_of(client: Client) -> None:
    """`restore_plaintext` for a client whose addresses were just written."""
    for channel in Channel:
        if address := getattr(client, channel.address_field):
            restore_plaintext(channel=channel, addresses=[str(address)])


def _rename(row: Suppression, address: str) -> None:
    """Replace an address by its digest, or the reverse. Of two rows that become one, the client's own request stays."""
    other = Suppression.objects.filter(channel=row.channel, address=address).first()
    if other is None:
        row.address = address
        row.save(update_fields=["address"])
        return
    if row.is_client_requested and not other.is_client_requested:
        other.source, other.reason = row.source, row.reason
        other.save(update_fields=["source", "reason"])
    row.delete()


class Clean(Protocol):
    """Removes what identifies an erased client from a text, of which `most` characters are stored."""

    def __call__(self, text: str, *, most: int) -> str: ...


def pseudonymise(*, channel: Channel, address: str, clean: Clean) -> bool:
    """Replace the address by its digest in the caller's transaction, and `clean` the reasons beside it.

    False where somebody else has the address, or had it: then it stays readable, for them.
    """
    row = _locked(Q(channel=channel, address=address))
    # Only now that the row is locked: see `restore_plaintext`.
    if address_in_use(channel, address):
        return False
    digest = digests.digest(channel, address)
    if row is not None:
        row.reason = clean(row.reason, most=_REASON)
        row.save(update_fields=["reason"])
        _rename(row, digest)
    changes = SuppressionChange.objects.filter(channel=channel, address=address)
    for change in changes.exclude(reason="").only("reason"):
        SuppressionChange.objects.filter(pk=change.pk).update(reason=clean(change.reason, most=_KEPT_REASON))
    changes.update(address=digest)
    return True
