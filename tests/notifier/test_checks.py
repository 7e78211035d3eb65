import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.db import DatabaseError
from pytest_django.fixtures import Settings

from notifier import checks
from tests.support.factories import a_user


def warnings() -> dict[str, str]:
    return {warning.id or "": f"{warning.msg} {warning.hint}" for warning in checks.check_times(None)}


def test_the_defaults_go_together() -> None:
    assert warnings() == {}


def test_check_runs_it(settings: Settings) -> None:
    settings.LEASE_SECONDS = 1

    assert "notifier.W002" in [message.id for message in run_checks()]


@pytest.mark.parametrize(("lifetime", "warned"), [(800, False), (799, True)])
def test_a_ticket_must_outlive_a_full_queue_at_a_slow_provider(settings: Settings, lifetime: int, warned: bool) -> None:
    # 2,000 deliveries, ten at a time, four seconds each.
    settings.QUEUE_ROOM, settings.TICKET_SIZE = 20, 100
    settings.CONCURRENCY = {"email": 10, "sms": 50}
    settings.TICKET_LIFETIME_SECONDS = lifetime

    said = warnings().get("notifier.W001", "")

    assert bool(said) == warned
    if warned:
        assert "TICKET_LIFETIME_SECONDS=799" in said
        assert "Set TICKET_LIFETIME_SECONDS to 800 or more, or lower QUEUE_ROOM." in said


@pytest.mark.parametrize(("lease", "warned"), [(270, False), (269, True)])
def test_a_lease_must_outlast_all_phases_of_one_mail(settings: Settings, lease: int, warned: bool) -> None:
    settings.EMAIL_TIMEOUT, settings.LEASE_SECONDS = 30, lease

    said = warnings().get("notifier.W002", "")

    assert bool(said) == warned
    if warned:
        assert "LEASE_SECONDS=269 is shorter than one e-mail may take (270 s with EMAIL_TIMEOUT=30)" in said
        assert "Set LEASE_SECONDS to 270 or more, or lower EMAIL_TIMEOUT." in said


@pytest.mark.parametrize("misprint", ["nonsense", "django.core.mail.backends.smpt.EmailBackend"])
def test_a_mail_backend_that_can_t_be_imported_is_an_error_with_its_cure(settings: Settings, misprint: str) -> None:
    settings.EMAIL_BACKEND = misprint

    (error,) = [message for message in run_checks() if message.id == "notifier.E001"]

    assert misprint in error.msg
    assert "EMAIL_URL" in str(error.hint)


def test_a_provider_whose_word_anybody_could_give_is_an_error(settings: Settings) -> None:
    settings.EMAIL_BACKEND, settings.ANYMAIL = "anymail.backends.postmark.EmailBackend", {}

    (error,) = [message for message in run_checks() if message.id == "notifier.E006"]
    assert "ANYMAIL_WEBHOOK_SECRET" in error.msg

    settings.ANYMAIL = {"WEBHOOK_SECRET": ["notifier:long-enough-password"]}
    assert not [message for message in run_checks() if message.id == "notifier.E006"]


@pytest.mark.parametrize(
    ("name", "key"), [("mailersend", "MAILERSEND_SIGNING_SECRET"), ("unisender_go", "UNISENDER_GO_API_KEY")]
)
def test_the_key_that_a_provider_signs_its_events_with_is_asked_for(settings: Settings, name: str, key: str) -> None:
    settings.EMAIL_BACKEND = f"anymail.backends.{name}.EmailBackend"
    settings.ANYMAIL = {"WEBHOOK_SECRET": ["notifier:long-enough-password"]}

    (error,) = [message for message in run_checks() if message.id == "notifier.E008"]
    assert f"ANYMAIL_{key} is missing" in error.msg

    settings.ANYMAIL |= {key: "k"}
    assert not [message for message in run_checks() if message.id == "notifier.E008"]


# --- Where clients' links lead ----------------------------------------------------------------------------------------
SMTP = "django.core.mail.backends.smtp.EmailBackend"
CONSOLE = "consumers.backends.console.EmailBackend"


