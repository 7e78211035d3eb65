"""SMS replies of clients: each is recorded once; a keyword is acted on, anything else waits for staff to read it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from notifier.addresses.phones import E164
from notifier.consent import sms_keywords, suppressions
from notifier.consent.sms_keywords import Wish
from notifier.consent.suppressions import Evidence, Source
from notifier.models import Channel, InboundMessage
from notifier.runtime import foreign_text

Outcome = InboundMessage.Outcome

#: What a client's own START lifts: their STOP, a number that did not work, an erased address. It does not lift what
#: staff entered, nor a complaint: one word is too little for that.
LIFTED_BY_CLIENT = (Source.CLIENT, Source.BOUNCE, Source.ERASED)


@dataclass(frozen=True, slots=True)
class SmsReply:
    """An SMS that somebody sent to us, as the provider delivered it."""

    provider: str
    #: The provider's own id. What it delivers twice is recorded once.
    provider_id: str
    sender: str
    text: str
    #: How the provider itself understood it, where it acts on keywords of its own.
    taken_for: Wish | None = None

    def __post_init__(self) -> None:
        for name in ("provider_id", "sender", "text"):
            object.__setattr__(self, name, foreign_text.cleaned(getattr(self, name)))


def receive(*, reply: SmsReply, now: datetime) -> Outcome:
    """Record the message and do what it asks for, in one transaction; returns the outcome, also of a repeated one."""
    with transaction.atomic():
        row, is_new = InboundMessage.objects.get_or_create(
            provider=reply.provider,
            provider_id=reply.provider_id,
            defaults={
                "channel": Channel.SMS,
                "sender": reply.sender,
                "text": reply.text,
                "outcome": Outcome.KEPT,
                "received_at": now,
            },
        )
        if is_new and (outcome := _act(reply, now)) is not Outcome.KEPT:
            row.outcome = outcome
            row.save(update_fields=["outcome"])
    return Outcome(row.outcome)


def _act(reply: SmsReply, now: datetime) -> Outcome:
    # A short code, or a name in letters, is no client's number.
    if not re.fullmatch(E164, reply.sender):
        return Outcome.KEPT
    match reply.taken_for or sms_keywords.wish(reply.text):
        case Wish.STOP:
            # It holds from the next claim on.
            suppressions.suppress(channel=Channel.SMS, address=reply.sender, evidence=_evidence(reply), now=now)
            return Outcome.STOPPED
        case Wish.START:
            # Where nothing is lifted, a YES meant something else, or START may not lift it: staff read it.
            lifted = suppressions.lift(
                channel=Channel.SMS,
                address=reply.sender,
                evidence=_evidence(reply),
                now=now,
                sources=LIFTED_BY_CLIENT,
            )
            return Outcome.STARTED if lifted else Outcome.KEPT
        case Wish.HELP:
            return Outcome.HELPED
    return Outcome.KEPT


def _evidence(reply: SmsReply) -> Evidence:
    """The keyword, as it was understood."""
    return Evidence(Source.CLIENT, f"replied {sms_keywords.word(reply.text)[:100]} by SMS")


def unread() -> QuerySet[InboundMessage]:
    """The replies that wait for staff; the index inboundmessage_unread holds only these."""
    return InboundMessage.objects.filter(read_at=None, outcome=Outcome.KEPT)


def mark_read(*, ids: Sequence[int], by: User, now: datetime) -> int:
    """Returns how many were unread until now. A keyword that was acted on is never unread."""
    return unread().filter(pk__in=ids).update(read_at=now, read_by=by)
