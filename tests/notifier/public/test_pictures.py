from http import HTTPStatus
from typing import Any

import pytest
from django.core.files.storage import storages
from django.test import Client as Browser
from django.urls import reverse

from notifier.messages import pictures
from tests.support.factories import a_picture

pytestmark = pytest.mark.django_db


def get(name: str, **headers: str) -> Any:
    return Browser().get(reverse("picture", args=[name]), headers=headers)


@pytest.mark.parametrize("prefix", ["", pictures.SMALL])
def test_whoever_has_the_address_gets_the_picture_and_keeps_it(prefix: str) -> None:
    picture = a_picture(kind="JPEG")

    answer = get(f"{prefix}{picture.name}")

    assert answer.status_code == HTTPStatus.OK
    assert answer.content.startswith(b"\xff\xd8")
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["Content-Length"] == str(len(answer.content))
    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer["X-Content-Type-Options"] == "nosniff"
    # A mail program on the web is another site.
    assert answer["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert not answer.cookies
    assert "Vary" not in answer or "Cookie" not in answer["Vary"]


def test_its_address_in_a_mail_is_where_it_is_served() -> None:
    picture = a_picture()

    assert picture.url == f"http://localhost:8000{reverse('picture', args=[picture.name])}"


@pytest.mark.parametrize(
    "name",
    [
        "0123456789abcdef-fedcba9876543210-1200x800.jpg",
        "..%2F..%2Fsettings.py",
        "../settings.py",
        "0123456789abcdef-fedcba9876543210-1200x800.svg",
        "x" * 300,
    ],
)
def test_nothing_else_is_served(name: str) -> None:
    answer = Browser().get(f"/pictures/{name}")

    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert "immutable" not in answer.get("Cache-Control", "")


def test_a_storage_that_is_away_is_no_missing_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = a_picture()

    def fail(*args: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(type(storages["pictures"]), "_open", fail)

    answer = get(picture.name)

    assert (answer.status_code, answer["Cache-Control"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "no-store")


def test_nothing_is_posted_to_it() -> None:
    assert Browser().post(reverse("picture", args=[a_picture().name])).status_code == HTTPStatus.METHOD_NOT_ALLOWED