@pytest.mark.parametrize(
    ("url", "debug", "backend", "host", "warned"),
    [
        ("https://news.example.com", False, SMTP, "mail.example.com", ""),
        ("http://localhost:8000", True, CONSOLE, "", ""),
        ("http://localhost:8000", True, "django.core.mail.backends.dummy.EmailBackend", "", ""),
        ("http://localhost:8000", True, SMTP, "127.0.0.1", ""),
        ("http://localhost:8000", False, CONSOLE, "", "notifier.W004"),
        ("http://localhost:8000", True, SMTP, "mail.example.com", "notifier.W004"),
        ("https://127.0.0.1", True, "anymail.backends.mailgun.EmailBackend", "", "notifier.W004"),
        ("http://[::1]:8000", False, CONSOLE, "", "notifier.W004"),
        ("http://news.example.com", False, SMTP, "mail.example.com", "notifier.W005"),
        ("http://news.example.com", False, CONSOLE, "", ""),
    ],
)
def test_links_that_clients_can_not_follow_are_warned_of(
    settings: Settings, url: str, debug: bool, backend: str, host: str, warned: str
) -> None:
    settings.PUBLIC_URL, settings.DEBUG = url, debug
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = backend, host

    found = [message for message in run_checks() if message.id in ("notifier.W004", "notifier.W005")]

    assert [message.id for message in found] == [warned] * bool(warned)
    assert all("PUBLIC_URL" in str(message.hint) for message in found)


@pytest.mark.parametrize(
    ("host", "user", "secured", "warned"),
    [
        ("mail.example.com", "notifier", "", True),
        ("mail.example.com", "notifier", "EMAIL_USE_TLS", False),
        ("mail.example.com", "notifier", "EMAIL_USE_SSL", False),
        ("mail.example.com", "", "", False),
        ("127.0.0.1", "notifier", "", False),
    ],
)
def test_a_password_that_everybody_on_the_way_can_read_is_warned_of(
    settings: Settings, host: str, user: str, secured: str, warned: bool
) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_HOST_USER = SMTP, host, user
    if secured:
        setattr(settings, secured, True)

    assert ("notifier.W006" in [message.id for message in run_checks()]) is warned


# --- What everybody can read ------------------------------------------------------------------------------------------
def published() -> dict[str, str]:
    found = run_checks(include_deployment_checks=True)
    return {message.id or "": message.msg for message in found if message.id in ("notifier.E007", "notifier.W007")}


