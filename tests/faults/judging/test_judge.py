"""The judge on trial: a flawless broadcast is changed in one point, and each change must be noticed."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.faults.arena import Arena, Size
from tests.faults.judging import judge
from tests.faults.judging.judge import Accepted, Expectation, Recipient
from tests.faults.judging.texts import Version
from tests.faults.servers import Engine, Servers
from tests.support.servers.stack import Stack


@dataclass
class Evidence:
    """What the judge is given: the books, the providers' logs, and who consented."""

    stack: Stack
    taken: list[Accepted]
    expectation: Expectation

    def complaints(self) -> list[str]:
        return judge.judge(self.stack, self.taken, [self.expectation]).complaints


@pytest.fixture(scope="module")
def flawless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    with Servers() as servers:
        arena = Arena(
            servers=servers,
            engine=Engine.EMBEDDED,
            folder=tmp_path_factory.mktemp("judge"),
            seed="1",
            size=Size(clients=40, faults=0),
        )
        with arena:
            arena.start()
            broadcast = arena.press()
            arena.wait_for_end()
            arena.stop_in_order()
            assert arena.complaints == []
            arena.stack.query("PRAGMA wal_checkpoint(TRUNCATE)")
            expectation = judge.expect(arena.stack, notification=arena.notification, broadcast=broadcast)
            yield Evidence(arena.stack, judge.accepted(arena.smtp, arena.sms), expectation)


@pytest.fixture
def evidence(flawless: Evidence, tmp_path: Path) -> Evidence:
    """A copy that a test may change."""
    copy = tmp_path / "copy.sqlite3"
    shutil.copyfile(flawless.stack.database_url.removeprefix("sqlite:///"), copy)
    return replace(flawless, stack=Stack(folder=tmp_path, database_url=f"sqlite:///{copy}"), taken=list(flawless.taken))


def test_nothing_is_wrong_with_a_flawless_broadcast(evidence: Evidence) -> None:
    assert len(evidence.taken) > 20
    assert evidence.complaints() == []


_ONE = "(SELECT MIN(id) FROM notifier_delivery WHERE state = 'SENT')"
_SOMEBODY = f"(SELECT client_id FROM notifier_delivery WHERE id = {_ONE})"
_SET = "UPDATE notifier_delivery SET"
BOOKS = {
    "consented and has no row": f"DELETE FROM notifier_delivery WHERE id = {_ONE}",
    "has a row and did not consent": f"{_SET} client_id = 9999 WHERE id = {_ONE}",
    "has not ended: delivery": f"{_SET} state = 'SENDING' WHERE id = {_ONE}",
    "was not sent and says no reason": f"{_SET} state = 'UNKNOWN' WHERE id = {_ONE}",
    "neither SENT nor UNKNOWN says so": f"{_SET} state = 'FAILED', detail = '?' WHERE id = {_ONE}",
    "shows other numbers than its rows": f"{_SET} state = 'FAILED' WHERE id = {_ONE}",
    "should be FINISHED: CANCELLED": "UPDATE notifier_broadcast SET state = 'CANCELLED'",
    "says its audience is": "UPDATE notifier_broadcast SET audience = audience + 1",
    "broadcast 1 has not ended": "UPDATE notifier_broadcast SET finished_at = NULL",
    "sent to another address": f"{_SET} address = 'x@example.com' WHERE id = {_ONE}",
    "frozen another address than the client's": f"{_SET} address = 'x@example.com' WHERE id = {_ONE}",
    "sent and has no row": f"DELETE FROM notifier_delivery WHERE id = {_ONE}",
}


@pytest.mark.parametrize("complaint", BOOKS)
def test_books_that_lie_are_noticed(evidence: Evidence, complaint: str) -> None:
    evidence.stack.query(BOOKS[complaint])

    assert any(complaint in told for told in evidence.complaints())


