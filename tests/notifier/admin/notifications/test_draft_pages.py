"""What the form of a notification tells before anything is sent: the preview and the counter."""

import re
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from notifier.messages import markdown
from notifier.models import Notification
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_client, a_notification, a_topic

pytestmark = pytest.mark.both_engines(only_full=True)


PREVIEW = "admin:notifier_notification_preview"
CHECK = "admin:notifier_notification_check"
READERS = "admin:notifier_notification_readers"
WRITE = ("notifier.add_notification", "notifier.change_notification", "notifier.view_notification")
HTMX = {"HX-Request": "true"}


def a_draft(**changes: Any) -> dict[str, Any]:
    draft = {"topic": a_topic().pk, "subject": "Homes for {{ first_name }}", "email_body": "Dear **{{ name }}**"}
    return draft | {"sms_body": "Hello {{ name }}"} | changes


def save(browser: Browser, **changes: Any) -> Any:
    return browser.post(reverse("admin:notifier_notification_add"), a_draft(**changes))


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().split())


# --- Its size ---------------------------------------------------------------------------------------------------------
def test_the_size_of_the_e_mail_is_told_and_what_gmail_would_cut_off(admin: Browser) -> None:
    short = text_of(admin.post(reverse(CHECK), a_draft(email_body="Hello")))
    long = text_of(admin.post(reverse(CHECK), a_draft(email_body="Hello\n\n" * 2_500)))
    none = text_of(admin.post(reverse(CHECK), a_draft(email_body="")))

    assert re.search(r"E-mail: <strong>[34]</strong> of the 102 kB that Gmail shows", short)
    assert re.search(r"The e-mail has 1\d\d kB, and Gmail cuts it off after 102 kB", long)
    assert "Gmail" not in none


# --- The preview ------------------------------------------------------------------------------------------------------
def test_a_draft_is_shown_as_the_client_who_was_asked_for_and_nothing_is_kept(admin: Browser) -> None:
    a_client(name="Ann Example", listings="both")
    bob = a_client(first_name="Bob", last_name="<b>Bold")

    page = admin.post(reverse(PREVIEW), a_draft(reader=bob.email, preheader="Near {{ first_name }}"))

    shown = page.context["shown"]
    assert (shown.subject, shown.preheader) == ("Homes for Bob", "Near Bob")
    assert '<span class="preheader" dir="auto">Near Bob</span>' in text_of(page)
    assert "Dear <strong>Bob &lt;b&gt;Bold</strong>" in shown.html
    assert shown.text.startswith("Dear Bob <b>Bold\n")
    assert shown.sms == "Hello Bob <b>Bold"
    assert "Bob <b>" not in text_of(page)
    assert not Notification.objects.exists()


def test_without_a_choice_it_is_shown_as_somebody_who_would_get_it(admin: Browser) -> None:
    a_client(name="Not This", offerings="both")
    a_client(name="Ann Example", listings="sms")

    page = text_of(admin.post(reverse(PREVIEW), a_draft()))

    assert "Shown for Ann Example" in page
    assert "Hello Ann Example" in page


@pytest.mark.parametrize("term", ["", "nobody of that name"])
def test_where_there_is_nobody_it_is_shown_as_somebody_invented(admin: Browser, term: str) -> None:
    page = text_of(admin.post(reverse(PREVIEW), a_draft(reader=term)))

    assert "Shown for Alex Example, a made-up client." in page
    assert ("No client found for" in page) == bool(term)


@pytest.mark.parametrize(
    ("screen", "shown"), [("desktop", {"desk"}), ("sms", {"sms"}), ("", {"desk", "phone", "text", "sms"})]
)
def test_the_preview_is_of_the_screen_that_was_chosen(admin: Browser, screen: str, shown: set[str]) -> None:
    page = admin.post(reverse(PREVIEW), a_draft(screen=screen))

    found = {name for name in ("desk", "phone", "text", "sms") if f'<section class="screen {name}"' in text_of(page)}
    assert found == shown


def test_the_e_mail_and_the_sms_are_shown_for_one_and_the_same_client(admin: Browser) -> None:
    a_client(name="Ann Mail", listings="email")
    a_client(name="Bob Phone", listings="sms")

    shown = admin.post(reverse(PREVIEW), a_draft()).context["shown"]

    assert "Dear Ann Mail" in shown.text
    assert shown.sms == "Hello Ann Mail"


def test_a_draft_that_is_still_wrong_is_shown_all_the_same(admin: Browser) -> None:
    page = admin.post(reverse(PREVIEW), {"topic": "x", "subject": "", "email_body": "Dear {{ nmae }} of {{ topic }}"})

    # What goes out never has braces of ours in it, nor has what is shown.
    assert "Dear [no nmae] of Topic" in page.context["shown"].text
    assert "There is no placeholder {{ nmae }}" in text_of(page)


def test_no_more_of_a_draft_is_read_than_a_text_may_have(admin: Browser) -> None:
    page = admin.post(reverse(PREVIEW), a_draft(email_body="- one\n" * 100_000))

    assert len(page.context["shown"].text) < 2 * markdown.MAX_LETTERS
    assert "longer than 100,000 characters" in text_of(page)


