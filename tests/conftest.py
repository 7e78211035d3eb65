"""Servers, fakes and a browser, as fixtures. What isn't installed skips its tests, or fails them on CI."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.support.fakes.sms import FakeSms, SmsProcess
from tests.support.fakes.smtp import FakeSmtp, SmtpProcess
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.programs import chromium_program, require
from tests.support.servers.rabbitmq import RabbitServer
from tests.support.servers.stack import Stack

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Shared by the session: take a database of your own, and leave it running. To kill one, start another."""
    with require(PostgresServer) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The DATABASE_URL of a new, empty database."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitServer]:
    """Shared by the session: take a vhost of your own, and leave it running. To kill one, start another."""
    with require(RabbitServer) as server:
        yield server


@pytest.fixture
def amqp_url(rabbitmq_server: RabbitServer) -> str:
    """The BROKER_URL of a new, empty vhost."""
    return rabbitmq_server.create_vhost()


@pytest.fixture
def fake_smtp(tmp_path: Path) -> Iterator[FakeSmtp]:
    with FakeSmtp(folder=tmp_path) as fake:
        yield fake


@pytest.fixture
def fake_sms(tmp_path: Path) -> Iterator[FakeSms]:
    with FakeSms(folder=tmp_path) as fake:
        yield fake


@pytest.fixture
def smtp_process(tmp_path: Path) -> Iterator[SmtpProcess]:
    with SmtpProcess(folder=tmp_path) as fake:
        yield fake


@pytest.fixture
def sms_process(tmp_path: Path) -> Iterator[SmsProcess]:
    with SmsProcess(folder=tmp_path) as fake:
        yield fake


@pytest.fixture
def make_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Stack]]:
    """`make_stack(database_url=…, broker_url=…, LEASE_SECONDS="3")`: a migrated product without running processes."""
    stacks: list[Stack] = []

    def make(**settings: Any) -> Stack:
        stack = Stack(folder=tmp_path_factory.mktemp("stack"), **settings)
        stacks.append(stack)
        stack.migrate()
        return stack

    yield make
    for stack in stacks:
        stack.kill_all()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    # Playwright keeps an event loop on this thread, which Django takes for asynchronous code of ours.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    chromium = require(chromium_program)
    return browser_type_launch_args | {"executable_path": str(chromium), "args": CHROMIUM_FLAGS}


@pytest.fixture
def console_errors() -> list[str]:
    """What the page's console has complained of; `clear()` it of what the test brought about on purpose."""
    return []


def watch_console(page: Page, errors: list[str]) -> None:
    """Notes uncaught errors, and everything logged as one, such as what the content security policy refused."""

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(f"{message.text} ({message.location.get('url', '')})")

    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(str(error)))


@pytest.fixture
def page(page: Page, console_errors: list[str]) -> Iterator[Page]:
    """A browser page that fails its test if anything was wrong in its console."""
    watch_console(page, console_errors)
    yield page
    assert console_errors == []


@pytest.fixture
def page_without_javascript(browser: Browser, browser_context_args: dict[str, Any]) -> Iterator[Page]:
    context = browser.new_context(**browser_context_args | {"java_script_enabled": False})
    yield context.new_page()
    context.close()