#: Of a message that was never sent: what the books say instead, and the judge to that.
LIES = {
    ("SKIPPED", "client archived"): "was skipped for a reason that is not true",
    ("SKIPPED", "consent withdrawn after the send began"): "was skipped for a reason that is not true",
    ("SKIPPED", "address suppressed"): "was skipped for a reason that is not true",
    ("SKIPPED", "no e-mail address"): "was skipped for a reason that is not true",
    ("SKIPPED", "because"): "was skipped for a reason that is not true",
    ("FAILED", "ticket lost"): "has failed, and nothing made it fail",
    ("CANCELLED", "broadcast cancelled"): "was cancelled, and its broadcast was not",
}


@pytest.mark.parametrize(("state", "detail"), LIES)
def test_a_message_that_was_never_sent_is_noticed_whatever_the_books_say(
    evidence: Evidence, state: str, detail: str
) -> None:
    unsend(evidence, state, detail)

    assert any(LIES[state, detail] in told for told in evidence.complaints())


TRUE = {
    "client archived": "UPDATE notifier_client SET is_active = false WHERE id = %s",
    "consent withdrawn after the send began": "UPDATE notifier_preference SET email = false WHERE client_id = %s",
    "address suppressed": "INSERT INTO notifier_suppression (channel, address, reason, created_at) "
    "SELECT 'email', email, 'x', '2100-01-01' FROM notifier_client WHERE id = %s",
}


@pytest.mark.parametrize("detail", TRUE)
def test_whoever_is_skipped_for_a_true_reason_is_in_order(evidence: Evidence, detail: str) -> None:
    client = unsend(evidence, "SKIPPED", detail)
    evidence.stack.query(TRUE[detail], client)

    assert evidence.complaints() == []


def test_what_a_provider_refuses_may_fail_and_nobody_else(evidence: Evidence) -> None:
    unsend(evidence, "FAILED", "550 nobody of that name")
    is_refused: Callable[[judge.Row], bool] = lambda row: row.detail.startswith("550")  # noqa: E731

    found = judge.judge(evidence.stack, evidence.taken, [evidence.expectation], may_fail=is_refused)

    assert found.complaints == []
    assert evidence.complaints() != []


def test_what_an_attack_cancelled_must_have_been_cancelled(evidence: Evidence) -> None:
    evidence.expectation = replace(evidence.expectation, ends="CANCELLED")
    assert any("should be CANCELLED" in told for told in evidence.complaints())

    unsend(evidence, "CANCELLED", "broadcast cancelled")
    evidence.stack.query("UPDATE notifier_broadcast SET state = 'CANCELLED'")

    assert evidence.complaints() == []


def test_a_text_in_another_language_than_the_clients_is_noticed(evidence: Evidence) -> None:
    query = "SELECT d.id FROM notifier_delivery d JOIN notifier_client c ON c.id = d.client_id WHERE c.language <> ''"
    spoken = {delivery for (delivery,) in evidence.stack.query(query)}
    mails = [place for place, one in enumerate(evidence.taken) if one.delivery in spoken and one.channel == "email"]
    english = next(one for one in evidence.taken if one.text.startswith("Three new listings"))
    assert mails, "no client of the demo has a language on record"

    evidence.taken[mails[0]] = replace(evidence.taken[mails[0]], text=english.text)

    assert any("got a text in another language" in told for told in evidence.complaints())


def test_whoever_has_no_complete_text_in_their_language_gets_the_default_one(evidence: Evidence) -> None:
    evidence.stack.query("UPDATE notifier_broadcast SET variants = %s", '{"de": {"subject": "Nur ein Betreff"}}')

    # What was frozen is another text now, and those who got the one of before would have got the default.
    assert any("got a text in another language" in told for told in evidence.complaints())
    evidence.taken = [replace(one, text="") for one in evidence.taken]
    assert evidence.complaints() == []


