"""Clients read their own page in their language, and strangers in that of their browser."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from notifier.clients import erasure
from notifier.models import Client
from notifier.runtime import clock
from tests.support.factories import a_client, a_topic

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines(only_full=True)]

TokenOf = Callable[..., str]
#: Words of the two pages in each language.
WORDS = {
    "en": ("Unsubscribe from e-mails about Listings?", "What happens next"),
    "de": ("E-Mails zu „Listings“ abbestellen?", "So geht es weiter"),
    "fr": ("Se désinscrire des e\u2011mails du thème", "Et ensuite"),
    "es": ("¿Darse de baja de los correos sobre «Listings»?", "Qué ocurre después"),
}


def in_language(language: str | None) -> Client:
    client = a_client(listings="both")
    Client.objects.filter(pk=client.pk).update(language=language)
    return client


def told(answer: Any) -> tuple[str, str, str]:
    """The language of the page as it says itself, of the header, and what it varies by."""
    html = answer.content.decode()
    return html.split('<html lang="')[1].split('"')[0], answer["Content-Language"], answer.get("Vary", "")


@pytest.mark.parametrize("language", WORDS)
def test_a_client_reads_their_pages_in_their_language_whatever_the_browser_asks_for(
    visitor: Browser, token_of: TokenOf, language: str
) -> None:
    token, (asks, choices) = token_of(in_language(language)), WORDS[language]
    other = {"Accept-Language": "fr" if language != "fr" else "de"}

    unsubscribe = visitor.get(f"/u/{token}", headers=other)
    preferences = visitor.get(f"/p/{token}", headers=other)
    stopped = visitor.post(f"/p/{token}", {"stop": "everything"}, headers=other, follow=True)
    unsubscribed = visitor.post(f"/u/{token}", headers=other)

    assert asks in unsubscribe.content.decode()
    assert choices in preferences.content.decode()
    for page in (unsubscribe, preferences, stopped, unsubscribed):
        assert told(page)[:2] == (language, language)
        assert "Accept-Language" not in page.get("Vary", "")
        assert page["Cache-Control"] == "no-store"


def test_a_client_without_a_language_or_with_one_that_is_gone_reads_the_default(
    visitor: Browser, token_of: TokenOf, settings: Any
) -> None:
    settings.CLIENT_LANGUAGES = ("fr", "en")

    for language in (None, "de"):
        assert told(visitor.get(f"/u/{token_of(in_language(language))}"))[0] == "fr"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("pt-BR, es;q=0.5", "es"),
        ("FR", "fr"),
        ("ja", "en"),
        ("", "en"),
        ("*", "en"),
        ("de;q=0", "en"),
        ("x" * 100_000, "en"),
        ("\x00;;=,,de", "en"),
    ],
)
def test_a_stranger_reads_the_language_that_their_browser_asks_for(
    visitor: Browser, header: str, language: str
) -> None:
    for path in ("/u/forged", "/p/forged", "/nowhere"):
        answer = visitor.get(path, headers={"Accept-Language": header})

        assert answer.status_code == 404
        assert told(answer)[:2] == (language, language)
        assert "Accept-Language" in told(answer)[2]


def test_a_link_of_a_test_message_follows_the_browser(visitor: Browser, token_of: TokenOf) -> None:
    page = visitor.get(f"/p/{token_of(None)}", headers={"Accept-Language": "de"})

    assert "Dies ist ein Test." in page.content.decode()
    assert told(page)[0] == "de"


def test_who_was_erased_has_no_language_any_more(visitor: Browser, token_of: TokenOf) -> None:
    client = in_language("de")
    token = token_of(client)
    erasure.erase(client_id=client.pk, by=None, why="asked to", now=clock.now())

    assert told(visitor.get(f"/p/{token}"))[0] == "en"


def test_nothing_leaks_from_one_request_to_the_next(visitor: Browser, token_of: TokenOf) -> None:
    visitor.get(f"/p/{token_of(in_language('de'))}")

    assert "What happens next" in visitor.get(f"/p/{token_of(in_language(None))}").content.decode()


def test_the_back_office_is_english_whatever_the_browser_asks_for(admin_client: Browser) -> None:
    a_topic()
    for name in ("index", "notifier_client_changelist", "notifier_client_add", "notifier_notification_add"):
        html = admin_client.get(reverse(f"admin:{name}"), headers={"Accept-Language": "de"}).content.decode()

        assert '<html lang="en-gb"' in html
        assert "Speichern" not in html
        assert "Abmelden" not in html
