"""The explanation where there is no delivery: why the dispatcher left the client out, by the records of that time.

A client who was skipped has a delivery, and is explained in `delivered`: over the cap, suppressed, without an address.
"""

from django.conf import settings

from notifier.addresses import phones
from notifier.explanations import membership
from notifier.explanations.context import Case, archived_since, did_not, given, has_not, withdrawn
from notifier.explanations.records import Consent, records_began, when
from notifier.models import Broadcast, Channel, Delivery
from notifier.policies import sms_countries

_STATE = Broadcast.State


def sentence(case: Case) -> str:
    for look in (_no_text, _not_started, _added_later, _not_reached, _had_it_before, _not_allowed, _landline):
        if found := look(case):
            return found
    return f"{did_not(case)} {_reason(case)}."


def _no_text(case: Case) -> str:
    text = case.broadcast.body(case.channel).strip()
    return "" if text else f"{did_not(case)} the broadcast has no {case.channel.in_words} text."


def _not_started(case: Case) -> str:
    broadcast = case.broadcast
    if broadcast.state == _STATE.AWAITING_APPROVAL:
        return f"{has_not(case)} the broadcast is awaiting approval."
    if broadcast.state == _STATE.SCHEDULED:
        starts = f", to start {when(broadcast.scheduled_for)}" if broadcast.scheduled_for else ""
        return f"{has_not(case)} the broadcast is scheduled{starts}."
    if broadcast.state == _STATE.REJECTED:
        return f"{did_not(case)} the broadcast was rejected{_because(broadcast)}."
    if broadcast.state == _STATE.CANCELLED and broadcast.started_at is None:
        return f"{did_not(case)} the broadcast was cancelled before it began{_because(broadcast)}."
    return ""


def _because(broadcast: Broadcast) -> str:
    return f" ({broadcast.ended_because.rstrip('.')})" if broadcast.ended_because else ""


def _added_later(case: Case) -> str:
    if case.client.pk <= case.broadcast.audience_upto:
        return ""
    return f"{did_not(case)} they were added {when(case.client.created_at)}, after the broadcast had started."


def _not_reached(case: Case) -> str:
    broadcast = case.broadcast
    if case.client.pk <= broadcast.cursor:
        return ""
    if broadcast.state == _STATE.CANCELLED:
        return f"{did_not(case)} the broadcast was cancelled before their turn came{_because(broadcast)}."
    if broadcast.state == _STATE.PAUSED:
        return f"{has_not(case)} the broadcast was paused before their turn came."
    return f"{has_not(case)} the audience is still being worked out, and their turn has not come yet."


def _had_it_before(case: Case) -> str:
    """A broadcast that goes only to those who did not get another."""
    first = case.broadcast.follows_id
    if first is None:
        return ""
    earlier = Delivery.objects.filter(broadcast=first, client=case.client, channel=case.channel).first()
    if earlier is None or earlier.state not in (Delivery.State.SENT, Delivery.State.UNKNOWN):
        return ""
    got = "had got" if earlier.state == Delivery.State.SENT else "may have got"
    return f"{did_not(case)} it went only to those who had not got broadcast #{first}, and they {got} it."


def _not_allowed(case: Case) -> str:
    """A follow-up leaves out whose number the sender would refuse; any other broadcast tries, and keeps the reason."""
    if case.broadcast.follows_id is None or not sms_countries.are_set(case.channel) or not case.client.phone:
        return ""
    why = phones.why_not_within(str(case.client.phone), settings.SMS_COUNTRIES)
    return f"{did_not(case)} {sms_countries.NOT_ALLOWED} {why}." if why else ""


def _landline(case: Case) -> str:
    """A follow-up leaves out landlines; any other broadcast keeps a delivery with that reason."""
    if case.broadcast.follows_id is None or case.channel != Channel.SMS or not case.client.has_landline:
        return ""
    return f"{did_not(case)} their phone number is a landline, and no SMS is sent to those."


# --- Neither the broadcast nor the audience left them out: consent or archiving did -----------------------------------
def _reason(case: Case) -> str:
    activity = case.history.at(case.started)
    if activity.is_active is False:
        return archived_since(activity)
    if found := _not_in_audience(case):
        return found
    consent = case.consents.at(case.started)
    if consent.agreed is False:
        return _no_consent(case, consent)
    if change := case.consents.withdrawn_between(case.started, case.ended):
        return f"consent to {case.subject} was withdrawn {withdrawn(change)}, before their turn came"
    if case.history.archived_between(case.started, case.ended):
        return f"{archived_since(case.history.at(case.ended))}, before their turn came"
    return _records_fail(case, consent, activity.is_active)


def _not_in_audience(case: Case) -> str:
    """By the facts at the start, or of when the last of its audience was made."""
    for moment, then in ((case.started, "when it started"), (case.expanded, "when their turn came")):
        found = membership.of(case.client, case.broadcast, moment)
        if found is None:
            return ""
        to = f"it went only to the audience “{found.audience}”"
        if found.was_in is None:
            return f"{to}, and {found.unknown}"
        if not found.was_in:
            return f"{to}, and they were not in it {then}. This did not hold: {found.failing}"
    return ""


def _no_consent(case: Case, consent: Consent) -> str:
    none = f"no consent to {case.subject} at the time"
    if consent.by:
        return f"{none} (withdrawn {withdrawn(consent.by)})"
    if consent.later:
        return f"{none} (they agreed only later, {when(consent.later.at)})"
    return f"{none} (they had never agreed to it)"


def _records_fail(case: Case, consent: Consent, is_active: bool | None) -> str:
    """The client was archived or had not agreed: there is no other reason for having no delivery."""
    if consent.agreed and consent.by and is_active is None:
        return f"they had {given(case, consent.by)}, so they must have been archived; the records don’t say when"
    if consent.agreed is None:
        began = records_began()
        begin = f" (they begin {when(began)})" if began else ""
        return f"they had not agreed to {case.subject}, or were archived; the records{begin} don’t say which"
    return (
        "the records don’t explain it, because they had agreed and were active. Please tell your administrator: "
        f"client {case.client.pk}, broadcast {case.broadcast.pk}"
    )
