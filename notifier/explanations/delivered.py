"""The explanation where there is a delivery: a sentence for each of its states.

Clients who were skipped have one too, of the state SKIPPED: who is over the cap, suppressed or without an address is
explained here (`SKIPPED`). Who was left out of the audience has none: `no_delivery`.
"""

import re
from collections.abc import Callable
from datetime import datetime

from django.conf import settings

from notifier.explanations.context import Case, archived_since, date, decision, did_not, given, has_not, withdrawn
from notifier.explanations.records import records_began, suppression, when
from notifier.messages import placeholders
from notifier.models import Breaker, Broadcast, Delivery, Reason, Resolution
from notifier.policies import client_values, quiet_hours_sql
from notifier.wording import numbers

State = Delivery.State

#: The beginning of the detail when all attempts failed. The sentence counts the attempts itself.
GAVE_UP = re.compile(r"^gave up after \d+ attempts: ")


def sentence(case: Case, delivery: Delivery) -> str:
    return TELL[State(delivery.state)](case, delivery)


def _sent(case: Case, delivery: Delivery) -> str:
    moment = delivery.settled_at or case.ended
    if case.decisions and case.decisions[0].resolution.action == Resolution.Action.MARKED_SENT:
        return f"{case.client} is recorded as having got {case.message}: {decision(case.decisions[0])}"
    tries = f", at attempt {delivery.attempts}" if delivery.attempts > 1 else ""
    return f"{case.client} got {case.message} {when(moment)}{tries}: {_agreement(case, moment)}."


def _agreement(case: Case, moment: datetime) -> str:
    """The consent that the send was based on. It was checked before the send, so before the outcome."""
    consent = case.consents.at(moment)
    if consent.agreed and consent.by:
        return f"they had {given(case, consent.by)}"
    if consent.agreed is False and consent.by and (agreed := case.consents.agreed_before(consent.by.at)):
        return f"they had {given(case, agreed)}, and withdrew it {when(consent.by.at)}, when it was on its way"
    return f"they had agreed to {case.subject}, but the records don’t say when{_beginning()}"


def _beginning() -> str:
    began = records_began()
    return f" (they begin {when(began)})" if began else ""


def _failed(case: Case, delivery: Delivery) -> str:
    tries = f" after {delivery.attempts} attempts" if delivery.attempts > 1 else ""
    detail = GAVE_UP.sub("", delivery.detail) or "the provider gave no reason"
    return f"{did_not(case)} sending failed{_moment(delivery)}{tries}: {_stop(detail)}"


def _unknown(case: Case, delivery: Delivery) -> str:
    detail = delivery.detail or "its outcome was lost"
    since = _moment(delivery) or " a while ago"
    return (
        f"It is not known whether {case.client} received {case.message}. Last status{since}: {_stop(detail)} "
        "It is not sent again automatically: staff decide."
    )


def _cancelled(case: Case, delivery: Delivery) -> str:
    because = f" ({case.broadcast.ended_because})" if case.broadcast.ended_because else ""
    return f"{did_not(case)} the broadcast was cancelled before it was sent{because}{_moment(delivery)}."


def _skipped(case: Case, delivery: Delivery) -> str:
    moment = delivery.settled_at or case.ended
    return f"{did_not(case)} {SKIPPED.get(delivery.detail, _other_reason)(case, delivery, moment)}."


def _other_reason(case: Case, delivery: Delivery, moment: datetime) -> str:
    return f"{delivery.reason.rstrip('.') or 'it was skipped, and no reason was recorded'} ({when(moment)})"


def _no_address(case: Case, delivery: Delivery, moment: datetime) -> str:
    return f"they had no {case.channel.address_in_words} {when(moment)}"


def _suppressed(case: Case, delivery: Delivery, moment: datetime) -> str:
    if not delivery.address:
        return f"the address was suppressed {when(moment)}; the address itself has been erased since"
    found = suppression(channel=delivery.channel, address=delivery.address, at=moment)
    if found is None:
        return f"the address was suppressed {when(moment)}; that suppression is no longer on record"
    return f"the address was suppressed: {found.reason.rstrip('.')} (since {date(found.created_at)})"


def _landline(case: Case, delivery: Delivery, moment: datetime) -> str:
    return f"their phone number was a landline {when(moment)}, and no SMS is sent to those"


def _archived(case: Case, delivery: Delivery, moment: datetime) -> str:
    return archived_since(case.history.at(moment)) or f"they were archived when its turn came, {when(moment)}"