def remember(evidence: Evidence, **changes: str) -> Version:
    """As if one mail alone had been sent, of a short text, and what its client has on record were known.

    Returns that; `changes`: what is said to be on record instead.
    """
    mail = next(message for message in evidence.taken if message.channel == "email")
    evidence.stack.query(
        "UPDATE notifier_broadcast SET subject = 'Hi {{ name }}', variants = '', sms_body = '', "
        """email_body = 'Dear {{ name }}, {{ town | "home" }} is near.'"""
    )
    query = (
        "SELECT c.id, c.name, COALESCE(c.language, '') FROM notifier_client c JOIN notifier_delivery d "
        "ON d.client_id = c.id WHERE d.id = %s"
    )
    ((client, name, language),) = evidence.stack.query(query, mail.delivery)
    body = f"Notifier Dear {name}, home is near. Unsubscribe"
    evidence.taken = [replace(mail, text=f"Hi {name}", bodies=(body, body))]
    right = Version(0.0, language, {"name": name})
    said = right._replace(values={**right.values, **changes})
    evidence.expectation = replace(evidence.expectation, versions={client: [said]})
    return right


NEVER, BEFORE = "says what was never on record", "says what was on record until more than a window before"


def text_complaints(evidence: Evidence) -> list[str]:
    return [one for one in evidence.complaints() if "says what was" in one]


def test_a_text_that_says_what_is_on_record_is_in_order(evidence: Evidence) -> None:
    remember(evidence)

    assert text_complaints(evidence) == []


def test_a_name_that_was_never_on_record_is_noticed(evidence: Evidence) -> None:
    remember(evidence, name="Somebody Else")

    assert [NEVER in one for one in text_complaints(evidence)] == [True]


def test_a_text_without_a_value_that_it_needs_is_noticed(evidence: Evidence) -> None:
    remember(evidence, name="")

    assert [NEVER in one for one in text_complaints(evidence)] == [True]


@pytest.mark.parametrize("part", [0, 1], ids=["plain text", "HTML"])
def test_each_part_of_a_mail_must_say_it(evidence: Evidence, part: int) -> None:
    remember(evidence)
    (mail,) = evidence.taken
    bodies = [body.replace("home", "") if place == part else body for place, body in enumerate(mail.bodies)]
    evidence.taken = [replace(mail, bodies=tuple(bodies))]

    assert [NEVER in one for one in text_complaints(evidence)] == [True]


def test_a_language_that_is_another_than_on_record_is_noticed(evidence: Evidence) -> None:
    right = remember(evidence)
    (mail,) = evidence.taken
    # Whose mail came first differs from run to run, and so does their language.
    another = "es" if right.language == "fr" else "fr"
    evidence.stack.query(f"{_SET} language = '{another}' WHERE id = %s", mail.delivery)

    assert [NEVER in one for one in text_complaints(evidence)] == [True]


def test_only_one_window_may_say_what_was_on_record_before(evidence: Evidence) -> None:
    mails = sorted((m for m in evidence.taken if m.channel == "email"), key=lambda mail: mail.received_at)
    right = remember(evidence)
    (mail,) = evidence.taken
    (client,) = evidence.expectation.versions
    later = Version(mails[0].received_at, right.language, {"name": "Somebody Else"})
    evidence.expectation = replace(evidence.expectation, versions={client: [right, later]})
    others = [replace(mail, delivery=0, received_at=mails[0].received_at + 1 + number) for number in range(5)]

    evidence.taken = [*others[:4], replace(mail, received_at=mails[0].received_at + 10)]
    assert text_complaints(evidence) == []

    evidence.taken = [*others, replace(mail, received_at=mails[0].received_at + 10)]
    assert [BEFORE in one for one in text_complaints(evidence)] == [True]


def test_whoever_lacks_a_value_may_be_skipped_and_nobody_else(evidence: Evidence) -> None:
    right = remember(evidence)
    client = unsend(evidence, "SKIPPED", judge.NO_VALUE)
    assert any("was skipped for a reason that is not true" in told for told in evidence.complaints())

    evidence.expectation = replace(evidence.expectation, versions={client: [right._replace(values={})]})

    assert not any("was skipped for a reason" in told for told in evidence.complaints())


