"""What consumers do to deliveries before sending: claim them, or give them back. Short transactions, no I/O inside."""

import logging
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from notifier.delivery import claim_sql
from notifier.delivery.claim_sql import Content, PendingRow, Restrictions
from notifier.messages import brands, email, lines, placeholders, signed_links, variants
from notifier.messages.email import RenderedEmail
from notifier.messages.outgoing import Outgoing
from notifier.messages.variants import Chosen, Texts
from notifier.models import Breaker, Broadcast, Channel, Delivery, Reason
from notifier.policies import client_values, quiet_hours, quiet_hours_sql
from notifier.policies.client_values import Sources
from notifier.runtime import failpoints

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Outgoing):
    """One claimed delivery, rendered and ready to send."""

    delivery_id: int
    broadcast_id: int
    channel: Channel
    attempts: int
    #: Why nothing can be made of it for this client, without their data; empty where it can be sent.
    flaw: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """Deliveries that are ours to send until the lease ends. `token` proves it when they are settled."""

    token: uuid.UUID
    claimed_at: datetime
    lease_ends_at: datetime
    messages: list[Message] = field(default_factory=list)
    #: The channel's breaker is open: nothing was claimed but its probe, if that was among the deliveries.
    breaker_open: bool = False
    #: Since when the breaker is open whose probe this is. It may have no message: the client no longer wants it.
    probe_of: datetime | None = None


def claim(
    *, broadcast_id: int, channel: Channel, delivery_ids: Sequence[int], token: uuid.UUID, now: datetime
) -> Claim:
    """Take those deliveries that are PENDING and whose client still wants the message, for LEASE_SECONDS.

    What becomes of the others:
    - consent gone, suppressed, archived, a landline number, no value for a placeholder without a fallback, over the
      frequency cap, or reached by a broadcast that this one follows: SKIPPED with the reason;
    - the client is in quiet hours: still PENDING, due when these end;
    - the broadcast is paused: still PENDING, due now;
    - the broadcast has expired: untouched, the dispatcher ends it;
    - taken, settled, cancelled, or of another broadcast: untouched.
    While the channel's breaker is open only its probe is taken; the caller gives the rest back.

    Committed on return. After an error it may have been committed all the same: call `release_claim` with the token,
    which must be new each time. What can't be made for one client only comes back as a message with a `flaw`.
    """
    lease_ends_at = now + timedelta(seconds=settings.LEASE_SECONDS)
    with transaction.atomic(), connection.cursor() as cursor:
        content = claim_sql.running_content(cursor, broadcast_id, channel, now)
        if content is None:
            paused = _unclaimed(delivery_ids).filter(broadcast=broadcast_id, broadcast__state=Broadcast.State.PAUSED)
            paused.update(due_at=now)
            return Claim(token, now, lease_ends_at)
        opened_at = None
        if content.breaker_open:
            delivery_ids, opened_at = _probe_among(delivery_ids, channel)
            if not delivery_ids:
                return Claim(token, now, lease_ends_at, breaker_open=True)
        restrictions = Restrictions.of(channel, content)
        # As the fields are defined at this moment: staff may have renamed an option since the broadcast began.
        sources = client_values.read(placeholders.used(*content.texts))
        if restrictions.cap:
            claim_sql.lock_clients(cursor, channel, delivery_ids)
        rows = claim_sql.lock_pending(
            cursor,
            broadcast_id=broadcast_id,
            channel=channel,
            content=content,
            sources=sources,
            restrictions=restrictions,
            delivery_ids=delivery_ids,
            now=now,
        )
        wanted, skipped, deferred = _sorted_out(rows, restrictions, now)
        _skip(skipped, now)
        _defer(deferred)
        claim_sql.mark_sending(cursor, wanted, token=token, lease_ends_at=lease_ends_at)
        failpoints.reached("claim.taken")
    # Rendered after the commit, when SQLite's one write lock is free again.
    _prepare(channel, content)
    messages = [_message_or_flaw(broadcast_id, channel, content, sources, row) for row in wanted]
    probe_of = opened_at if rows else None
    return Claim(token, now, lease_ends_at, messages, breaker_open=content.breaker_open, probe_of=probe_of)


def release_claim(*, token: uuid.UUID, delivery_ids: Sequence[int], due_at: datetime) -> int:
    """Undo a claim of which nothing was sent, if it was made at all; returns how many rows it had taken."""
    taken = Delivery.objects.filter(pk__in=delivery_ids, state=Delivery.State.SENDING, lease_token=token)
    return taken.update(state=Delivery.State.PENDING, due_at=due_at)


def release(*, delivery_ids: Sequence[int], due_at: datetime) -> int:
    """Put back deliveries of a ticket that were not claimed, to be issued again at `due_at`; returns how many.

    They get a token that is nobody's: rows without one count as travelling in a ticket.
    """
    return _unclaimed(delivery_ids).update(due_at=due_at, lease_token=uuid.uuid4())


