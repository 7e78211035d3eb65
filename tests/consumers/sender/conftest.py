from collections.abc import Callable, Iterator

import pytest

from consumers.backends.base import SendBackend
from consumers.sender import Sender


@pytest.fixture
def hire() -> Iterator[Callable[..., Sender]]:
    senders: list[Sender] = []

    def hire(provider: Callable[[], SendBackend], threads: int = 4) -> Sender:
        senders.append(Sender(get_backend=provider, threads=threads))
        return senders[-1]

    yield hire
    for each in senders:
        each.close()
