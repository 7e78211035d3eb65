"""An e-mail, the server that takes it, and what arrived there."""

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage as ParsedMail

from pytest_django import Settings

from consumers.backends.base import Outgoing
from notifier.messages import signed_links
from notifier.messages.signed_links import Link
from tests.consumers.backends.patience import PATIENT_SECONDS
from tests.support.fakes.smtp import FakeSmtp

#: More than the sockets' buffers take, 4 + 6 MB at the most on Linux as it comes.
LARGE_TEXT = "A line of an endless newsletter, seventy characters long, to the very end.\n" * 220_000
MESSAGE = Outgoing(reference="7.42", address="ann@example.com", subject="Three new homes", body="Hello Ann.\n")
#: Phases in which a message may be refused.
BEFORE_AND_AFTER_THE_TEXT = ["rcpt", "data", "dot"]
TOKEN = signed_links.token(Link(client_id=7, topic_id=1, broadcast_id=42))
BULK = replace(MESSAGE, link_token=TOKEN, list_id="listings", html="<p>Hello Ann.</p>")
BULK_HEADERS = ("List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Precedence")


def use(fake: FakeSmtp, settings: Settings) -> None:
    settings.EMAIL_BACKEND = settings.SMTP_BACKEND
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", fake.port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_TIMEOUT = PATIENT_SECONDS
    settings.DEFAULT_FROM_EMAIL = "Notifier <notifier@example.org>"


def recipients(fake: FakeSmtp) -> list[str]:
    return [entry["recipient"] for entry in fake.accepted()]


def parsed(fake: FakeSmtp, number: int = 0) -> ParsedMail:
    mail = message_from_bytes(fake.accepted()[number]["raw"].encode(), policy=policy.default)
    assert isinstance(mail, ParsedMail)
    return mail


def text_of(mail: ParsedMail) -> str:
    return str(mail.get_content()).replace("\r\n", "\n")


def text_on_the_wire(fake: FakeSmtp) -> str:
    return str(fake.accepted()[0]["raw"]).partition("\r\n\r\n")[2]
