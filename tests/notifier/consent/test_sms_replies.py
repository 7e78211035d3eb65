from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from notifier.consent import digests, sms_replies, suppressions
from notifier.consent.sms_keywords import Wish
from notifier.consent.sms_replies import Outcome, SmsReply
from notifier.consent.suppressions import Evidence, Source
from notifier.models import Channel, InboundMessage, Preference, Suppression, SuppressionChange
from tests.support.database.connections import at_once
from tests.support.factories import a_client, a_user

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

ANN = "+12025550123"
SECOND = timedelta(seconds=1)
concurrent = pytest.mark.django_db(transaction=True)


def a_reply(text: str, *, sid: str = "SM1", sender: str = ANN, taken_for: Wish | None = None) -> SmsReply:
    return SmsReply(provider="twilio", provider_id=sid, sender=sender, text=text, taken_for=taken_for)


def suppress(source: Suppression.Source, now: datetime, address: str = ANN) -> None:
    suppressions.suppress(channel=Channel.SMS, address=address, evidence=Evidence(source, "before"), now=now)


def suppressed() -> list[tuple[str, str, str]]:
    return list(Suppression.objects.values_list("channel", "address", "source"))


# --- Keywords ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("word", ["STOP", "stopall", "Unsubscribe", "cancel", "END", "quit."])
def test_who_answers_stop_is_suppressed_by_their_own_word(now: datetime, word: str) -> None:
    assert sms_replies.receive(reply=a_reply(f" {word} "), now=now) is Outcome.STOPPED

    assert suppressed() == [("sms", ANN, "CLIENT")]
    assert Suppression.objects.get().reason == f"replied {word.upper().strip('.')} by SMS"
    change = SuppressionChange.objects.get()
    assert (change.action, change.source, change.at) == ("SUPPRESSED", "CLIENT", now)


def test_an_answer_is_kept_as_it_came(now: datetime) -> None:
    sms_replies.receive(reply=a_reply("Stop!\r\n"), now=now)

    row = InboundMessage.objects.get()
    assert (row.channel, row.provider, row.provider_id, row.sender) == ("sms", "twilio", "SM1", ANN)
    assert (row.text, row.outcome, row.received_at, row.read_at) == ("Stop!\r\n", "STOPPED", now, None)


def test_stop_takes_the_place_of_a_bounce(now: datetime) -> None:
    suppress(Source.BOUNCE, now)

    sms_replies.receive(reply=a_reply("STOP"), now=now)

    assert suppressed() == [("sms", ANN, "CLIENT")]


def test_stop_changes_no_consent_so_that_start_brings_back_what_there_was(now: datetime) -> None:
    client = a_client(phone=ANN, listings="both", offerings="email")
    before = list(Preference.objects.order_by("pk").values())

    sms_replies.receive(reply=a_reply("STOP"), now=now)
    sms_replies.receive(reply=a_reply("START", sid="SM2"), now=now + SECOND)

    assert list(Preference.objects.filter(client=client).order_by("pk").values()) == before
    assert suppressed() == []


def test_stop_counts_for_a_number_that_nobody_has_yet(now: datetime) -> None:
    sms_replies.receive(reply=a_reply("STOP", sender="+447700900123"), now=now)

    assert suppressed() == [("sms", "+447700900123", "CLIENT")]


@pytest.mark.parametrize("word", ["START", "yes", "Unstop!"])
@pytest.mark.parametrize("source", [Source.CLIENT, Source.BOUNCE, Source.ERASED])
def test_start_lifts_what_the_client_may_lift(now: datetime, word: str, source: Suppression.Source) -> None:
    suppress(source, now)

    assert sms_replies.receive(reply=a_reply(word), now=now + SECOND) is Outcome.STARTED

    assert suppressed() == []
    change = SuppressionChange.objects.latest("pk")
    assert (change.action, change.source, change.at) == ("LIFTED", "CLIENT", now + SECOND)


@pytest.mark.parametrize("source", [Source.STAFF, Source.COMPLAINT])
def test_what_start_may_not_lift_stays_and_is_for_staff_to_read(now: datetime, source: Suppression.Source) -> None:
    suppress(source, now)

    assert sms_replies.receive(reply=a_reply("START"), now=now) is Outcome.KEPT

    assert suppressed() == [("sms", ANN, source)]
    assert sms_replies.unread().count() == 1


def test_start_finds_a_number_that_was_erased(now: datetime) -> None:
    suppress(Source.ERASED, now, address=digests.digest(Channel.SMS, ANN))

    assert sms_replies.receive(reply=a_reply("START"), now=now) is Outcome.STARTED

    assert suppressed() == []


def test_a_yes_that_lifts_nothing_answers_something_else_and_is_for_staff_to_read(now: datetime) -> None:
    assert sms_replies.receive(reply=a_reply("Yes!"), now=now) is Outcome.KEPT

    assert sms_replies.unread().get().text == "Yes!"


@pytest.mark.parametrize("word", ["HELP", "info"])
def test_help_changes_nothing(now: datetime, word: str) -> None:
    assert sms_replies.receive(reply=a_reply(word), now=now) is Outcome.HELPED

    assert suppressed() == []
    assert not sms_replies.unread().exists()