def unsend(evidence: Evidence, state: str, detail: str) -> int:
    """One mail never got as far as its provider, and row and pages agree on this; returns its client."""
    mail = next(message for message in evidence.taken if message.channel == "email")
    evidence.taken.remove(mail)
    evidence.stack.query(f"{_SET} state = %s, detail = %s WHERE id = %s", state, detail, mail.delivery)
    ((text,),) = evidence.stack.query("SELECT tally FROM notifier_broadcast")
    tally = json.loads(text)
    counts = tally["counts"]["email"]
    counts["SENT"] -= 1
    counts[state] = counts.get(state, 0) + 1
    evidence.stack.query("UPDATE notifier_broadcast SET tally = %s", json.dumps(tally))
    ((client,),) = evidence.stack.query("SELECT client_id FROM notifier_delivery WHERE id = %s", mail.delivery)
    return int(client)


LOGS: dict[str, Callable[[list[Accepted]], list[Accepted]]] = {
    "sent twice": lambda taken: [*taken, taken[0]],
    "no provider took it": lambda taken: taken[1:],
    "for a broadcast that nobody pressed": lambda taken: [*taken, replace(taken[0], broadcast=99)],
}


@pytest.mark.parametrize("complaint", LOGS)
def test_messages_too_many_and_too_few_are_noticed(evidence: Evidence, complaint: str) -> None:
    evidence.taken = LOGS[complaint](evidence.taken)

    assert any(complaint in told for told in evidence.complaints())


def test_mails_that_swapped_their_addresses_are_noticed(evidence: Evidence) -> None:
    """Rows and logs agree with each other: only the clients' own addresses tell."""
    (one, first), (other, second) = [(i, m) for i, m in enumerate(evidence.taken) if m.channel == "email"][:2]
    evidence.taken[one] = replace(first, address=second.address)
    evidence.taken[other] = replace(second, address=first.address)
    for message in (evidence.taken[one], evidence.taken[other]):
        evidence.stack.query(f"{_SET} address = %s WHERE id = %s", message.address, message.delivery)

    (told,) = evidence.complaints()

    assert "frozen another address than the client's" in told


@pytest.mark.parametrize("is_complete", [True, False])
def test_an_address_that_nobody_ever_had_is_noticed_whatever_an_attack_changes(
    evidence: Evidence, is_complete: bool
) -> None:
    evidence.expectation = replace(evidence.expectation, is_complete=is_complete)
    evidence.stack.query(BOOKS["frozen another address than the client's"])

    assert any("frozen another address" in told for told in evidence.complaints())


def test_a_row_without_its_address_is_noticed_unless_the_client_was_erased(evidence: Evidence) -> None:
    evidence.stack.query(f"{_SET} address = '' WHERE client_id = {_SOMEBODY}")
    assert any("frozen another address" in told for told in evidence.complaints())

    evidence.stack.query(f"UPDATE notifier_client SET erased_at = '2026-01-01' WHERE id = {_SOMEBODY}")

    assert evidence.complaints() == []


def test_whoever_was_erased_and_still_has_an_address_in_a_row_is_noticed(evidence: Evidence) -> None:
    evidence.stack.query(f"UPDATE notifier_client SET erased_at = '2026-01-01' WHERE id = {_SOMEBODY}")

    assert any("frozen another address" in told for told in evidence.complaints())


def test_whoever_was_erased_and_was_sent_to_another_address_is_noticed(evidence: Evidence) -> None:
    evidence.stack.query(f"{_SET} address = '' WHERE client_id = {_SOMEBODY}")
    evidence.stack.query(f"UPDATE notifier_client SET erased_at = '2026-01-01' WHERE id = {_SOMEBODY}")
    ((delivery,),) = evidence.stack.query(f"SELECT {_ONE}")
    strays = [m.delivery for m in evidence.taken].index(delivery)
    evidence.taken[strays] = replace(evidence.taken[strays], address="x@example.com")

    assert any("sent to another address" in told for told in evidence.complaints())


