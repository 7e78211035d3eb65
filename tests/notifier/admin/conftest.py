from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser

from notifier.runtime import clock
from tests.support.factories import a_topic, a_user


@pytest.fixture(autouse=True)
def _clock_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database's is asked for every two seconds: a page would now and then take a query more."""
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC))


@pytest.fixture(autouse=True)
def _first_topics(db: None) -> None:
    """A test that empties the tables, run before, takes those of the migration with it."""
    a_topic(slug="listings")
    a_topic(slug="offerings")


@pytest.fixture
def superuser(db: None) -> User:
    return a_user(username="root", is_superuser=True)


@pytest.fixture
def admin(client: Browser, superuser: User) -> Browser:
    """Logged in, with every permission."""
    client.force_login(superuser)
    return client


@pytest.fixture
def staff(client: Browser, db: None) -> "LogIn":
    return LogIn(client)


class LogIn:
    """`staff("notifier.view_broadcast")`: the test client, logged in as somebody who may do just that."""

    def __init__(self, client: Browser) -> None:
        self.client = client

    def __call__(self, *permissions: str) -> Browser:
        self.client.force_login(a_user(*permissions))
        return self.client
