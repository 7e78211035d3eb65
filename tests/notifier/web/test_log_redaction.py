"""What the log never holds, wherever it comes from: addresses, names, tokens and passwords."""

import io
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.conf import settings
from django.db import Error, connection, transaction
from django.db.models import Value

from notifier.messages import signed_links
from notifier.models import Client
from notifier.web.log_redaction import RedactingFormatter, redacted
from tests.support.factories import a_client

LOGGING: dict[str, Any] = settings.LOGGING
TOKEN = signed_links.token(signed_links.Link(client_id=7, topic_id=1, broadcast_id=42))
PRIVATE = ("ann@example.com", "447700900123", "Ann Private", TOKEN)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the product's own console shows."""
    written = io.StringIO()
    stream = logging.StreamHandler(written)
    stream.setFormatter(RedactingFormatter(LOGGING["formatters"]["line"]["format"]))
    logging.getLogger().addHandler(stream)
    yield written
    logging.getLogger().removeHandler(stream)


def said(log: io.StringIO) -> str:
    text = log.getvalue()
    assert [private for private in PRIVATE if private in text] == []
    return text


@pytest.mark.both_engines
@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"email": "ann@example.com"},
        {"phone": "+447700900123"},
        {"email": None, "phone": None},
        {"email": Value("Ann@example.com")},
        {"created_at": None},
    ],
    ids=str,
)
def test_an_error_of_the_database_is_logged_without_the_row(log: io.StringIO, change: dict[str, object]) -> None:
    a_client(name="Ann Private", email="ann@example.com", phone="+447700900123")
    other = a_client(name="Ann Private Too")

    try:
        with transaction.atomic():
            Client.objects.filter(pk=other.pk).update(**change)
    except Error:
        logging.getLogger("notifier.anything").exception("Client %d could not be saved.", other.pk)

    text = said(log)
    assert f"Client {other.pk} could not be saved." in text
    assert "IntegrityError: " in text
    assert "Traceback" in text
    assert "The above exception was the direct cause" in text


@pytest.mark.both_engines
@pytest.mark.django_db
def test_nor_is_a_statement_that_the_database_quotes(log: io.StringIO) -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT nonsense FROM notifier_client WHERE email = %s AND name = %s", PRIVATE[::2][:2])
    except Error as error:
        logging.getLogger("notifier.anything").error("The database can’t be used: %s", error)

    assert "nonsense" in said(log)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("GET /p/{token} failed", "GET /p/… failed"),
        ("no connection to amqp://user:s3cret@mq.example:5672/x", "no connection to …"),
        ("550 <ann@example.com>: no such user", "550 …: no such user"),
        ('sent to "ann private"@example.com', "sent to …"),
        ("to +447700900123: refused", "to …: refused"),
        ('DataError: invalid input syntax for type bigint: "Ann Private"', "type bigint: …"),
        ("x\nDETAIL:  Failing row contains (1, Ann Private, ann@example.com,\n2).", "x"),
    ],
)
def test_what_a_line_names_is_left_out(text: str, kept: str) -> None:
    shown = redacted(text.replace("{token}", TOKEN))

    assert shown.endswith(kept)


@pytest.mark.parametrize(
    "text", ["2026-11-29 20:40:15,123 WARNING x: broadcast 7 at 10.5/s +0100", "one\ntwo\n\nthree"]
)
def test_everything_else_stays(text: str) -> None:
    assert redacted(text) == text


def test_each_line_has_a_time_that_is_one_moment() -> None:
    form = LOGGING["formatters"]["line"]
    record = logging.LogRecord("notifier.x", logging.INFO, __file__, 1, "hello", None, None)

    line = RedactingFormatter(form["format"], form["datefmt"]).format(record)

    assert datetime.fromisoformat(line[:24]).timestamp() == int(record.created)
    assert line[24:] == " INFO notifier.x: hello"


def test_every_package_logs_through_it() -> None:
    handlers = LOGGING["handlers"].values()

    assert {handler["formatter"] for handler in handlers} == {"line"}
    assert LOGGING["formatters"]["line"]["class"].endswith(".RedactingFormatter")
    # A logger without a handler of its own gives what it has to the root, and Python to stderr where that has none.
    assert LOGGING["root"]["handlers"] == ["console"]
