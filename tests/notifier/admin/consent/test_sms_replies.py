"""The inbox: what clients answered is found, read, and marked as read; looking changes nothing."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifier.consent import digests
from notifier.models import Channel, InboundMessage
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_client, a_reply, a_user

pytestmark = pytest.mark.both_engines(only_full=True)

VIEW, READ = "notifier.view_inboundmessage", "notifier.change_inboundmessage"
LIST = reverse("admin:notifier_inboundmessage_changelist")


def page_of(message: InboundMessage) -> str:
    return reverse("admin:notifier_inboundmessage_change", args=[message.pk])


def text(browser: Browser, url: str = LIST, **query: str) -> str:
    answer = browser.get(url, query)
    assert answer.status_code == 200
    return str(answer.content.decode())


def listed(browser: Browser, **query: str) -> list[str]:
    """The texts of the list, in its order."""
    return [row.text for row in browser.get(LIST, query).context["cl"].result_list]


def mark(browser: Browser, *messages: InboundMessage, **more: Any) -> Any:
    chosen = {"action": "mark_as_read", "_selected_action": [message.pk for message in messages], "index": "0"}
    return browser.post(LIST, chosen | more, follow=True)


def read(message: InboundMessage) -> bool:
    message.refresh_from_db()
    return message.read_at is not None


# --- The list ---------------------------------------------------------------------------------------------------------
def test_what_is_unread_comes_first_and_the_newest_of_it_at_the_top(admin: Browser) -> None:
    now = timezone.now()
    for words, fields in (
        ("read", {"read_at": now}),
        ("first", {}),
        ("stop", {"outcome": "STOPPED"}),
        ("second", {}),
        ("read too", {"read_at": now}),
    ):
        a_reply(text=words, **fields)

    assert listed(admin) == ["second", "first", "read too", "stop", "read"]
    assert listed(admin, state="unread") == ["second", "first"]
    assert listed(admin, state="done") == ["read too", "stop", "read"]
    assert listed(admin, outcome__exact="STOPPED") == ["stop"]


def test_a_message_shows_its_client_who_is_found_by_the_number(admin: Browser) -> None:
    ann = a_client(name="Ann Archer", phone="+447700900123")
    a_reply(text="hello", sender="+447700900123")
    a_reply(text="from nobody of ours", sender="+12025550199")

    page = text(admin)

    assert f'<a href="{reverse("admin:notifier_client_change", args=[ann.pk])}">Ann Archer</a>' in page
    assert "Unread" in page
    assert "+1 202 555 0199" in page


def test_the_list_costs_the_same_however_many_clients_answered(admin: Browser) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            text(admin)
        return len(queries)

    for number in range(3):
        a_reply(sender=str(a_client().phone), text=f"{number}")
    few = cost()
    for number in range(20):
        a_reply(sender=str(a_client().phone), text=f"{number}")

    assert cost() == few


@pytest.mark.parametrize("term", ["+44 7700 900123", "00447700900123", "+4477", "447700900"])
def test_a_number_is_found_however_it_is_written(admin: Browser, term: str) -> None:
    a_reply(text="hers", sender="+447700900123")
    a_reply(text="another's", sender="+12025550199")

    assert listed(admin, q=term) == ["hers"]


@pytest.mark.parametrize(
    ("term", "sender"), [("12345", "12345"), ("ACME", "ACME"), ("whatsapp:+44", "whatsapp:+44770")]
)
def test_a_short_code_and_a_name_are_found_as_they_are(admin: Browser, term: str, sender: str) -> None:
    a_reply(text="theirs", sender=sender)
    a_reply(text="another's", sender="+12025550199")

    assert listed(admin, q=term) == ["theirs"]


def test_a_long_text_is_cut_in_the_list_and_whole_on_its_page(admin: Browser) -> None:
    words = "x" * 300
    message = a_reply(text=f"{words}\nend")

    assert words not in text(admin)
    assert f"{words}<br>end" in text(admin, page_of(message))


def test_what_somebody_wrote_is_text_and_no_markup(admin: Browser) -> None:
    message = a_reply(text="<script>alert(1)</script>", sender="<b>")

    for page in (text(admin), text(admin, page_of(message))):
        assert "<script>alert(1)" not in page
        assert "<b>" not in page


def test_the_number_of_an_erased_client_is_shown_as_erased(admin: Browser) -> None:
    message = a_reply(sender=digests.digest(Channel.SMS, "+12025550123"))

    for page in (text(admin), text(admin, page_of(message))):
        assert "[erased]" in page
        assert "digest:" not in page


def test_it_is_called_the_inbox_wherever_it_is_named(admin: Browser) -> None:
    message = a_reply()

    page = text(admin)

    assert "<h1>Inbox</h1>" in page
    assert f'<a href="{LIST}">Inbox</a>' in text(admin, page_of(message))
    assert "No SMS replies match" in text(admin, q="+999")


# --- One message ------------------------------------------------------------------------------------------------------
def test_its_page_says_what_came_of_it(admin: Browser) -> None:
    maria = a_user(username="maria")
    waiting = a_reply()
    done = a_reply(read_at=timezone.now(), read_by=maria)
    stopped = a_reply(text="STOP", outcome="STOPPED")

    assert "not yet" in text(admin, page_of(waiting))
    assert "by maria" in text(admin, page_of(done))
    assert "not needed: handled automatically" in text(admin, page_of(stopped))
    assert "Mark as read" in text(admin, page_of(waiting))
    for message in (done, stopped):
        assert "mark-as-read" not in text(admin, page_of(message))


def test_looking_at_it_is_not_reading_it(admin: Browser) -> None:
    message = a_reply()

    text(admin)
    text(admin, page_of(message))
    assert admin.get(reverse("admin:notifier_inboundmessage_read", args=[message.pk])).status_code == 405

    assert not read(message)


def test_nothing_of_it_can_be_changed(admin: Browser) -> None:
    message = a_reply(text="as it came")

    assert admin.post(page_of(message), {"text": "another"}).status_code == 403

    message.refresh_from_db()
    assert message.text == "as it came"


# --- Mark as read -----------------------------------------------------------------------------------------------------
def test_one_is_marked_from_its_page(admin: Browser) -> None:
    message, other = a_reply(), a_reply()

    answer = admin.post(reverse("admin:notifier_inboundmessage_read", args=[message.pk]), follow=True)

    assert "1 SMS reply marked as read." in answer.content.decode()
    assert answer.redirect_chain == [(LIST, 302)]
    assert (read(message), read(other)) == (True, False)
    assert message.read_by is not None


def test_several_are_marked_from_the_list(admin: Browser) -> None:
    first, second, other = a_reply(), a_reply(), a_reply()
    stopped = a_reply(outcome="STOPPED")

    answer = mark(admin, first, second, stopped)

    assert "2 SMS replies marked as read." in answer.content.decode()
    assert [read(message) for message in (first, second, other, stopped)] == [True, True, False, False]


def test_all_of_them_are_those_that_were_there_when_the_list_was_shown(admin: Browser) -> None:
    seen, newest_seen = a_reply(), a_reply()
    came_since = a_reply()

    mark(admin, newest_seen, select_across="1")

    assert [read(message) for message in (seen, newest_seen, came_since)] == [True, True, False]


def test_what_somebody_else_has_read_meanwhile_stays_theirs(admin: Browser) -> None:
    message = a_reply(read_at=timezone.now() - timedelta(hours=1), read_by=a_user(username="maria"))

    answer = mark(admin, message)

    assert "were already read" in answer.content.decode()
    message.refresh_from_db()
    assert message.read_by is not None
    assert message.read_by.username == "maria"


def test_who_may_only_look_is_offered_no_button(staff: LogIn) -> None:
    browser = staff(VIEW)
    message = a_reply(sender=str(a_client(name="Ann Archer").phone))

    page = text(browser, page_of(message))

    assert "mark-as-read" not in page
    assert "Ann Archer" not in page, "who may not see clients is not told whose number it is"
    assert "Ann Archer" not in text(browser)
    mark(browser, message)
    assert browser.post(reverse("admin:notifier_inboundmessage_read", args=[message.pk])).status_code == 403
    assert not read(message)


# --- Around it --------------------------------------------------------------------------------------------------------
def test_the_overview_tells_how_many_wait(admin: Browser) -> None:
    a_reply(read_at=timezone.now())
    a_reply(outcome="STOPPED")
    index = reverse("admin:index")
    assert "concern-inbox" not in text(admin, index)

    a_reply()
    assert "1 SMS reply hasn’t been read yet." in text(admin, index)
    a_reply()
    page = text(admin, index)

    assert "2 SMS replies haven’t been read yet." in page
    assert f"{LIST}?state=unread" in page


def test_the_overview_tells_nobody_who_may_not_read_them(staff: LogIn) -> None:
    a_reply()

    assert "concern-inbox" not in text(staff("notifier.view_client"), reverse("admin:index"))
    assert "concern-inbox" in text(staff(VIEW), reverse("admin:index"))


def test_a_clients_page_shows_what_came_from_their_number(admin: Browser) -> None:
    client = a_client(phone="+447700900123")
    page = reverse("admin:notifier_client_change", args=[client.pk])
    assert "SMS replies" not in text(admin, page)
    messages = [a_reply(text=f"message {number}", sender="+447700900123") for number in range(7)]
    a_reply(text="another's")

    shown = text(admin, page)

    assert page_of(messages[-1]) in shown
    assert "message 6" in shown
    assert "message 0" not in shown
    assert "another's" not in shown.replace("&#x27;", "'")
    assert f"{LIST}?q=%2B447700900123" in shown
    assert len(listed(admin, q="+447700900123")) == 7


def test_a_clients_page_shows_no_answers_to_whom_may_not_read_them(staff: LogIn) -> None:
    client = a_client()
    a_reply(sender=str(client.phone))

    assert "SMS replies" not in text(
        staff("notifier.view_client"), reverse("admin:notifier_client_change", args=[client.pk])
    )
