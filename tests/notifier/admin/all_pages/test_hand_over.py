"""From the editor to the sender to the approver and back: each is led, by links alone, to what they can do next."""

import html
import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from notifier.broadcasts import staff_mails
from notifier.models import Broadcast
from tests.support.factories import a_client, a_topic, a_user
from tests.support.forms import agree_to, form_of

pytestmark = pytest.mark.both_engines(only_full=True)

HOME = "admin:index"


@pytest.fixture(autouse=True)
def _with_approval(settings: Settings) -> None:
    settings.APPROVAL_ABOVE = 1
    a_client(listings="both")


def text_of(answer: Any) -> str:
    assert answer.status_code == 200
    return html.unescape(" ".join(answer.content.decode().split()))


class Colleague:
    """Somebody of a group, who follows what the overview and the mails offer."""

    def __init__(self, name: str, group: str) -> None:
        self.user = a_user(username=name, group=group)
        self.user.email = f"{name}@example.com"
        self.user.save()
        self.browser = Browser()
        self.browser.force_login(self.user)

    def lines(self) -> dict[str, tuple[str, str]]:
        """Of *Needs attention*: by its button, what it says and where the button leads."""
        found = re.findall(
            r'<li class="concern".*?<p> (.*?) </p> <a class="button" href="([^"]+)"[^>]*>([^<]+)</a>',
            text_of(self.browser.get(reverse(HOME))),
        )
        return {button: (words, url) for words, url, button in found}

    def waiting(self) -> int:
        """The number in the menu."""
        found = re.search(r'title="Waiting for you">(\d+)<', text_of(self.browser.get(reverse(HOME))))
        return int(found[1]) if found else 0

    def follow(self, button: str) -> tuple[str, str]:
        """The page that the button of a line leads to, and its address."""
        url = self.lines()[button][1]
        return text_of(self.browser.get(url)), url

    def mailed(self) -> tuple[str, str]:
        """The newest mail to them, and the page that it leads to."""
        mail.outbox.clear()
        staff_mails.send_due(now=timezone.now())
        [message] = [one for one in mail.outbox if one.to == [self.user.email]]
        [url] = re.findall(r"http://localhost:8000(\S+)", str(message.body))
        return str(message.body), text_of(self.browser.get(url))


def send(sender: Colleague, url: str) -> None:
    assert agree_to(sender.browser, url).status_code == 302


def decide(approver: Colleague, page: str, url: str, word: str) -> None:
    posted = form_of(page) | {"word": word, "why": "The price is wrong"}
    assert approver.browser.post(url, posted).status_code == 302


def test_a_text_goes_from_hand_to_hand_and_nobody_is_led_to_a_page_without_the_act() -> None:
    eve, sam, ada = Colleague("eve", "Editors"), Colleague("sam", "Senders"), Colleague("ada", "Approvers")
    text = {"topic": a_topic().pk, "subject": "Spring at 100", "email_body": "Text", "sms_body": "Text"}
    eve.browser.post(reverse("admin:notifier_notification_add"), text | {"_ready": "pressed"})

    # The sender is asked to send it, and submits it for approval.
    page, url = sam.follow("View and send")
    assert " for approval</span>" in page
    send(sam, url)
    assert list(sam.lines()) == ["View"]
    assert "awaiting approval" in sam.lines()["View"][0]

    # The approver is led there by the overview and by a mail, and rejects it.
    body, mailed = ada.mailed()
    page, url = ada.follow("Review and decide")
    assert ada.waiting() == 1
    assert 'id="approve-it"' in page
    assert 'id="approve-it"' in mailed
    assert "Review and decide" in body
    decide(ada, page, url, "reject")
    assert (ada.waiting(), ada.lines()) == (0, {})

    # The sender is told whom to ask, and the editor has the text before them.
    body, mailed = sam.mailed()
    page, _ = sam.follow("View")
    assert (sam.waiting(), list(sam.lines())) == (1, ["View"])
    assert "eve can edit the text" in sam.lines()["View"][0]
    for shown in (page, mailed):
        assert "Ask eve to edit the text and mark it as ready to send." in shown
        assert "Edit and resubmit" not in shown
    page, url = eve.follow("Edit")
    assert 'name="_ready"' in page
    assert agree_to(eve.browser, url, subject="Spring at 200", _ready="pressed").status_code == 302
    assert eve.lines() == {}

    # The sender sends it again, the approver approves it, and nothing is left for anybody.
    page, url = sam.follow("View and send")
    assert "Spring at 200" in page
    send(sam, url)
    assert sam.waiting() == 0
    page, url = ada.follow("Review and decide")
    assert "Spring at 200" in page
    decide(ada, page, url, "approve")
    rejected, approved = Broadcast.objects.order_by("pk")
    assert (rejected.state, approved.state) == (Broadcast.State.REJECTED, Broadcast.State.RUNNING)
    body, mailed = sam.mailed()
    assert "was approved" in body
    assert "Spring at 200" in mailed
    assert [one.waiting() for one in (eve, sam, ada)] == [0, 0, 0]
    assert [one.lines() for one in (eve, sam, ada)] == [{}, {}, {}]
