"""What clients reply: taken once, acted on if it is a keyword, and otherwise kept for staff to read."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from notifier.consent import sms_keywords, suppressions
from notifier.consent.sms_keywords import Wish
from notifier.consent.suppressions import Evidence, Source
from notifier.models import Channel, InboundMessage
from notifier.models.clients import E164

Outcome = InboundMessage.Outcome

#: What a client's own START lifts: their own word, and a number that did not work. What staff entered, and a
#: complaint, stay: a single word says too little of those.
LIFTED_BY_CLIENT = (Source.CLIENT, Source.BOUNCE, Source.ERASED)


@dataclass(frozen=True, slots=True)
class SmsReply:
    """A message by SMS, as its provider delivered it."""

    provider: str
    #: The provider's own id: what it delivers twice is taken once.
    provider_id: str
    sender: str
    text: str
    #: What the provider itself took it for, where it acts on keywords of its own.
    taken_for: Wish | None = None


def receive(*, reply: SmsReply, now: datetime) -> Outcome:
    """Keep the message, and do what it asks for, in one transaction; of one that was taken before, what came of it."""
    with transaction.atomic():
        row, is_new = InboundMessage.objects.get_or_create(
            provider=reply.provider,
            provider_id=reply.provider_id,
            defaults={
                "channel": Channel.SMS,
                # PostgreSQL's texts hold no NUL.
                "sender": reply.sender.replace("\0", ""),
                "text": reply.text.replace("\0", ""),
                "outcome": Outcome.KEPT,
                "received_at": now,
            },
        )
        if is_new and (outcome := _act(reply, now)) is not Outcome.KEPT:
            row.outcome = outcome
            row.save(update_fields=["outcome"])
    return Outcome(row.outcome)


def _act(reply: SmsReply, now: datetime) -> Outcome:
    # A short code, or a name in letters: nobody of ours, and no reply reaches it.
    if not re.fullmatch(E164, reply.sender):
        return Outcome.KEPT
    match reply.taken_for or sms_keywords.wish(reply.text):
        case Wish.STOP:
            # From the next claim on.
            suppressions.suppress(channel=Channel.SMS, address=reply.sender, evidence=_evidence(reply), now=now)
            return Outcome.STOPPED
        case Wish.START:
            # Where there is nothing to lift, a YES answers something else; and what START may not lift is for staff.
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
    """The evidence: the word itself, as it was understood."""
    return Evidence(Source.CLIENT, f"answered {sms_keywords.word(reply.text)[:100]} by SMS")


def unread() -> QuerySet[InboundMessage]:
    """What waits for staff; the index inboundmessage_unread holds these alone."""
    return InboundMessage.objects.filter(read_at=None, outcome=Outcome.KEPT)


def mark_read(*, ids: Sequence[int], by: User, now: datetime) -> int:
    """Returns how many of them nobody had marked before; what was acted on never waited for anybody."""
    return unread().filter(pk__in=ids).update(read_at=now, read_by=by)
