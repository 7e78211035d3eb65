"""How long an attack waits on a machine that is busy with other work."""

from types import SimpleNamespace

import pytest

from tests.faults import arena
from tests.faults.arena import BEAT_SECONDS, DEADLINE_SECONDS, Patience

SECONDS = 10.0


class Scene:
    """The wall's clock, and processes that beat as the test has them."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.beats = {1: 0, 2: 0}
        self.alive = {1, 2}
        self.is_away = False
        self.stack = SimpleNamespace(query=self._query)

    def _query(self, statement: str) -> list[tuple[int, int]]:
        if self.is_away:
            raise OSError("the database is away")
        return list(self.beats.items())

    def living(self) -> set[int]:
        return self.alive

    def monotonic(self) -> float:
        return self.seconds

    def seconds_until_over(self, patience: Patience, *beating: int, progress: object = None) -> float:
        """With these processes beating as they do on an idle machine."""
        began = self.seconds
        while not patience.is_over(progress):
            self.seconds += BEAT_SECONDS / 2
            if (self.seconds - began) % BEAT_SECONDS == 0:
                for pid in beating:
                    self.beats[pid] += 1
        return self.seconds - began


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    scene = Scene()
    monkeypatch.setattr(arena, "time", scene)
    return scene


@pytest.fixture
def patience(scene: Scene) -> Patience:
    return Patience(scene, SECONDS)  # type: ignore[arg-type]


def test_on_an_idle_machine_it_is_over_by_the_wall(scene: Scene, patience: Patience) -> None:
    assert SECONDS <= scene.seconds_until_over(patience, 1, 2) <= SECONDS + 2 * BEAT_SECONDS


def test_who_has_no_time_to_beat_is_waited_for(scene: Scene, patience: Patience) -> None:
    scene.seconds += SECONDS
    scene.beats[1] += 100

    assert not patience.is_over()


def test_who_never_beats_is_waited_for_until_the_deadline(scene: Scene, patience: Patience) -> None:
    assert scene.seconds_until_over(patience, 1) == DEADLINE_SECONDS


def test_who_is_dead_is_not_waited_for(scene: Scene, patience: Patience) -> None:
    scene.alive = {1}

    assert scene.seconds_until_over(patience, 1) < 2 * SECONDS


def test_with_nobody_alive_it_is_over_at_the_deadline(scene: Scene, patience: Patience) -> None:
    scene.alive = set()

    assert scene.seconds_until_over(patience) == DEADLINE_SECONDS


def test_a_database_that_is_away_ends_nothing(scene: Scene, patience: Patience) -> None:
    scene.is_away = True

    assert scene.seconds_until_over(patience, 1, 2) == DEADLINE_SECONDS


def test_progress_starts_it_anew(scene: Scene, patience: Patience) -> None:
    scene.seconds_until_over(patience, 1, 2, progress=7)

    assert not patience.is_over(8)
    assert scene.seconds_until_over(patience, 1, 2, progress=8) >= SECONDS
