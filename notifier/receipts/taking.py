"""Taking receipts: each once, in any order, and at any time.

Whatever the order in which the receipts of a delivery come, and however often, the same is stored in the end: a later
state replaces an earlier one (`Receipt.State` is in order); of two that say the same, the earlier one stays.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from notifier.models import Channel, Delivery, Receipt, ReceiptCounts
from notifier.receipts import proofs
from notifier.runtime import foreign_text
from notifier.wording import numbers

State = Receipt.State

#: How old `ReceiptCounts.told_at` may get while receipts come in. Each would write it otherwise, all to one row.
TOLD_EVERY = timedelta(seconds=5)

#: The code of an error, and nothing that an address could hide in.
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")

_DELIVERY, _RECEIPT = Delivery._meta.db_table, Receipt._meta.db_table
_SELECT = f"""
    SELECT d.id, d.broadcast_id, d.channel, d.state, d.attempts, d.address <> '' AS has_address,
           EXISTS (SELECT 1 FROM {ReceiptCounts._meta.db_table} c
                   WHERE c.broadcast_id = d.broadcast_id AND c.told_at > %s AND c.due_at IS NOT NULL) AS is_told
    FROM {_DELIVERY} d WHERE d.id IN ({{ids}}) ORDER BY d.id
"""  # noqa: S608

_RANK = "CASE {0}.state " + " ".join(f"WHEN '{state}' THEN {rank}" for rank, state in enumerate(State)) + " END"
_NEW, _OLD = _RANK.format("excluded"), _RANK.format(_RECEIPT)
#: Whether the new one replaces the old one. The codes are compared so that two of one moment have an order, too.
_REPLACES = (
    f"({_NEW} > {_OLD} OR ({_NEW} = {_OLD} AND (excluded.at < {_RECEIPT}.at "
    f"OR (excluded.at = {_RECEIPT}.at AND excluded.code < {_RECEIPT}.code))))"
)
_IS_EARLIER_DELIVERY = (
    f"(excluded.delivered_at IS NOT NULL AND "
    f"({_RECEIPT}.delivered_at IS NULL OR excluded.delivered_at < {_RECEIPT}.delivered_at))"
)
_REPLACED = ", ".join(
    f"{name} = CASE WHEN {_REPLACES} THEN excluded.{name} ELSE {_RECEIPT}.{name} END"
    for name in ("state", "at", "code", "provider", "provider_id")
)
_UPSERT = f"""
    INSERT INTO {_RECEIPT} (delivery_id, broadcast_id, channel, state, at, code, delivered_at, provider, provider_id,
                            is_early, is_proof)
    VALUES {{rows}}
    ON CONFLICT (delivery_id) DO UPDATE SET
        {_REPLACED},
        delivered_at = CASE WHEN {_IS_EARLIER_DELIVERY} THEN excluded.delivered_at ELSE {_RECEIPT}.delivered_at END,
        is_early = {_RECEIPT}.is_early OR excluded.is_early,
        is_proof = {_RECEIPT}.is_proof OR excluded.is_proof
    WHERE {_REPLACES} OR {_IS_EARLIER_DELIVERY} OR (excluded.is_early AND NOT {_RECEIPT}.is_early)
       OR (excluded.is_proof AND NOT {_RECEIPT}.is_proof)
"""  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One receipt of any provider, in one form."""

    #: `broadcast.delivery`, as it was sent with the message.
    reference: str
    channel: Channel
    state: Receipt.State
    at: datetime
    provider: str
    provider_id: str = ""
    code: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "provider_id", foreign_text.cleaned(self.provider_id)[:100])
        object.__setattr__(self, "code", self.code if _CODE.fullmatch(self.code) else "")


class _Row(NamedTuple):
    """A delivery that receipts came for."""

    id: int
    broadcast_id: int
    channel: str
    state: str
    attempts: int
    has_address: bool
    #: Whether the dispatcher knows that receipts come in for its broadcast.
    is_told: bool


