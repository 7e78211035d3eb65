from email.utils import getaddresses, parseaddr

import pytest
from pytest_django import Settings

from config import spelling
from consumers.backends import mime
from consumers.backends.base import Outgoing


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("https://notifier.example.com/", "https://notifier.example.com"),
        ("https://Notifier.Example.com:8443/news//", "https://notifier.example.com:8443/news"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://faß.example", "https://xn--fa-hia.example"),
        ("https://example.com/a b>c/ü", "https://example.com/a%20b%3Ec/%C3%BC"),
        ("https://example.com/100%/%41", "https://example.com/100%25/%41"),
        ("https://example.com/it's", "https://example.com/it%27s"),
        ("https://example.com./", "https://example.com"),
        (f"https://{'a' * 63}.example", f"https://{'a' * 63}.example"),
    ],
)
def test_a_sites_address_is_spelled_as_links_and_headers_need_it(typed: str, written: str) -> None:
    assert spelling.site_url(typed) == written
    assert spelling.site_url(written) == written


@pytest.mark.parametrize(
    "typed",
    [
        "notifier.example.com",
        "ftp://example.com",
        "https://",
        "https:///path",
        "https://exa mple.com",
        "https://exam\tple.com",
        "https://example.com:port",
        "https://user:s3cret@example.com",
        "https://example.com/?a=1",
        "https://example.com/#top",
        "https://[::1",
        "https://-\u200b.example",
        "https://-news.example",
        "https://news-.example",
        "https://news.example..",
        f"https://{'a' * 64}.example",
        f"https://{'a.' * 126}example",
        "https://a..example",
    ],
)
def test_what_can_not_be_a_sites_address_is_refused_without_quoting_it(typed: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        spelling.site_url(typed)

    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("Notifier <news@example.com>", "Notifier <news@example.com>"),
        ("news@example.com", "news@example.com"),
        ("<news@example.com>", "news@example.com"),
        ("Acme, Inc. <news@acme.example>", '"Acme, Inc." <news@acme.example>'),
        ('"Acme, Inc." <news@acme.example>', '"Acme, Inc." <news@acme.example>'),
        ("Acme: News; all @ once <news@acme.example>", '"Acme: News; all @ once" <news@acme.example>'),
        ('The "best" homes <news@acme.example>', '"The \\"best\\" homes" <news@acme.example>'),
        ("Homes (London) <news@acme.example>", '"Homes (London)" <news@acme.example>'),
        ("Bücher <news@bücher.example>", "Bücher <news@xn--bcher-kva.example>"),
        ("Bücher, AG <news@faß.example>", '"Bücher, AG" <news@xn--fa-hia.example>'),
    ],
)
def test_a_sender_is_one_sender_with_one_address(typed: str, written: str) -> None:
    assert spelling.sender(typed) == written
    assert spelling.sender(written) == written
    assert len(getaddresses([written])) == 1
    assert parseaddr(written)[1].startswith("news@")


@pytest.mark.parametrize(
    "typed",
    [
        "Acme, Inc.",
        "Acme <news@acme.example>, Other <other@acme.example>",
        "Acme <news>",
        "Acme <news@>",
        "Acme <@acme.example>",
        "Acme <ne ws@acme.example>",
        "Acme <jörg@acme.example>",
        "Acme <news@acme..example>",
        "Acme <news@-acme.example>",
        f"Acme <news@{'a' * 64}.example>",
        "Acme\x0bBcc: eve@example.com <news@acme.example>",
        "Acme <news@acme.example> Ltd",
        "news@acme.example, other@acme.example",
    ],
)
def test_what_can_not_be_a_sender_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"has|contains"):
        spelling.sender(typed)


def test_a_mail_can_be_made_with_whatever_was_typed(settings: Settings) -> None:
    settings.PUBLIC_URL = spelling.site_url("https://bücher.example/a b>c")
    settings.DEFAULT_FROM_EMAIL = spelling.sender("Bücher, AG <news@bücher.example>")
    settings.UNSUBSCRIBE_MAILTO = spelling.mailbox("ende@bücher.example")

    source = mime.source(
        Outgoing(reference="7.42", address="ann@example.com", subject="s", body="b", html="<p>b</p>", link_token="t")
    ).decode("ascii")

    assert "<https://xn--bcher-kva.example/a%20b%3Ec/u/t>" in source
    assert "<mailto:ende@xn--bcher-kva.example?subject=unsubscribe%20t>" in source
    assert "<news@xn--bcher-kva.example>" in source
