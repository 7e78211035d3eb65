"""Words of a provider that no database stores, and messages that can't be made."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DataError, IntegrityError
from django.template import TemplateSyntaxError
from pytest_django import Settings

from consumers import breaker_reporter
from consumers.backends.base import (
    ChannelDown,
    NoMessage,
    OutcomeUnknown,
    Outgoing,
    PermanentFailure,
    RecipientRefused,
    TemporaryFailure,
)
from notifier.delivery import settlements
from notifier.messages import email, placeholders
from notifier.models import Breaker, Client, Reason
from notifier.runtime import clock
from tests.consumers.worker.watched import (
    AHEAD,
    StopAtFirstWait,
    a_probe,
    a_ticket,
    failing,
    raises,
    rows,
    sent,
    states,
)
from tests.support.factories import a_broadcast, a_notification

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines]

# --- A provider's words that can't be recorded ------------------------------------------------------------------------
STRANGE = "450 a\0b \ud800 later"


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (TemporaryFailure(STRANGE), "RETRYING"),
        (PermanentFailure(STRANGE), "FAILED"),
        (OutcomeUnknown(STRANGE), "UNKNOWN"),
        (RecipientRefused(STRANGE), "SKIPPED"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_words_that_no_database_stores_hold_nobody_up(
    run: Callable[..., None], failure: Exception, state: str, settings: Settings
) -> None:
    settings.BREAKER_MINIMUM = 1
    ids = a_ticket(1)

    run(raises(failure))

    (row,) = rows(ids)
    assert (row.state, row.attempts) == (state, 1)
    assert row.detail in ("450 ab \ufffd later", Reason.OPTED_OUT)


def test_an_id_that_no_database_stores_is_sent_all_the_same(run: Callable[..., None]) -> None:
    ids = a_ticket(2)

    run(lambda message: "id\0\udfff")

    assert [(row.state, row.provider_id) for row in rows(ids)] == [("SENT", "id\ufffd")] * 2


def test_a_channel_that_is_down_with_such_words_is_shown(run: Callable[..., None]) -> None:
    a_ticket(1)
    stop = StopAtFirstWait()

    run(raises(ChannelDown(STRANGE)), stop=stop)

    assert stop.said == [("WAITING", "E-mail: 450 ab \ufffd later")]


@pytest.mark.parametrize("error", [DataError("too long"), IntegrityError("no"), ValueError("a surrogate")])
def test_one_result_that_can_not_be_recorded_is_recorded_without_its_words(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Tried again as it is, it would hold the consumer for ever, and all of its window would be UNKNOWN."""
    ids = a_ticket(3)
    settle = settlements.settle

    def settle_unless_strange(**arguments: Any) -> int:
        if any(outcome.detail == "strange" for outcome in arguments["outcomes"]):
            raise error
        return settle(**arguments)

    def act(message: Outgoing) -> str:
        if message.reference.endswith(f".{ids[1]}"):
            raise PermanentFailure("strange")
        return "id"

    monkeypatch.setattr(settlements, "settle", settle_unless_strange)

    run(act, concurrency=3)

    assert [(row.state, row.detail) for row in rows(ids)] == [
        ("SENT", ""),
        ("FAILED", "the provider’s answer can’t be recorded"),
        ("SENT", ""),
    ]


def test_a_claim_that_the_database_refuses_for_its_data_holds_up_no_other(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, others = a_ticket(2), a_ticket(2)
    failing(monkeypatch, "claim", DataError("integer out of range"))

    run()

    assert (states(ids), states(others)) == (["PENDING"] * 2, ["SENT"] * 2)
    assert all(row.due_at and row.due_at > clock.now() for row in rows(ids))


# --- Messages that can't be made --------------------------------------------------------------------------------------
def test_what_can_not_be_made_for_one_client_fails_alone_and_says_why(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.BREAKER_MINIMUM = 1
    monkeypatch.setattr(breaker_reporter, "REPORT_SECONDS", 0.0)
    ids = a_ticket(3)
    Client.objects.filter(deliveries=ids[1]).update(name="Bob")
    values = placeholders.values

    def fail_for_bob(*, name: str, topic: str) -> dict[str, str]:
        if name == "Bob":
            raise RecursionError(f"for {name}")
        return values(name=name, topic=topic)

    monkeypatch.setattr(placeholders, "values", fail_for_bob)

    run(concurrency=3)

    assert (sent(events), states(ids)) == ([ids[0], ids[2]], ["SENT", "FAILED", "SENT"])
    assert rows(ids)[1].detail == "no message can be created for this client: RecursionError"
    breaker = Breaker.objects.get()
    assert (breaker.opened_at, breaker.given, breaker.failed) == (None, 2, 0), "the provider is not to blame"


def test_a_text_that_can_not_be_rendered_fails_nobody_and_holds_up_no_other_broadcast(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = a_ticket(3)
    others = a_ticket(2, broadcast=a_broadcast(notification=a_notification(subject="Fine")))
    render, began = email.render, clock.now()

    def fail(*, subject: str, **rest: Any) -> Any:
        if subject == "Fine":
            return render(subject=subject, **rest)
        raise TemplateSyntaxError("a template that somebody changed")

    monkeypatch.setattr(email, "render", fail)

    run()

    assert (sent(events), states(others)) == (others, ["SENT"] * 2)
    assert [(row.state, row.attempts) for row in rows(ids)] == [("PENDING", 0)] * 3
    assert all(row.due_at and row.due_at > began + AHEAD for row in rows(ids[:2]))


def test_a_window_for_which_no_thread_can_be_started_goes_back(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = a_ticket(3)

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)

    run(stop=StopAtFirstWait())

    assert (sent(events), states(ids)) == ([], ["PENDING"] * 3)
    assert [row.attempts for row in rows(ids)] == [0] * 3


def test_a_probe_that_can_not_be_made_is_followed_by_another_at_once(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = a_probe()

    run(raises(NoMessage("no mail can be made of it")))

    breaker = Breaker.objects.open().get()
    assert (states(probe), breaker.probes) == (["FAILED"], 0)
    assert breaker.probe_at is not None
    assert breaker.probe_at <= clock.now()
