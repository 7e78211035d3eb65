"""Addresses that are sent nothing: every entry and lifting is written down in the transaction that makes it.

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

Source = Suppression.Source

#: Addresses that are looked for at once; each has a digest for every key.
CHUNK = 1_000
#: Where a client keeps the address of a channel.
FIELDS = {Channel.EMAIL: "email", Channel.SMS: "phone"}
#: What staff may lift with a reason; the rest is the client's own evidence, and wants a right of its own.
STAFF_LIFTABLE = tuple(source for source in Source if source not in Suppression.CLIENT_REQUESTED)

_REASON, _KEPT_REASON = 200, 300


@dataclass(frozen=True, slots=True)
class Evidence:
    """By whom or what an address is suppressed, or a suppression lifted: the evidence that is kept with it."""

    source: Suppression.Source
    reason: str
    by: User | None = None


# --- Entering and lifting ---------------------------------------------------------------------------------------------
def suppress(*, channel: Channel, address: str, evidence: Evidence, now: datetime) -> bool:
    """From the next claim on the address is sent nothing on this channel; False where that stood already.

    A client's own evidence takes the place of any other, which may be lifted more easily; never the other way round.
    """
    said = {"source": evidence.source, "reason": evidence.reason[:_REASON]}
    with transaction.atomic():
        while (row := _locked(known(channel, address))) is None:
            kept = stored_form(channel, address)
            row, is_new = Suppression.objects.get_or_create(channel=channel, address=kept, defaults=said)
            if is_new:
                # By the clock of the rest: it is compared with the moment at which a broadcast began.
                Suppression.objects.filter(pk=row.pk).update(created_at=now)
                _record(row, SuppressionChange.Action.SUPPRESSED, evidence, now)
                return True
            # Somebody else was faster. Looked at again under a lock, where it is no more if it was lifted meanwhile.
        if row.is_own_word or evidence.source not in Suppression.CLIENT_REQUESTED:
            return False
        Suppression.objects.filter(pk=row.pk).update(**said)
        _record(row, SuppressionChange.Action.SUPPRESSED, evidence, now)
    return True


def suppress_many(*, channel: Channel, evidence_of: Mapping[str, Evidence], now: datetime) -> int:
    """Each address by its evidence, in the caller's transaction; what stands already is left as it is."""
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
    *, ids: Collection[int], evidence: Evidence, now: datetime, sources: Collection[Suppression.Source] = tuple(Source)
) -> int:
    """The same for these, whoever they belong to; returns how many there still were of these sources."""
    return _lift(Q(pk__in=ids), evidence, now, sources)


def _lift(which: Q, evidence: Evidence, now: datetime, sources: Collection[Suppression.Source]) -> int:
    with transaction.atomic():
        rows = list(Suppression.objects.select_for_update().filter(which, source__in=sources).order_by("pk"))
        Suppression.objects.filter(pk__in=[row.pk for row in rows]).delete()
        for row in rows:
            before = _staffs_own(row) if evidence.source == Source.CLIENT else None
            _record(row, SuppressionChange.Action.LIFTED, evidence, now)
            if before:
                suppress(channel=Channel(row.channel), address=row.address, evidence=before, now=now)
    return len(rows)


def _staffs_own(row: Suppression) -> Evidence | None:
    """What staff had entered before the client's word took its place: clients lift no more than what they said."""
    story = SuppressionChange.objects.filter(channel=row.channel, address=row.address).order_by("-pk")
    lifted = story.filter(action=SuppressionChange.Action.LIFTED).values_list("pk", flat=True).first() or 0
    entered = story.filter(action=SuppressionChange.Action.SUPPRESSED, source=Source.STAFF, pk__gt=lifted)
    found = entered.select_related("by").first()
    return Evidence(Source.STAFF, found.reason, by=found.by) if found else None


def known(channel: Channel, address: str) -> Q:
    """The suppressions of this address, be it erased or not."""
    return Q(channel=channel, address__in=[address, *digests.digests(channel, address)])


def _locked(which: Q) -> Suppression | None:
    return Suppression.objects.select_for_update().filter(which).order_by("pk").first()


def _record(row: Suppression, action: SuppressionChange.Action, evidence: Evidence, now: datetime) -> None:
    _change(row, action, evidence, now).save(force_insert=True)


def _change(row: Suppression, action: SuppressionChange.Action, evidence: Evidence, now: datetime) -> SuppressionChange:
    return SuppressionChange(
        channel=row.channel,
        # As it is kept: an erased address must not come back by its lifting.
        address=row.address,
        action=action,
        source=evidence.source,
        reason=evidence.reason[:_KEPT_REASON],
        by=evidence.by,
        at=now,
    )


# --- Erased addresses -------------------------------------------------------------------------------------------------
def stored_form(channel: Channel, address: str) -> str:
    """How the address is kept: as it is, or as its digest where it was erased and nobody has it or had it since."""
    named = ErasedAddress.objects.filter(channel=channel, digest__in=digests.digests(channel, address))
    digest = named.values_list("digest", flat=True).first()
    return address if digest is None or address_in_use(channel, address) else digest


def address_in_use(channel: Channel, address: str) -> bool:
    """Whether a client has the address, or had it: of those who were erased nothing is found here."""
    theirs = Q(**{FIELDS[channel]: Value(address)})
    return Client.objects.filter(theirs).exists() or Client.history.filter(theirs).exists()


def any_erased() -> bool:
    """Whether there is anything to recognise: where nobody was ever erased, a long list need not be gone through."""
    return ErasedAddress.objects.exists()


def recognised(channel: Channel, addresses: Iterable[str]) -> dict[str, str]:
    """Of these addresses, those whose suppression was erased: its digest, and the address that it stands for."""
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
    the address, and the claim finds the suppression by it. What was silent stays silent.
    """
    number = 0
    with transaction.atomic():
        for start in range(0, len(addresses), CHUNK):
            number += _recognise(channel, addresses[start : start + CHUNK])
    return number


def _recognise(channel: Channel, addresses: Sequence[str]) -> int:
    # Locked although most are readable: one who erases at this moment either sees the new client, or is waited for.
    list(Suppression.objects.select_for_update().filter(channel=channel, address__in=addresses).order_by("pk"))
    found = recognised(channel, addresses)
    for row in Suppression.objects.select_for_update().filter(channel=channel, address__in=found).order_by("pk"):
        _rename(row, found[row.address])
    return len(found)


def recognise_client(client: Client) -> None:
    """For one whose addresses were just written."""
    for channel, field in FIELDS.items():
        if address := getattr(client, field):
            restore_plaintext(channel=channel, addresses=[str(address)])


def _rename(row: Suppression, address: str) -> None:
    """Between an address and its digest; two that come to the same are one, and the client's own evidence stays."""
    other = Suppression.objects.filter(channel=row.channel, address=address).first()
    if other is None:
        row.address = address
        row.save(update_fields=["address"])
        return
    if row.is_own_word and not other.is_own_word:
        other.source, other.reason = row.source, row.reason
        other.save(update_fields=["source", "reason"])
    row.delete()


class Clean(Protocol):
    """Takes what names an erased client out of a text, of which `most` characters are kept."""

    def __call__(self, text: str, *, most: int) -> str: ...


def pseudonymise(*, channel: Channel, address: str, clean: Clean) -> bool:
    """Put the digest in the address's place, in the caller's transaction, and `clean` what was written beside it.

    False where somebody else has the address, or had it: then it stays readable, for them.
    """
    row = _locked(Q(channel=channel, address=address))
    # Asked only now that the row is locked: see `restore_plaintext`.
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
