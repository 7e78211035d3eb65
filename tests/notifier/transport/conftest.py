from collections.abc import Iterator

import pytest

from tests.notifier.transport.carriers import Carrier, DatabaseCarrier, RabbitCarrier
from tests.support.servers.rabbitmq import RabbitServer


@pytest.fixture(scope="session")
def shared_vhost(rabbitmq_server: RabbitServer) -> str:
    """A vhost costs two seconds, so these tests share one and each leaves it empty."""
    return rabbitmq_server.create_vhost()


@pytest.fixture
def rabbit(shared_vhost: str) -> RabbitCarrier:
    carrier = RabbitCarrier(shared_vhost)
    carrier.lose_everything()
    return carrier


@pytest.fixture(params=["database", "rabbitmq"])
def carrier(request: pytest.FixtureRequest) -> Iterator[Carrier]:
    if request.param == "rabbitmq":
        yield request.getfixturevalue("rabbit")
    else:
        request.getfixturevalue("db")
        yield DatabaseCarrier(request.getfixturevalue("monkeypatch"))