def take(receipts: Sequence[Told], *, now: datetime) -> int:
    """Keep these receipts, and settle what they prove, in one transaction; returns how many changed something.

    One for a delivery that there is not, or that is another broadcast's or channel's, is passed over: its provider
    would deliver it again for days. After an error nothing is kept, and the same call may be made again.
    """
    numbered = [(number, told) for told in receipts if (number := _delivery_id(told)) is not None]
    if not numbered:
        return 0
    with transaction.atomic():
        rows = {row.id: row for row in _select([number for number, _ in numbered], now)}
        found = [(rows[number], told) for number, told in numbered if number in rows and _is_for(told, rows[number])]
        if not found:
            return 0
        # The deliveries first, then the receipts, each in the order of their ids: as the dispatcher locks them.
        proven = proofs.settle(
            {row.id: told.provider_id if row.has_address else "" for row, told in found if proofs.may_prove(row)},
            provider=found[0][1].provider,
            now=now,
        )
        changed = sum(_write(part, proven, now) for part in _rounds(found))
        _tell_dispatcher({row.broadcast_id for row, _ in found if not row.is_told}, now)
    return changed


def _delivery_id(told: Told) -> int | None:
    return numbers.read_id(told.reference.partition(".")[2])


def _is_for(told: Told, row: _Row) -> bool:
    return told.reference == f"{row.broadcast_id}.{row.id}" and told.channel == row.channel


def _select(ids: Sequence[int], now: datetime) -> list[_Row]:
    statement = _SELECT.format(ids=", ".join(str(int(number)) for number in sorted(set(ids))))
    with connection.cursor() as cursor:
        cursor.execute(statement, [connection.ops.adapt_datetimefield_value(now - TOLD_EVERY)])
        return [_Row._make(found) for found in cursor.fetchall()]


def _rounds(found: Sequence[tuple[_Row, Told]]) -> Iterator[list[tuple[_Row, Told]]]:
    """The receipts in the order of their deliveries, parted so that none has two of one: no statement takes those."""
    left = sorted(found, key=lambda pair: pair[0].id)
    while left:
        seen: set[int] = set()
        later: list[tuple[_Row, Told]] = []
        this: list[tuple[_Row, Told]] = []
        for row, told in left:
            (later if row.id in seen else this).append((row, told))
            seen.add(row.id)
        yield this
        left = later


def _write(found: Sequence[tuple[_Row, Told]], proven: set[int], now: datetime) -> int:
    params: list[Any] = []
    for row, told in found:
        at = connection.ops.adapt_datetimefield_value(min(told.at, now))
        params += [row.id, row.broadcast_id, row.channel, told.state.value, at, told.code]
        params += [at if told.state == State.DELIVERED else None, told.provider]
        # What an erased client's message was called at the provider is not written down once more.
        # UNKNOWN, and not proven: staff have just decided to send it again.
        is_early = row.id not in proven and row.state in (*Delivery.OPEN, Delivery.State.UNKNOWN)
        params += [told.provider_id if row.has_address else "", is_early, row.id in proven]
    one = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    if connection.vendor == "postgresql":
        # Among several rows PostgreSQL takes a parameter for text.
        one = "(%s, %s, %s, %s, %s::timestamptz, %s, %s::timestamptz, %s, %s, %s, %s)"
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT.format(rows=", ".join([one] * len(found))), params)
        return int(cursor.rowcount)


def _tell_dispatcher(broadcast_ids: set[int], now: datetime) -> None:
    """Have these broadcasts' receipts counted again. `counting` says why none is missed."""
    if broadcast_ids:
        ReceiptCounts.objects.bulk_create(
            [ReceiptCounts(broadcast_id=pk, told_at=now, due_at=now) for pk in sorted(broadcast_ids)],
            update_conflicts=True,
            unique_fields=["broadcast"],
            update_fields=["told_at", "due_at"],
        )