def test_whoever_was_suppressed_before_the_press_and_was_sent_to_is_noticed(evidence: Evidence) -> None:
    evidence.stack.query(
        "INSERT INTO notifier_suppression (channel, address, reason, created_at) "
        "SELECT channel, address, 'x', '2020-01-01' FROM notifier_delivery WHERE state = 'SENT' ORDER BY id LIMIT 1"
    )
    ((broadcast, notification),) = evidence.stack.query("SELECT id, notification_id FROM notifier_broadcast")
    evidence.expectation = judge.expect(evidence.stack, notification=notification, broadcast=broadcast)

    assert any("suppressed before the send" in told for told in evidence.complaints())


def test_whoever_is_suppressed_by_the_broadcast_itself_was_not_before(evidence: Evidence) -> None:
    evidence.stack.query(
        "INSERT INTO notifier_suppression (channel, address, reason, created_at) "
        "SELECT channel, address, 'x', '2100-01-01' FROM notifier_delivery WHERE state = 'SENT' ORDER BY id LIMIT 1"
    )
    ((broadcast, notification),) = evidence.stack.query("SELECT id, notification_id FROM notifier_broadcast")
    evidence.expectation = judge.expect(evidence.stack, notification=notification, broadcast=broadcast)

    assert evidence.complaints() == []


def test_whoever_is_reached_later_than_a_window_after_they_withdrew_is_noticed(evidence: Evidence) -> None:
    mails = sorted((m for m in evidence.taken if m.channel == "email"), key=lambda mail: mail.received_at)
    last = mails[-1]
    ((client,),) = evidence.stack.query("SELECT client_id FROM notifier_delivery WHERE id = %s", last.delivery)
    beyond, within = mails[-7].received_at, mails[-6].received_at

    evidence.expectation = replace(evidence.expectation, withdrawn={Recipient("email", client): within})
    assert evidence.complaints() == []

    evidence.expectation = replace(evidence.expectation, withdrawn={Recipient("email", client): beyond})
    (told,) = evidence.complaints()
    assert "reached later than a window after consent was gone" in told


def send_again(evidence: Evidence, delivery: int, *, state_before: str) -> None:
    evidence.stack.query(
        "INSERT INTO notifier_resolution (id, action, at, why, number) VALUES (1, 'SENT_AGAIN', '2026-01-01', 'x', 1)"
    )
    evidence.stack.query(
        "INSERT INTO notifier_resolveddelivery (resolution_id, delivery_id, state_before, detail_before) "
        "VALUES (1, %s, %s, 'x')",
        delivery,
        state_before,
    )


def test_what_staff_sent_again_may_arrive_twice(evidence: Evidence) -> None:
    twice = evidence.taken[0]
    evidence.taken.append(twice)
    send_again(evidence, twice.delivery, state_before="UNKNOWN")

    assert evidence.complaints() == []


def test_what_had_failed_and_was_sent_again_may_arrive_only_once(evidence: Evidence) -> None:
    twice = evidence.taken[0]
    evidence.taken.append(twice)
    send_again(evidence, twice.delivery, state_before="FAILED")

    assert any("sent twice" in told for told in evidence.complaints())


def test_what_had_failed_and_was_sent_again_says_so_if_it_arrived(evidence: Evidence) -> None:
    arrived = evidence.taken[0].delivery
    send_again(evidence, arrived, state_before="FAILED")
    evidence.stack.query(f"{_SET} state = 'FAILED', detail = '?' WHERE id = %s", arrived)

    assert any("neither SENT nor UNKNOWN says so" in told for told in evidence.complaints())