def test_help_for_writers_is_for_writers(staff: LogIn) -> None:
    notification = a_notification()
    addresses = [
        reverse("admin:notifier_notification_change", args=[notification.pk]),
        reverse("admin:notifier_client_change", args=[a_client().pk]),
    ]
    helps = ("Formatting and placeholders", "Leave it empty to send no", "{{ first_name }}", 'class="help"')

    writer = staff(*WRITE, "notifier.view_client", "notifier.change_client")
    written = "".join(writer.get(address).content.decode() for address in addresses)
    reader = staff("notifier.view_notification", "notifier.view_client")
    read = "".join(reader.get(address).content.decode() for address in addresses)

    assert [words for words in helps if words not in written] == []
    assert [words for words in helps if words in read] == []
    assert notification.sms_body in read


def test_a_saved_notification_is_shown_to_those_who_may_only_look(staff: LogIn) -> None:
    notification = a_notification(email_body="Dear {{ name }}")
    browser = staff("notifier.view_notification")

    page = browser.get(reverse(PREVIEW), {"notification": notification.pk})

    assert "Dear Alex Example" in page.context["shown"].text
    assert "Preview" in text_of(browser.get(reverse("admin:notifier_notification_change", args=[notification.pk])))
    assert browser.post(reverse(PREVIEW), a_draft()).status_code == 403
    assert browser.get(reverse(PREVIEW), {"notification": "99999999"}).status_code == 404
    assert browser.get(reverse(PREVIEW), {"notification": "x"}).status_code == 404


def test_clients_are_shown_to_those_only_who_may_see_them(staff: LogIn) -> None:
    a_client(name="Ann Secret", listings="both")
    browser = staff(*WRITE)

    page = text_of(browser.post(reverse(PREVIEW), a_draft(reader="Ann")))

    assert "Secret" not in page
    assert "a made-up client" in page
    assert browser.get(reverse(READERS), {"reader": "Ann"}).status_code == 403


