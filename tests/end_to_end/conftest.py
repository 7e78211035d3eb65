"""The two engines that the product is made for, each with the providers' fakes as processes of their own."""

from collections.abc import Callable
from typing import Any
from zlib import crc32

import pytest

from tests.support.fakes.sms import SmsProcess
from tests.support.fakes.smtp import SmtpProcess
from tests.support.servers.stack import Stack

ENGINES = {"embedded": ("", ""), "scaled out": ("postgres_url", "amqp_url")}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Deals the tests of a product out to its engines; with `--full` each runs on both, as every attack always does."""
    names_its_own = any("product" in marker.args for marker in metafunc.definition.iter_markers("parametrize"))
    if "product" in metafunc.fixturenames and not names_its_own:
        usual = sorted(ENGINES)[crc32(metafunc.function.__name__.encode()) % len(ENGINES)]
        cases = [pytest.param(engine, marks=() if engine == usual else pytest.mark.full) for engine in ENGINES]
        metafunc.parametrize("product", cases, indirect=True)


@pytest.fixture
def product(
    request: pytest.FixtureRequest,
    make_stack: Callable[..., Stack],
    smtp_process: SmtpProcess,
    sms_process: SmsProcess,
) -> Callable[..., Stack]:
    """`product(LEASE_SECONDS="3")`: SQLite and no broker, or PostgreSQL and RabbitMQ; demo clients."""
    database, broker = (request.getfixturevalue(name) if name else "" for name in ENGINES[request.param])

    def make(*, clients: int = 1000, **settings: Any) -> Stack:
        return make_stack(
            clients=clients,
            database_url=database,
            broker_url=broker or "database://",
            email_url=smtp_process.url,
            sms_url=sms_process.url,
            **settings,
        )

    return make
