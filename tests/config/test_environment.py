import os
import socket
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from config.environment import BROKER_SCHEMES, Environment

BASE = Path("/srv/notifier")


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Environment:
    for name in ("NAME", "OTHER"):
        monkeypatch.delenv(name, raising=False)
    return Environment(BASE)


def read(reader: str, value: str, *arguments: Any, monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[Any, str]:
    """What the reader makes of the value, and what it complains of."""
    monkeypatch.setenv("NAME", value)
    env = Environment(BASE)
    result = getattr(env, reader)("NAME", *arguments, **options)
    return result, " ".join(env.mistakes)


# --- Plain values -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", ["on", "ON", "1", "true", "Yes", " on "])
def test_a_flag_is_on(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read("flag", value, default=False, monkeypatch=monkeypatch) == (True, "")


@pytest.mark.parametrize("value", ["off", "0", "False", "no"])
def test_a_flag_is_off(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read("flag", value, default=True, monkeypatch=monkeypatch) == (False, "")


def test_a_flag_that_is_empty_or_absent_keeps_its_default(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.flag("NAME", default=True) is True
    assert read("flag", "", default=True, monkeypatch=monkeypatch) == (True, "")


def test_a_flag_that_is_neither_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    result, complaint = read("flag", "maybe", default=False, monkeypatch=monkeypatch)

    assert result is False
    assert complaint == "NAME='maybe' must be on or off: NAME=on or NAME=off."


@pytest.mark.parametrize(("value", "expected"), [("1", 1), (" 42 ", 42), ("100", 100), ("", 7)])
def test_a_whole_number(value: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read("whole", value, 7, most=100, monkeypatch=monkeypatch) == (expected, "")


@pytest.mark.parametrize("value", ["0", "101", "-1", "1.5", "1e3", "many", "٣", "²", "1_0"])
def test_a_number_out_of_range_or_unreadable_is_named_with_its_range(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, complaint = read("whole", value, 7, most=100, monkeypatch=monkeypatch)

    assert result == 7
    assert complaint == f"NAME={value!r} must be a whole number from 1 to 100."


def test_names_are_split_at_commas_and_stripped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read("names", " a.example , ,b.example", [], monkeypatch=monkeypatch)[0] == ["a.example", "b.example"]
    assert read("names", "", ["default"], monkeypatch=monkeypatch)[0] == ["default"]


def test_a_checked_value_that_is_refused_is_named_and_becomes_empty(env: Environment) -> None:
    assert env.checked("NAME", "good", lambda value: value == "good", "is bad.") == "good"
    assert env.checked("NAME", "", lambda value: False, "is bad.") == ""
    assert env.mistakes == []

    assert env.checked("NAME", "other", lambda value: value == "good", "is bad.") == ""
    assert env.mistakes == ["NAME='other' is bad."]


# --- Addresses --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", ["database://", "amqp://u:p@host:5672/vhost", "amqps://host"])
def test_an_address_with_a_known_scheme_stays_as_it_is(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read("url", value, "database://", BROKER_SCHEMES, monkeypatch=monkeypatch) == (value, "")


def test_an_unknown_scheme_is_refused_with_those_that_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    result, complaint = read("url", "redis://host", "database://", BROKER_SCHEMES, monkeypatch=monkeypatch)

    assert result == "database://"
    assert complaint == "NAME begins with 'redis'; use one of database://, amqp://, amqps://."


@pytest.mark.parametrize("value", ["amqp://host:port/", "amqp://host:99999/", "amqp://[::1/"])
def test_an_address_that_cannot_be_read_is_a_mistake_and_not_a_traceback(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, complaint = read("url", value, "database://", BROKER_SCHEMES, monkeypatch=monkeypatch)

    assert result == "database://"
    assert complaint.startswith("NAME can’t be read as an address")


@pytest.mark.parametrize(
    "value",
    [
        "amqp://user:s3c/ret@host:5672/",
        "amqp://user:s3c#ret@host:5672/",
        "amqp://user:s3c?ret@host:5672/",
        "amqp://user:1234/s3cret@host:5672/",
        "amqp://user:1234#s3cret@host:5672/",
        "amqp://user:[s3cret]@host:5672/",
        "s3cret",
        "s3cret:more@host",
        "//user:s3cret@host",
    ],
)
def test_no_complaint_quotes_a_password(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result, complaint = read("url", value, "database://", BROKER_SCHEMES, monkeypatch=monkeypatch)

    assert result == "database://"
    assert complaint.startswith("NAME ")
    assert [part for part in ("s3c", "ret@", "1234") if part in complaint] == []
    assert "%2F" in complaint or "use one of" in complaint


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("email", "smtp+tls://news:s3c/ret@mail.example"),
        ("email", "smtp://news:12#s3cret@mail.example"),
        ("sms", "twilio://AC1:s3c/ret@api.twilio.com/?from=+15005550006"),
        ("sms", "twilio://AC1:1#s3cret@api.twilio.com/?from=+15005550006"),
        ("database", "postgres://user:s3c/ret@db.example/notifier"),
        ("database", "postgres://user:1?s3cret@db.example/notifier"),
    ],
)
def test_nor_does_that_of_any_other_address(reader: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"backend": ""} if reader == "email" else {}
    default = "sqlite:///x" if reader == "database" else "console://"

    _, complaint = read(reader, value, default, monkeypatch=monkeypatch, **options)

    assert "%2F for /" in complaint
    assert "s3c" not in complaint


def test_a_password_with_a_quoted_slash_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    value = "amqp://user:s3c%2Fr%23t@host:5672/"

    assert read("url", value, "database://", BROKER_SCHEMES, monkeypatch=monkeypatch) == (value, "")


def test_sqlite_lies_in_the_project_and_waits_for_the_write_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    database, complaint = read("database", "sqlite:///var/x.sqlite3", "", monkeypatch=monkeypatch)

    assert complaint == ""
    assert database["NAME"] == "/srv/notifier/var/x.sqlite3"
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert database["OPTIONS"]["timeout"] == 20
    assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]
    assert "synchronous=FULL" in database["OPTIONS"]["init_command"]
    assert database["TEST"]["NAME"].endswith("test.sqlite3")


def test_sqlite_may_lie_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read("database", "sqlite:////data/x.sqlite3", "", monkeypatch=monkeypatch)[0]["NAME"] == "/data/x.sqlite3"


def test_postgres_keeps_connections_and_checks_them(monkeypatch: pytest.MonkeyPatch) -> None:
    value = "postgres://user:p%40ss@db.example:5433/notifier"

    database, complaint = read("database", value, "", monkeypatch=monkeypatch)

    assert complaint == ""
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.example", 5433, "notifier")
    assert (database["USER"], database["PASSWORD"]) == ("user", "p@ss")
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (60, True)
    assert "pool" not in database["OPTIONS"]


def test_a_pool_arrives_as_a_flag_and_turns_off_what_it_replaces(monkeypatch: pytest.MonkeyPatch) -> None:
    database, _ = read("database", "postgresql://u@h/n?pool=true", "", monkeypatch=monkeypatch)

    assert database["OPTIONS"]["pool"] is True
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (0, False)


def test_pool_off_is_no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "pool" not in read("database", "postgres://u@h/n?pool=off", "", monkeypatch=monkeypatch)[0]["OPTIONS"]


@pytest.mark.parametrize("pool", ["", "?pool=true"])
def test_a_database_host_that_dies_without_a_word_is_noticed_in_seconds(
    monkeypatch: pytest.MonkeyPatch, pool: str
) -> None:
    options = read("database", f"postgres://u@h/n{pool}", "", monkeypatch=monkeypatch)[0]["OPTIONS"]

    assert options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"] == 30
    assert options["tcp_user_timeout"] == 30_000  # milliseconds
    assert options["connect_timeout"] == 10


def test_what_the_url_says_of_the_patience_with_a_database_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgres://u@h/n?keepalives_idle=60&tcp_user_timeout=0"

    options = read("database", url, "", monkeypatch=monkeypatch)[0]["OPTIONS"]

    assert (int(options["keepalives_idle"]), int(options["tcp_user_timeout"])) == (60, 0)
    assert options["keepalives_count"] == 3


@pytest.mark.both_engines
@pytest.mark.django_db
def test_the_databases_sockets_have_that_patience() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no sockets")
    connection.ensure_connection()

    with socket.socket(fileno=os.dup(connection.connection.fileno())) as link:
        found = [
            link.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        ]

    assert found == [15, 5, 3, 30_000]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("console://", {"EMAIL_BACKEND": "consumers.backends.console.EmailBackend"}),
        ("dummymail://", {"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}),
        ("smtp://localhost:2525", {"EMAIL_HOST": "localhost", "EMAIL_PORT": 2525, "EMAIL_USE_TLS": False}),
        ("smtp://mail", {"EMAIL_PORT": 25, "EMAIL_USE_SSL": False}),
        ("smtp+tls://u:p%2Fw@mail", {"EMAIL_PORT": 587, "EMAIL_USE_TLS": True, "EMAIL_HOST_PASSWORD": "p/w"}),
        ("smtp+ssl://u@mail", {"EMAIL_PORT": 465, "EMAIL_USE_SSL": True, "EMAIL_HOST_USER": "u"}),
    ],
)
def test_the_ways_to_send_mail(value: str, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    email, complaint = read("email", value, "console://", backend="", monkeypatch=monkeypatch)

    assert complaint == ""
    assert {name: email[name] for name in expected} == expected


def test_mails_go_to_the_folder_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    email, _ = read("email", f"filemail:///{tmp_path}", "console://", backend="", monkeypatch=monkeypatch)

    assert Path(email["EMAIL_FILE_PATH"]).samefile(tmp_path)


def test_a_backend_of_ones_own_takes_the_place_of_the_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    email, _ = read("email", "smtp://mail", "console://", backend="their.Backend", monkeypatch=monkeypatch)

    assert (email["EMAIL_BACKEND"], email["EMAIL_HOST"]) == ("their.Backend", "mail")


@pytest.mark.parametrize(
    "value", ["console://", "null://", "file:///var/sms.log", "twilio://AC1:t@api.twilio.com/?from=%2B15005550006"]
)
def test_the_ways_to_send_sms(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read("sms", value, "console://", monkeypatch=monkeypatch) == (value, "")


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("twilio://api.twilio.com/?from=+15005550006", "NAME has no SID and token"),
        ("twilio://AC1@api.twilio.com/?from=+15005550006", "NAME has no SID and token"),
        ("twilio://AC1:t@/?from=+15005550006", "NAME has no host"),
        ("twilio://AC1:t@api.twilio.com/", "NAME has no sender"),
        ("file://", "NAME has no file"),
        ("nexmo://key", "NAME begins with 'nexmo'"),
    ],
)
def test_an_sms_address_says_what_it_lacks(value: str, complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert complaint in read("sms", value, "console://", monkeypatch=monkeypatch)[1]


# --- All together -----------------------------------------------------------------------------------------------------
def test_every_mistake_is_told_at_once(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", "many")
    monkeypatch.setenv("OTHER", "perhaps")
    env.whole("NAME", 1)
    env.flag("OTHER", default=False)

    with pytest.raises(ImproperlyConfigured) as caught:
        env.refuse_mistakes()

    assert "NAME='many'" in str(caught.value)
    assert "OTHER='perhaps'" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3


def test_no_mistake_is_no_error(env: Environment) -> None:
    env.refuse_mistakes()

    assert env.mistakes == []


def test_the_real_environment_wins_over_the_file(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAME", "real")
    # Set and removed again, so that what the file puts there is undone after the test.
    monkeypatch.setenv("OTHER", "")
    monkeypatch.delenv("OTHER")
    (tmp_path / ".env").write_text("NAME=file\nOTHER=file\n")

    env.read_file(tmp_path / ".env")

    assert (env.text("NAME"), env.text("OTHER")) == ("real", "file")


# --- Languages --------------------------------------------------------------------------------------------------------
LOCALE = Path(__file__).resolve().parents[2] / "locale"


@pytest.mark.parametrize(("value", "codes"), [("", ("en", "de")), ("de", ("de",)), ("fr, en,es", ("fr", "en", "es"))])
def test_languages_are_codes_and_the_first_is_the_default(
    value: str, codes: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read("languages", value, "en,de", folder=LOCALE, monkeypatch=monkeypatch) == (codes, "")


@pytest.mark.parametrize("value", ["en,en", "en,it", "German", "en_GB", "../en"])
def test_a_language_without_a_catalogue_is_named_with_those_that_have_one(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes, complaint = read("languages", value, "en,de", folder=LOCALE, monkeypatch=monkeypatch)

    assert codes == ("en", "de")
    assert complaint == "NAME must name some of the languages de, en, es, fr, each once, the default first."


def test_a_text_may_be_set_for_some_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME_DE", "Abmelden: STOP")
    monkeypatch.setenv("NAME_PT_BR", "PARE")
    monkeypatch.setenv("NAME_FR", " ")

    assert Environment(BASE).by_language("NAME", ("en", "de", "fr", "pt-br")) == {
        "de": "Abmelden: STOP",
        "pt-br": "PARE",
    }