def _probe_among(delivery_ids: Sequence[int], channel: Channel) -> tuple[list[int], datetime | None]:
    """The delivery that the open breaker's newest probe was reserved for, if it is here; when the breaker opened."""
    breaker = Breaker.objects.open().filter(channel=channel).first()
    if breaker is None:  # it closed since we looked
        return [], None
    probe = _unclaimed(delivery_ids).filter(due_at=breaker.probe_at).values_list("pk", flat=True)
    return list(probe), breaker.opened_at


def _unclaimed(delivery_ids: Sequence[int]) -> QuerySet[Delivery]:
    return Delivery.objects.filter(pk__in=delivery_ids, state=Delivery.State.PENDING, lease_token=None)


def _sorted_out(
    rows: Sequence[PendingRow], restrictions: Restrictions, now: datetime
) -> tuple[list[PendingRow], dict[str, list[int]], dict[datetime, list[int]]]:
    """Those to send; the ids of those to skip, by the reason; and of those to send later, by the moment.

    The cap does not count for those in quiet hours yet: it will, at the moment at which they would be sent.
    """
    wanted = []
    skipped: dict[str, list[int]] = defaultdict(list)
    deferred: dict[datetime, list[int]] = defaultdict(list)
    for row in rows:
        if reason := row.skip_reason():
            skipped[reason].append(row.id)
        elif restrictions.quiet and (may_send_at := _may_send_at(row, restrictions.quiet, now)) > now:
            deferred[may_send_at].append(row.id)
        elif row.over_cap:
            skipped[Reason.FREQUENCY_CAP].append(row.id)
        else:
            wanted.append(row)
    return wanted, skipped, deferred


def _may_send_at(row: PendingRow, quiet: quiet_hours.Hours, now: datetime) -> datetime:
    """When the client's quiet hours end; `now` outside of them."""
    return quiet_hours.opens_at(
        zones=quiet_hours.zones_of(time_zone=row.time_zone, phone=row.phone), hours=quiet, now=now
    )


def _skip(skipped: Mapping[str, Sequence[int]], now: datetime) -> None:
    for reason, ids in skipped.items():
        Delivery.objects.filter(pk__in=ids).update(
            state=Delivery.State.SKIPPED, detail=reason, due_at=None, settled_at=now
        )


def _defer(deferred: Mapping[datetime, Sequence[int]]) -> None:
    """With a token, like rows that are given back: rows without one count as travelling in a ticket, and as lost."""
    for may_send_at, ids in deferred.items():
        Delivery.objects.filter(pk__in=ids).update(
            due_at=may_send_at, lease_token=uuid.uuid4(), detail=quiet_hours_sql.WAITS
        )


def _prepare(channel: Channel, content: Content) -> None:
    """Render what is the same in all messages. An error here is the broadcast's, and no client is to blame for it."""
    if channel == Channel.EMAIL:
        for language in (None, *variants.read(content.variants)):
            _email(content, _chosen(content, channel, language), language)


def _chosen(content: Content, channel: Channel, language: str | None) -> Chosen:
    """The text for a client of this language, of those that were frozen."""
    own = Texts(content.subject, content.preheader, **{channel.body_field: content.body})
    return variants.choose(own=own, others=variants.read(content.variants), channel=channel.value, language=language)


def _email(content: Content, chosen: Chosen, reader: str | None) -> RenderedEmail:
    return email.render(
        subject=chosen.texts.subject,
        preheader=chosen.texts.preheader,
        body=chosen.texts.email_body,
        brand=brands.read(content.brand),
        language=chosen.language,
        reader=reader,
    )


def _message_or_flaw(
    broadcast_id: int, channel: Channel, content: Content, sources: Sources, row: PendingRow
) -> Message:
    blank = Message(
        reference=f"{broadcast_id}.{row.id}",
        address=row.address,
        subject="",
        body="",
        delivery_id=row.id,
        broadcast_id=broadcast_id,
        channel=channel,
        attempts=row.attempts,
    )
    try:
        return _rendered(blank, content, sources, row)
    except Exception as error:  # noqa: BLE001  (one client's data must not hold up the window)
        # Only the name: the text of an error may hold what the client is called.
        logger.error("No message can be made of delivery %d: %s", row.id, type(error).__name__)
        return replace(blank, flaw=f"no message can be created for this client: {type(error).__name__}")


def _rendered(blank: Message, content: Content, sources: Sources, row: PendingRow) -> Message:
    values = sources.texts(row.values, topic=content.topic, language=row.language, channel=blank.channel)
    link_token = ""
    if blank.channel == Channel.EMAIL:
        link_token = signed_links.token(signed_links.Link(row.client_id, content.topic_id, blank.broadcast_id))
    chosen = _chosen(content, blank.channel, row.language)
    if blank.channel == Channel.EMAIL:
        rendered = _email(content, chosen, row.language)
        text, html = rendered.text_for(values, link_token), rendered.html_for(values, link_token)
        subject = chosen.texts.subject
    else:
        subject = content.subject
        text, html = placeholders.sms(chosen.texts.sms_body, values, reader=row.language), ""
    return replace(
        blank,
        subject=lines.one_line(placeholders.render(subject, values)),
        body=text,
        html=html,
        link_token=link_token,
        list_id=content.topic_slug,
        installation=content.installation,
    )