@pytest.mark.django_db
def test_users_with_a_published_password_are_an_error_of_a_deployment(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.PUBLIC_URL = "https://news.example.com"
    for name, password in (("admin", "admin"), ("editor", "another"), ("auditor", "auditor"), ("ann", "ann")):
        a_user(username=name, password=password)
    User.objects.filter(username="auditor").update(is_active=False)

    assert list(published()) == ["notifier.E007"]
    assert "The password of admin is published" in published()["notifier.E007"]

    settings.PUBLIC_URL = "http://localhost:8000"
    assert published() == {}


@pytest.mark.django_db
def test_the_servers_passwords_of_compose_are_warned_of(settings: Settings) -> None:
    settings.PUBLIC_URL, settings.BROKER_URL = "https://news.example.com", "amqp://notifier:notifier@rabbitmq:5672/%2F"

    assert "BROKER_URL: the password is the one published in docker-compose.yml." in published()["notifier.W007"]

    settings.BROKER_URL = "amqp://notifier:another@rabbitmq:5672/%2F"
    assert published() == {}


def test_without_its_database_the_check_says_nothing_of_users(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://news.example.com"

    with patch.object(User.objects, "filter", side_effect=DatabaseError("away")):
        assert checks.check_published_passwords(None) == []


# --- What is written to files -----------------------------------------------------------------------------------------
NOBODY = 65_534


@contextmanager
def not_root() -> Iterator[None]:
    """Root may write anywhere: as nobody, where we are root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """One that others can reach."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder == tmp_path or folder.name.startswith(("pytest-", "popen-")):
            folder.chmod(0o755)
    return tmp_path


def place(settings: Settings, kind: str, path: Path) -> None:
    if kind == "EMAIL_URL":
        settings.EMAIL_FILE_PATH = str(path)
    else:
        settings.SMS_URL = f"file://{path}"


def complaints() -> dict[str, str]:
    return {message.id or "": message.msg for message in checks.check_files(None)}


@pytest.mark.parametrize("kind", ["EMAIL_URL", "SMS_URL"])
def test_a_place_that_can_be_written_is_fine(settings: Settings, tmp_path: Path, kind: str) -> None:
    place(settings, kind, tmp_path / "new")

    assert complaints() == {}


def test_a_mail_folder_is_made_with_all_its_parents_and_is_fine(settings: Settings, tmp_path: Path) -> None:
    place(settings, "EMAIL_URL", tmp_path / "one" / "two" / "three")

    assert complaints() == {}


@pytest.mark.parametrize("below", [".", "deeper", "deeper/still"])
def test_a_file_in_the_way_of_the_mail_folder_is_an_error(settings: Settings, tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    place(settings, "EMAIL_URL", tmp_path / "file" / below)

    said = {message.id: f"{message.msg} {message.hint}" for message in run_checks()}["notifier.E002"]

    assert f"EMAIL_URL points to a path that can’t be written to: {tmp_path}/file is not a folder." in said
    assert "filemail:////" in said


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("folder", "folder is a folder"),
        ("missing/sms.log", "there is no folder"),
        ("file/sms.log", "file is not a folder"),
    ],
)
def test_an_sms_file_that_can_t_be_there_is_an_error(settings: Settings, tmp_path: Path, path: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    place(settings, "SMS_URL", tmp_path / path)

    assert why in complaints()["notifier.E003"]


@pytest.mark.parametrize(("kind", "id"), [("EMAIL_URL", "notifier.E002"), ("SMS_URL", "notifier.E003")])
def test_a_read_only_place_is_an_error(settings: Settings, open_folder: Path, kind: str, id: str) -> None:
    open_folder.chmod(0o555)
    place(settings, kind, open_folder / "new")

    with not_root():
        assert complaints() == {
            id: f"{kind} points to a path that can’t be written to: the folder {open_folder} is read-only."
        }


def test_a_read_only_file_for_sms_is_an_error(settings: Settings, open_folder: Path) -> None:
    (open_folder / "sms.log").touch(mode=0o444)
    place(settings, "SMS_URL", open_folder / "sms.log")

    with not_root():
        assert "is read-only" in complaints()["notifier.E003"]


@pytest.mark.parametrize(("kind", "id"), [("EMAIL_URL", "notifier.E002"), ("SMS_URL", "notifier.E003")])
def test_a_place_that_may_not_even_be_looked_at_is_an_error(
    settings: Settings, open_folder: Path, kind: str, id: str
) -> None:
    (open_folder / "secret" / "inner").mkdir(parents=True)
    (open_folder / "secret").chmod(0o600)
    place(settings, kind, open_folder / "secret" / "inner" / "new")

    with not_root():
        assert list(complaints()) == [id]


# --- Who sends SMS ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("sender", "said"),
    [
        ("+15005550006", ""),
        ("%2B15005550006", ""),
        ("12345", ""),
        ("Acme Homes", "notifier.W010"),
        ("Acme Homes Ltd", "notifier.E010"),
        ("15005550006", "notifier.E010"),
        ("Grüße", "notifier.E010"),
        ("MG0123456789abcdef0123456789abcdef", "notifier.E010"),
    ],
)
def test_a_sender_of_sms_is_one_that_a_provider_takes(settings: Settings, sender: str, said: str) -> None:
    settings.SMS_URL = f"twilio://AC1:token@api.twilio.com/?from={sender}"

    found = checks.check_sms_sender(None)

    assert [message.id for message in found] == ([said] if said else [])
    assert "token" not in str(found)


def test_only_a_provider_has_a_sender(settings: Settings) -> None:
    settings.SMS_URL = "console://"

    assert checks.check_sms_sender(None) == []