def _consent_gone(case: Case, delivery: Delivery, moment: datetime) -> str:
    consent = case.consents.at(moment)
    if consent.by and not consent.agreed:
        return f"consent to {case.subject} was withdrawn after sending began, {withdrawn(consent.by)}"
    # Or the client suppressed the address themselves, by a STOP or a complaint.
    found = suppression(channel=delivery.channel, address=delivery.address, at=moment) if delivery.address else None
    if consent.agreed and found:
        return f"they refused it after sending began: {found.reason.rstrip('.')} ({when(found.created_at)})"
    return f"consent to {case.subject} was withdrawn after sending began; this was noticed {when(moment)}"


def _over_cap(case: Case, delivery: Delivery, moment: datetime) -> str:
    cap = settings.CAPS[case.channel.value]
    allowed = f" (now {cap[0]} in {cap[1]} days)" if cap else ""
    return f"they had reached the frequency cap for {case.channel.units}{allowed} {when(moment)}"


def _opted_out(case: Case, delivery: Delivery, moment: datetime) -> str:
    return f"they had opted out with the provider, which said so {when(moment)}"


def _reached(case: Case, delivery: Delivery, moment: datetime) -> str:
    return f"it had already been sent to them in an earlier broadcast; this was noticed {when(moment)}"


def _no_value(case: Case, delivery: Delivery, moment: datetime) -> str:
    keys = case.broadcast.needed(case.channel)
    # The claim read what was true then; what is on the client's page may have come later.
    have = client_values.of_client(case.client, topic=case.broadcast.topic.name, keys=keys)
    lacking = [key for key in keys if not have[key]] or keys
    words = " or ".join(placeholders.in_words(key) for key in lacking)
    written = " and ".join(f"{placeholders.Use(key)}" for key in lacking)
    has = "has" if len(lacking) == 1 else "have"
    return f"they had no {words} {when(moment)}, and {written} {has} no fallback in the text"


def _pending(case: Case, delivery: Delivery) -> str:
    if delivery.detail == quiet_hours_sql.WAITS and delivery.due_at and delivery.due_at > case.now:
        if case.broadcast.state == Broadcast.State.RUNNING:
            return f"{has_not(case)} it is waiting until their quiet hours end, {when(delivery.due_at)}."
        return f"{has_not(case)} {_waits_for(case)}."
    was_early = delivery.detail == quiet_hours_sql.WAITS
    last = f" (the last attempt: {delivery.detail.rstrip('.')})" if delivery.detail and not was_early else ""
    return f"{has_not(case)} {_waits_for(case)}{last}."


def _waits_for(case: Case) -> str:
    if case.broadcast.state == Broadcast.State.PAUSED:
        return "it is still waiting, because the broadcast is paused"
    if case.broadcast.state == Broadcast.State.CANCELLED:
        return "the broadcast was cancelled, so it will not be sent"
    if Breaker.objects.open().filter(channel=case.channel).exists():
        return f"it is still waiting, because {case.channel.in_words} was paused automatically"
    return "it is still waiting to be sent"


def _sending(case: Case, delivery: Delivery) -> str:
    return f"{has_not(case)} it is being sent now."


def _retrying(case: Case, delivery: Delivery) -> str:
    tries = numbers.counted(delivery.attempts, "attempt")
    detail = f", the last with “{delivery.detail}”" if delivery.detail else ""
    if case.broadcast.state in (Broadcast.State.PAUSED, Broadcast.State.CANCELLED):
        return f"{has_not(case)} {tries} failed{detail}, and {_waits_for(case)}."
    due = f"; the next is due {when(delivery.due_at)}" if delivery.due_at else ""
    return f"{has_not(case)} {tries} failed{detail}{due}."


def _moment(delivery: Delivery) -> str:
    return f" {when(delivery.settled_at)}" if delivery.settled_at else ""


def _stop(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


TELL: dict[Delivery.State, Callable[[Case, Delivery], str]] = {
    State.PENDING: _pending,
    State.SENDING: _sending,
    State.RETRYING: _retrying,
    State.SENT: _sent,
    State.FAILED: _failed,
    State.UNKNOWN: _unknown,
    State.SKIPPED: _skipped,
    State.CANCELLED: _cancelled,
}
SKIPPED: dict[str, Callable[[Case, Delivery, datetime], str]] = {
    Reason.NO_EMAIL: _no_address,
    Reason.NO_PHONE: _no_address,
    Reason.SUPPRESSED: _suppressed,
    Reason.LANDLINE: _landline,
    Reason.ARCHIVED: _archived,
    Reason.CONSENT_GONE: _consent_gone,
    Reason.FREQUENCY_CAP: _over_cap,
    Reason.OPTED_OUT: _opted_out,
    Reason.REACHED: _reached,
    Reason.NO_VALUE: _no_value,
}
