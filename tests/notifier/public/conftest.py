from collections.abc import Callable, Iterator

import pytest
from django.core.cache import cache
from django.test import Client as Browser

from notifier.messages import signed_links
from notifier.messages.signed_links import Link
from notifier.models import Client
from tests.support.factories import a_topic


@pytest.fixture(autouse=True)
def fresh_limits() -> Iterator[None]:
    """What another test has counted counts for none."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def visitor() -> Browser:
    """A stranger's, which checks forms for tokens as a real request does."""
    return Browser(enforce_csrf_checks=True, REMOTE_ADDR="192.0.2.7")


@pytest.fixture
def token_of() -> Callable[..., str]:
    """`token_of(client)`: the token of a mail about listings, of broadcast 42."""

    def token(client: Client | None, *, topic: str = "listings", broadcast_id: int = 42) -> str:
        return signed_links.token(
            Link(client.pk if client else signed_links.NOBODY, a_topic(slug=topic).pk, broadcast_id)
        )

    return token