@pytest.mark.parametrize("text", ["please stop", "STOP sending me this", "Is it still free?", "", "🙂", "x" * 5000])
def test_everything_else_is_kept_for_staff_and_never_acted_on(now: datetime, text: str) -> None:
    suppress(Source.CLIENT, now, address="+447700900123")

    assert sms_replies.receive(reply=a_reply(text), now=now) is Outcome.KEPT

    assert sms_replies.unread().get().text == text
    assert suppressed() == [("sms", "+447700900123", "CLIENT")]


@pytest.mark.parametrize("sender", ["12345", "ACME", "whatsapp:+12025550123", "2025550123", "+1", "+12025550123456789"])
@pytest.mark.parametrize("text", ["STOP", "START", "HELP"])
def test_a_sender_that_is_no_phone_number_is_kept_and_not_acted_on(now: datetime, sender: str, text: str) -> None:
    assert sms_replies.receive(reply=a_reply(text, sender=sender), now=now) is Outcome.KEPT

    assert InboundMessage.objects.get().sender == sender
    assert suppressed() == []


def test_what_the_provider_itself_took_for_a_stop_is_one(now: datetime) -> None:
    """Its own keywords may be of any language."""
    assert sms_replies.receive(reply=a_reply("Arrêt", taken_for=Wish.STOP), now=now) is Outcome.STOPPED

    assert Suppression.objects.get().reason == "replied ARRÊT by SMS"


def test_characters_that_no_database_takes_are_left_out(now: datetime) -> None:
    outcome = sms_replies.receive(reply=replace(a_reply("ST\0OP"), provider_id="S\0\ud800"), now=now)

    row = InboundMessage.objects.get()
    assert (row.text, row.provider_id, outcome) == ("STOP", "S\ufffd", Outcome.STOPPED)


# --- Once -------------------------------------------------------------------------------------------------------------
def test_what_is_delivered_twice_is_taken_once(now: datetime) -> None:
    first = sms_replies.receive(reply=a_reply("STOP"), now=now)
    suppressions.lift(channel=Channel.SMS, address=ANN, evidence=Evidence(Source.CLIENT, "START"), now=now)

    again = sms_replies.receive(reply=a_reply("STOP"), now=now + SECOND)

    assert (first, again) == (Outcome.STOPPED, Outcome.STOPPED)
    assert InboundMessage.objects.get().received_at == now
    assert suppressed() == [], "an old STOP is not acted on once more"


@pytest.mark.parametrize("other", [{"provider": "another"}, {"provider_id": "SM2"}])
def test_another_providers_or_another_message_is_another(now: datetime, other: dict[str, Any]) -> None:
    first = a_reply("hello")
    sms_replies.receive(reply=first, now=now)

    sms_replies.receive(reply=replace(first, **other), now=now)

    assert InboundMessage.objects.count() == 2


@concurrent
def test_the_same_message_at_the_same_moment_is_taken_once(now: datetime) -> None:
    outcomes = at_once(*[partial(sms_replies.receive, reply=a_reply("STOP"), now=now)] * 4)

    assert outcomes == [Outcome.STOPPED] * 4
    assert InboundMessage.objects.count() == 1
    assert SuppressionChange.objects.count() == 1


def test_what_can_not_be_acted_on_is_not_kept_either(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider delivers it again, and then it is new."""

    def fails(**_: object) -> bool:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(suppressions, "suppress", fails)
        with pytest.raises(RuntimeError):
            sms_replies.receive(reply=a_reply("STOP"), now=now)

    assert not InboundMessage.objects.exists()
    assert sms_replies.receive(reply=a_reply("STOP"), now=now) is Outcome.STOPPED


# --- Reading ----------------------------------------------------------------------------------------------------------
def test_what_is_marked_is_no_longer_unread_and_says_who_read_it(now: datetime) -> None:
    for number in (1, 2):
        sms_replies.receive(reply=a_reply("hello", sid=f"SM{number}"), now=now)
    first, second = InboundMessage.objects.order_by("pk")
    maria = a_user(username="maria")

    assert sms_replies.mark_read(ids=[first.pk], by=maria, now=now + SECOND) == 1

    first.refresh_from_db()
    assert (first.read_at, first.read_by) == (now + SECOND, maria)
    assert list(sms_replies.unread()) == [second]


def test_who_read_it_first_stays_on_record(now: datetime) -> None:
    sms_replies.receive(reply=a_reply("hello"), now=now)
    row, maria, tom = InboundMessage.objects.get(), a_user(username="maria"), a_user(username="tom")
    sms_replies.mark_read(ids=[row.pk], by=maria, now=now)

    assert sms_replies.mark_read(ids=[row.pk], by=tom, now=now + SECOND) == 0

    row.refresh_from_db()
    assert (row.read_at, row.read_by) == (now, maria)


def test_what_was_acted_on_waits_for_nobody(now: datetime) -> None:
    sms_replies.receive(reply=a_reply("STOP"), now=now)

    assert sms_replies.mark_read(ids=[InboundMessage.objects.get().pk], by=a_user(), now=now) == 0
