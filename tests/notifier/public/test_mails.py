"""From a mail as it goes over the wire to the pages that its links lead to."""

import re
import uuid
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client as Browser

from consumers.backends import mime
from notifier.delivery import claims
from notifier.models import (
    Channel,
    Client,
    ConsentChange,
    Delivery,
    Preference,
    Reason,
    Suppression,
    SuppressionChange,
    Topic,
)
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines(only_full=True)]

SITE = "https://news.example.com"
KEPT: list[type[Model]] = [Client, Topic, Preference, Suppression, ConsentChange, SuppressionChange, Delivery]
_ADDRESS = re.compile(rf"{re.escape(SITE)}[^\s\"'<>)]*")
_LINK = re.compile(r'href="(/[up]/[^"]*)"')


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.PUBLIC_URL = SITE


def claimed(row: Delivery, now: datetime) -> list[claims.Message]:
    claim = claims.claim(
        broadcast_id=row.broadcast_id, channel=Channel.EMAIL, delivery_ids=[row.pk], token=uuid.uuid4(), now=now
    )
    return claim.messages


def wire(message: claims.Message) -> EmailMessage:
    mail = message_from_bytes(mime.source(message), policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def links_in(mail: EmailMessage) -> set[str]:
    """Every address in the header, the text and the HTML, as a scanner finds them: paths on our site."""
    parts = [str(part.get_content()) for part in mail.walk() if not part.is_multipart()]
    texts = [*parts, " ".join(mail.get_all("List-Unsubscribe", []))]
    found = {address.removeprefix(SITE) for text in texts for address in _ADDRESS.findall(text)}
    assert len(texts) == 3
    return found


def rows() -> list[list[dict[str, Any]]]:
    return [list(model._default_manager.order_by("pk").values()) for model in KEPT]


def test_a_scanner_that_follows_every_link_changes_nothing(visitor: Browser, now: datetime) -> None:
    notification = a_notification(email_body=f"Dear {{{{ name }}}}, [look]({SITE}/u/) here")
    row = a_delivery(broadcast=a_broadcast(notification=notification), client=a_client(listings="both"))
    (message,) = claimed(row, now)
    mail = wire(message)
    waiting, followed, before = links_in(mail), set[str](), rows()
    assert {path[:3] for path in waiting} == {"/u/", "/p/"}

    while waiting - followed:
        path = (waiting - followed).pop()
        page = visitor.get(path)
        visitor.head(path)
        visitor.options(path)
        followed.add(path)
        waiting |= set(_LINK.findall(page.content.decode()))

    assert len(followed) == 3
    assert rows() == before


def test_one_click_in_the_header_ends_what_is_still_to_come(visitor: Browser, now: datetime) -> None:
    client = a_client(listings="both")
    first, second = a_delivery(client=client), a_delivery(client=client)
    (message,) = claimed(first, now)
    header = wire(message)["List-Unsubscribe"]
    address = str(header).strip("<>").removeprefix(SITE)

    answer = visitor.post(address, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")

    assert answer.status_code == 200
    assert claimed(second, now) == []
    second.refresh_from_db()
    assert (second.state, second.detail) == ("SKIPPED", Reason.CONSENT_GONE)
    assert ConsentChange.objects.get().detail == f"broadcast {first.broadcast_id}"


def test_a_link_names_nobody(now: datetime) -> None:
    client = a_client(name="Ann Example", listings="email")
    (message,) = claimed(a_delivery(client=client), now)

    told = " ".join(links_in(wire(message)))

    assert str(client.email) not in told
    assert "ann" not in told.lower().replace(message.link_token.lower(), "")
