"""Addresses that are sent nothing: every entry and lifting is written down in the transaction that makes it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from notifier import digests
from notifier.models import Channel, Suppression, SuppressionChange

Source = Suppression.Source


class NotLifted(Exception):
    """It can't be lifted so; the text says why, to staff."""


@dataclass(frozen=True, slots=True)
class Word:
    """By whom or what an address is suppressed, or a suppression lifted: the evidence that is kept with it."""

    source: Suppression.Source
    reason: str
    by: User | None = None


def suppress(*, channel: Channel, address: str, word: Word, now: datetime) -> bool:
    """From the next claim on the address is sent nothing on this channel; False where that stood already.

    A client's own word takes the place of any other, which may be lifted more easily; never the other way round.
    """
    said = {"source": word.source, "reason": word.reason[:200]}
    with transaction.atomic():
        while True:
            row, is_new = Suppression.objects.get_or_create(channel=channel, address=address, defaults=said)
            if is_new:
                break
            # Looked at again under a lock, where it is no more if it was lifted between the two.
            if found := Suppression.objects.select_for_update().filter(pk=row.pk).first():
                if found.is_own_word or word.source not in Suppression.OWN_WORD:
                    return False
                Suppression.objects.filter(pk=found.pk).update(**said)
                break
        _record(channel, address, SuppressionChange.Action.SUPPRESSED, word, now)
    return True


def lift(
    *,
    channel: Channel,
    address: str,
    word: Word,
    now: datetime,
    sources: Collection[Suppression.Source] = tuple(Source),
) -> bool:
    """The address may be written to again, if its suppression is of one of these sources; whether there was one.

    Consent is another matter: what the client ticked holds again. Who may lift what is asked by the caller.
    """
    with transaction.atomic():
        rows = Suppression.objects.select_for_update().filter(known(channel, address), source__in=sources)
        lifted, _ = Suppression.objects.filter(pk__in=[row.pk for row in rows]).delete()
        if lifted:
            _record(channel, address, SuppressionChange.Action.LIFTED, word, now)
    return bool(lifted)


def known(channel: Channel, address: str) -> Q:
    """The suppressions of this address, be it erased or not."""
    return Q(channel=channel, address__in=[address, *digests.digests(channel, address)])


def _record(channel: Channel, address: str, action: SuppressionChange.Action, word: Word, now: datetime) -> None:
    SuppressionChange.objects.create(
        channel=channel,
        address=address,
        action=action,
        source=word.source,
        reason=word.reason[:300],
        by=word.by,
        at=now,
    )
