"""Servers, fakes and a browser, as fixtures. What isn't installed skips its tests, or fails them on CI."""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.test import TransactionTestCase
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from pytest_django.plugin import DjangoDbBlocker

from tests.support.database import copies, flushing
from tests.support.fakes.sms import FakeSms, SmsProcess
from tests.support.fakes.smtp import FakeSmtp, SmtpProcess
from tests.support.servers import shared
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.processes import PATIENCE_SECONDS
from tests.support.servers.programs import chromium_program, require
from tests.support.servers.rabbitmq import RabbitServer
from tests.support.servers.stack import Stack

PATIENCE_MILLISECONDS = PATIENCE_SECONDS * 1000
expect.set_options(timeout=PATIENCE_MILLISECONDS)
# No example is too slow either.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    # Nothing that is loaded is garbage, and looking through all of it again and again is a third of the loading.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    # What is loaded by now stays to the end: looking through it for garbage in every test is a tenth of their time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session")
def has_copied_database(django_db_use_migrations: bool) -> bool:
    """Whether the tests' own database is a copy of the run's."""
    return django_db_use_migrations and copies.are_worth_it()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None, has_copied_database: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if has_copied_database:
        copies.make(settings.DATABASES["default"], folder=tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool, has_copied_database: bool) -> bool:
    """Django would make room for one of its own. A copy goes with its folder, or its server."""
    return django_db_keepdb or has_copied_database


@pytest.fixture(scope="session")
def django_db_createdb(django_db_createdb: bool, has_copied_database: bool) -> bool:
    return django_db_createdb and not has_copied_database


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """With our own way to empty it."""
    with pytest.MonkeyPatch.context() as patch:
        with django_db_blocker.unblock():
            flush = flushing.Flush(TransactionTestCase._fixture_teardown)  # type: ignore[attr-defined]
        patch.setattr(TransactionTestCase, "_fixture_teardown", flush.as_method())
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Shared by the run: take a database of your own, and leave it running. To kill one, start another."""
    with require(shared.postgres) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The DATABASE_URL of a new, empty database."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitServer]:
    """Shared by the run: take a vhost of your own, and leave it running. To kill one, start another."""
    with require(shared.rabbitmq) as server:
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
    """`make_stack(database_url=…, clients=1000, LEASE_SECONDS="3")`: a product whose processes do not run yet."""
    stacks: list[Stack] = []

    def make(*, clients: int = 0, **settings: Any) -> Stack:
        stack = Stack(folder=tmp_path_factory.mktemp("stack"), forks=True, **settings)
        stacks.append(stack)
        stack.prepare(clients=clients)
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


@pytest.fixture(scope="session")
def browser(browser: Browser) -> Browser:
    """One whose pages wait for as long as any test does."""
    new_context = browser.new_context

    def new_patient_context(**options: Any) -> BrowserContext:
        context = new_context(**options)
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        return context

    browser.new_context = new_patient_context  # type: ignore[method-assign]
    return browser


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
