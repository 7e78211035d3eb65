"""What every answer tells the browser, what is too large, and what browsers report."""

import json
from typing import Any
from urllib.request import Request, urlopen

import pytest
from django.contrib.sessions.models import Session
from django.templatetags.static import static
from django.test import Client as Browser
from django.urls import reverse

from notifier.web import security_headers
from tests.support.factories import a_user
from tests.support.servers.processes import PATIENCE_SECONDS
from tests.support.servers.stack import Stack

REPORT = {
    "csp-report": {"effective-directive": "img-src", "document-uri": "https://h/admin/notifier/client/7/change/?q=ann"}
}


@pytest.fixture(autouse=True)
def _fresh_allowance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security_headers, "reports", security_headers.Allowance(security_headers.MAX_REPORTS))


def test_a_real_answer_behind_a_proxy_with_https_has_every_header(make_stack: Any) -> None:
    stack: Stack = make_stack()
    base = stack.serve(HTTPS="on", BEHIND_PROXY="on")

    def answer(path: str, **headers: str) -> Any:
        return urlopen(Request(base.rstrip("/") + path, headers=headers), timeout=PATIENCE_SECONDS)

    page = answer("/admin/login/", **{"X-Forwarded-Proto": "https"})

    headers = page.headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        **{f"{kind}-src": "'self'" for kind in ("script", "style", "img", "font", "connect", "frame")},
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "report-to": "csp",
        "report-uri": "/csp-report",
    }
    assert headers["Reporting-Endpoints"] == 'csp="/csp-report"'
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "no-store" in headers["Cache-Control"]
    (cookie,) = headers.get_all("Set-Cookie")
    assert cookie.startswith("__Host-csrftoken=")
    assert "; Secure" in cookie
    assert "Server" not in headers or "gunicorn/" not in headers["Server"]


@pytest.mark.django_db
def test_pages_errors_and_reports_all_have_the_headers() -> None:
    browser = Browser(raise_request_exception=False)

    for answer in (browser.get("/admin/login/"), browser.get("/no/such/page"), browser.post("/csp-report")):
        assert set(security_headers.HEADERS) <= set(answer.headers)


@pytest.mark.django_db
def test_a_frame_of_no_origin_may_load_styles_and_no_page() -> None:
    styles = Browser().get(static("notifier/notifications.css"))
    b"".join(styles)  # reading it to the end closes the file
    page = Browser().get(reverse("admin:login"))

    assert styles.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert page.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_another_host_is_not_answered() -> None:
    assert Browser().get("/admin/login/", headers={"Host": "evil.example"}).status_code == 400


# --- Sizes ------------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_what_is_too_large_is_refused_unread_in_plain_words(settings: Any) -> None:
    settings.UPLOAD_MAX_MB = 1

    # Nothing but the headers: whoever read on would find no more.
    answer = Browser().generic("POST", "/admin/login/", b"", CONTENT_LENGTH="1000001")

    assert answer.status_code == 413
    assert "larger than 1 MB" in answer.content.decode()


@pytest.mark.django_db
def test_what_is_just_small_enough_is_taken(settings: Any) -> None:
    settings.UPLOAD_MAX_MB = 1
    browser = Browser()
    browser.force_login(a_user())

    answer = browser.generic("POST", "/admin/account/", b"x" * 1_000_000, content_type="text/plain")

    assert answer.status_code != 413


# --- Reports ----------------------------------------------------------------------------------------------------------
def send(body: Any, kind: str = "application/csp-report") -> int:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Browser(enforce_csrf_checks=True).generic("POST", "/csp-report", text, content_type=kind).status_code


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "notifier.web.security_headers"]


def test_a_report_is_told_without_any_address(caplog: pytest.LogCaptureFixture) -> None:
    assert send(REPORT) == 204

    assert told(caplog) == ["A browser refused something on the page admin:notifier_client_change: it breaks img-src."]


def test_the_newer_kind_of_report_is_read_as_well(caplog: pytest.LogCaptureFixture) -> None:
    body = {"effectiveDirective": "script-src-elem", "documentURL": "https://h/admin/"}

    assert send([{"type": "csp-violation", "body": body}], "application/reports+json") == 204

    assert told(caplog) == ["A browser refused something on the page admin:index: it breaks script-src-elem."]


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"{", b"[1, null]", b'{"csp-report": 7}', b'"text"', b"null", b"[" * 9000],
)
def test_nonsense_is_passed_over(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert send(body) == 204
    assert told(caplog) == []


def test_nobody_writes_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    send({"csp-report": {"effective-directive": "x\nERROR all is lost", "document-uri": "https://h/ann@example.com"}})

    assert told(caplog) == ["A browser refused something on the page ?: it breaks an unknown directive."]


def test_a_large_report_is_refused_and_a_page_is_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    assert send(b" " * (security_headers.MAX_REPORT_BYTES + 1)) == 413
    assert Browser().get("/csp-report").status_code == 405


def test_only_so_many_a_minute_are_told(caplog: pytest.LogCaptureFixture) -> None:
    assert {send(REPORT) for _ in range(security_headers.MAX_REPORTS + 5)} == {204}

    assert len(told(caplog)) == security_headers.MAX_REPORTS


def test_the_next_minute_has_an_allowance_of_its_own() -> None:
    allowance = security_headers.Allowance(2)

    assert [allowance.take(at=moment) for moment in (0, 1, 2, 59, 60, 61, 62)] == [
        *(True, True, False, False),
        *(True, True, False),
    ]


@pytest.mark.django_db
def test_a_report_stores_nothing(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        send(REPORT)

    assert not Session.objects.exists()


def test_the_address_of_the_reports_is_the_one_that_the_headers_name() -> None:
    assert reverse("csp_report") in security_headers.HEADERS["Reporting-Endpoints"]