def test_the_preview_alone_has_styles_of_its_own_and_may_be_framed_by_us(admin: Browser) -> None:
    preview = admin.post(reverse(PREVIEW), a_draft())
    form = admin.get(reverse("admin:notifier_notification_add"))
    other = admin.get(reverse("admin:index"))

    policy = preview["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'self' 'unsafe-inline'" in policy
    assert "frame-ancestors 'self'" in policy
    # With our origin, so that it can be scrolled, and therefore without a script under any circumstances.
    assert "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox" in policy
    assert "allow-scripts" not in policy
    assert "script-src" not in policy
    assert preview["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-src 'self'" in form["Content-Security-Policy"]
    assert "unsafe-inline" not in form["Content-Security-Policy"]
    assert form["X-Frame-Options"] == other["X-Frame-Options"] == "DENY"


def test_the_e_mail_stands_in_a_sandbox_as_text_of_an_attribute(admin: Browser) -> None:
    page = admin.post(reverse(PREVIEW), a_draft(email_body='Say "hi" <script>alert(1)</script>'))

    assert "<script" not in text_of(page)
    allowed = re.findall(r'sandbox="([^"]*)"', text_of(page))
    assert allowed == ["allow-same-origin allow-popups allow-popups-to-escape-sandbox"] * 2


def test_the_frame_has_the_fonts_of_the_e_mail() -> None:
    mail = (settings.BASE_DIR / "templates" / "mail" / "message.html").read_text()
    sheet = (settings.BASE_DIR / "notifier" / "static" / "notifier" / "notifications.css").read_text()

    (stack,) = set(re.findall(r"font: [\w ]*\d+px/[\d.]+ ([^;\"]+)", mail))
    (of_frame,) = re.findall(r"body\.in-frame \{ --font-family-primary: ([^;]+);", sheet)

    assert of_frame.replace('"', "'") == stack


def test_what_is_typed_finds_clients_to_choose_from(admin: Browser) -> None:
    ann = a_client(name="Ann <Example>")
    bob = a_client(name="Bob Nomail", email=None)

    found = text_of(admin.get(reverse(READERS), {"reader": "ann"}))

    assert f'<option value="{ann.email}">Ann &lt;Example&gt;</option>' in found
    assert "Bob" not in found
    assert f'value="{bob.phone}"' in text_of(admin.get(reverse(READERS), {"reader": "bob"}))
    assert text_of(admin.get(reverse(READERS), {"reader": " "})) == ""


# --- The counter ------------------------------------------------------------------------------------------------------
def check(browser: Browser, **changes: Any) -> str:
    return text_of(browser.post(reverse(CHECK), a_draft(**changes)))


def test_the_counter_tells_length_encoding_and_segments(admin: Browser) -> None:
    said = check(admin, sms_body="x" * 161)

    assert "<strong>161</strong> of 306 characters, <strong>2 segments</strong>" in said
    assert "GSM-7" in said
    assert "At most" not in said


def test_the_counter_and_the_preview_have_the_line_that_ends_each_sms(admin: Browser, settings: Settings) -> None:
    a_client(name="W" * 20)
    settings.SMS_STOP_LINE = "Reply STOP to end"

    said = check(admin, sms_body="x" * 143)
    longest = check(admin, sms_body="x" * 123 + "{{ name }}")
    page = text_of(admin.post(reverse(PREVIEW), a_draft(sms_body="Hello")))

    assert "<strong>161</strong> of 306 characters, <strong>2 segments</strong>" in said
    assert "At most <strong>2 segments</strong> (161 characters, GSM-7)" in longest
    assert "Hello<br>Reply STOP to end" in page
    assert "No SMS text: no SMS is sent." in check(admin, sms_body="")


def test_the_counter_names_what_made_it_ucs(admin: Browser) -> None:
    a_client(name="Łukasz Ok", listings="both")

    said = check(admin, sms_body="Hello {{ name }}…")

    assert "because of “…” (horizontal ellipsis; use ... instead)." in said
    assert "Also “Ł” (latin capital letter l with stroke) in the name of Łukasz Ok." in said


def test_the_counter_tells_the_worst_for_the_longest_name(admin: Browser) -> None:
    a_client(name="Ann", listings="both")
    a_client(name="W" * 100)

    said = check(admin, sms_body="{{ name }} " + "x" * 60)

    assert "<strong>64</strong> of 160 characters, <strong>1 segment</strong>" in said
    assert "At most <strong>2 segments</strong> (161 characters, GSM-7): the longest client name has 100" in said
    assert "such as Łukasz, at most <strong>4 segments</strong>" in said


def test_the_length_of_the_sms_has_its_place_at_its_field(admin: Browser) -> None:
    form = text_of(admin.get(reverse("admin:notifier_notification_change", args=[a_notification(sms_body="Hi").pk])))
    answer = check(admin, sms_body="Hi", email_body="<b>x</b>")

    field, _, rest = form.partition('name="sms_body"')
    assert 'id="sms-length"' in rest.partition("</fieldset>")[0]
    assert 'id="sms-length"' not in field
    problems, _, length = answer.partition('<div id="sms-length" hx-swap-oob="innerHTML">')
    assert "HTML is shown as plain text" in problems
    assert "<strong>2</strong> of 160" in length


def test_a_line_end_counts_once(admin: Browser) -> None:
    assert "<strong>3</strong> of 160" in check(admin, sms_body="a\r\nb")


def test_mistakes_and_what_is_shown_otherwise_are_told_while_typing(admin: Browser) -> None:
    said = check(admin, subject="", email_body="<b>x</b> {{ nmae }}", sms_body="{{ name")

    assert "E-mail: There is no placeholder {{ nmae }}" in said
    assert "E-mail: HTML is shown as plain text: &lt;b&gt; &lt;/b&gt;" in said
    assert "SMS: A placeholder is incomplete" in said
    assert "Subject:" not in said


def test_a_check_takes_few_queries_however_many_clients_there_are(admin: Browser) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            check(admin, reader="Ann")
            admin.post(reverse(PREVIEW), a_draft(reader="Ann"))
        return len(captured)

    for _ in range(3):
        a_client(listings="both")
    few = queries()
    for _ in range(30):
        a_client(listings="both")

    assert queries() == few <= 17


def test_the_form_tells_the_length_of_what_was_saved_at_a_cost_that_does_not_grow(admin: Browser) -> None:
    url = reverse("admin:notifier_notification_change", args=[a_notification(sms_body="x" * 161).pk])
    admin.get(url)  # the content types are remembered from here on
    with CaptureQueriesContext(connection) as few:
        page = text_of(admin.get(url))
    for _ in range(30):
        a_client(listings="both")

    with CaptureQueriesContext(connection) as many:
        admin.get(url)

    assert "<strong>2 segments</strong>" in page
    # One of them lists the fields for the menu of placeholders.
    assert len(many) <= len(few) <= 15


def test_a_form_that_was_refused_tells_the_length_of_what_was_typed(admin: Browser) -> None:
    assert "<strong>2 segments</strong>" in text_of(save(admin, subject="", sms_body="x" * 161))


@pytest.mark.both_engines
def test_the_longest_name_is_found_through_an_index(admin: Browser) -> None:
    with CaptureQueriesContext(connection) as captured:
        check(admin)

    (query,) = [query["sql"] for query in captured if "ORDER BY LENGTH" in query["sql"]]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {'' if connection.vendor == 'postgresql' else 'QUERY PLAN'} {query}")
        assert "client_name_length" in str(cursor.fetchall())


@pytest.mark.parametrize("address", [CHECK, PREVIEW])
def test_a_draft_is_read_from_those_who_may_write(staff: LogIn, address: str) -> None:
    assert staff("notifier.view_notification").post(reverse(address), a_draft()).status_code == 403
    assert staff("notifier.add_notification").post(reverse(address), a_draft()).status_code == 200
    assert staff("notifier.change_notification").post(reverse(address), a_draft()).status_code == 200


def test_a_check_is_asked_for_by_post(admin: Browser) -> None:
    assert admin.get(reverse(CHECK)).status_code == 405
