from types import SimpleNamespace

import pytest

from notifier.delivery import dispatcher
from notifier.delivery.dispatcher import Dispatcher
from notifier.runtime.shutdown import StopFlag
from tests.notifier.delivery.dispatcher.neighbours import Switchable


@pytest.fixture
def transport() -> Switchable:
    return Switchable()


@pytest.fixture
def stop() -> StopFlag:
    return StopFlag()


@pytest.fixture
def loop(transport: Switchable, stop: StopFlag) -> Dispatcher:
    return Dispatcher(transport=transport, stop=stop)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The dispatcher's stopwatch, moved by the test: `watch.seconds += 5`."""
    watch = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(dispatcher, "time", SimpleNamespace(monotonic=lambda: watch.seconds))
    monkeypatch.setattr("notifier.runtime.heartbeats.time", SimpleNamespace(monotonic=lambda: watch.seconds))
    return watch


@pytest.fixture
def running(loop: Dispatcher, stop: StopFlag, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its pauses, which take no time and end the loop after a few."""
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) >= 4:
            stop.set()
        return stop.is_set()

    monkeypatch.setattr(stop, "wait", wait)
    return pauses
