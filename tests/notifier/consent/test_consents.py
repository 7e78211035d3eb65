import ast
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from notifier.consent import consents
from notifier.consent.consents import Origin
from notifier.models import Channel, ConsentChange, Preference
from tests.support.checks.ledger import unaccounted
from tests.support.factories import a_client, a_topic, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

PRODUCT = Path(__file__).resolve().parents[3]
EMAIL, SMS = Channel.EMAIL, Channel.SMS
STAFF = ConsentChange.Source.STAFF
#: Who may write preferences: each of them writes the evidence in the same transaction.
WRITERS = {
    "notifier/consent/consents.py",
    "notifier/demo/loading.py",
    "notifier/clients/imports/writing.py",
}


def test_a_change_is_written_down_with_who_when_and_from_where(now: datetime) -> None:
    client, maria = a_client(), a_user(username="maria")
    origin = Origin(STAFF, by=maria, detail="asked by phone")

    consents.change(client=client, topic=a_topic(), wants={EMAIL: True, SMS: False}, origin=origin, now=now)

    written = ConsentChange.objects.get()
    assert (written.client, written.topic, written.channel, written.agreed) == (client, a_topic(), "email", True)
    assert (written.at, written.origin) == (now, "Staff, maria: asked by phone")
    assert unaccounted() == {}


def test_what_stands_already_is_no_change(now: datetime) -> None:
    client = a_client()
    for _ in range(2):
        consents.change(client=client, topic=a_topic(), wants={SMS: True}, origin=Origin(STAFF), now=now)

    assert ConsentChange.objects.count() == 1


def test_withdrawing_all_ends_each_consent_and_writes_down_each(now: datetime) -> None:
    client, other = a_client(), a_client()
    for each in (client, other):
        for slug in ("listings", "offerings"):
            wants = {EMAIL: True, SMS: slug == "listings"}
            consents.change(client=each, topic=a_topic(slug=slug), wants=wants, origin=Origin(STAFF), now=now)

    ended = consents.withdraw_all(client=client, origin=Origin(STAFF), now=now + timedelta(seconds=1))

    assert ended == 3
    assert not client.preferences.filter(email=True).exists()
    assert not client.preferences.filter(sms=True).exists()
    assert other.preferences.filter(email=True).count() == 2
    assert unaccounted() == {}


def test_the_ledger_sees_a_preference_that_was_changed_behind_its_back(now: datetime) -> None:
    client = a_client()
    consents.change(client=client, topic=a_topic(), wants={EMAIL: True}, origin=Origin(STAFF), now=now)
    assert unaccounted() == {}

    Preference.objects.update(sms=True)

    assert unaccounted() != {}


# --- Nobody writes preferences past the evidence ----------------------------------------------------------------------
WRITING = {
    "create",
    "bulk_create",
    "get_or_create",
    "update_or_create",
    "update",
    "bulk_update",
    "save",
    "delete",
    "add",
}


def writes_preferences(source: str) -> bool:
    """Whether it calls something that writes, on something that is called after preferences; or does so in SQL."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITING:
            called_on = ast.unparse(node.func.value).lower()
            if "preference" in called_on and "profile" not in called_on:
                return True
        if isinstance(node, ast.JoinedStr | ast.Constant):
            text = ast.unparse(node)
            if any(word in text for word in ("INSERT INTO {", "UPDATE {", "DELETE FROM {")) and "PREFERENCE" in text:
                return True
    return False


def test_only_these_modules_write_preferences() -> None:
    sources = [path for part in ("notifier", "consumers") for path in (PRODUCT / part).rglob("*.py")]

    found = {
        path.relative_to(PRODUCT).as_posix()
        for path in sources
        if "migrations" not in path.parts and writes_preferences(path.read_text())
    }

    assert found == WRITERS


@pytest.mark.parametrize(
    "source",
    [
        "Preference.objects.filter(client=1).update(email=True)",
        "client.preferences.create(topic=topic)",
        "preference.save()",
        'cursor.execute(f"INSERT INTO {_PREFERENCE} (email) VALUES (true)")',
    ],
)
def test_a_module_that_writes_preferences_is_found(source: str) -> None:
    assert writes_preferences(source)
