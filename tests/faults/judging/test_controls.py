"""A suite that passes with a broken rule is worthless: each rule is broken once, and the judge must notice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.judging.controls import CONTROLS, Control, try_control
from tests.faults.servers import Engine, Servers
from tests.support.servers.programs import require

#: Each on one engine in its turn, and with `--full` on the other too: the rule is the same there, and so is the judge.
ROUNDS = [
    pytest.param(
        control,
        engine,
        id=f"{control.name}, {engine}",
        marks=() if place == number % len(control.shown_on) else pytest.mark.full,
    )
    for number, control in enumerate(CONTROLS)
    for place, engine in enumerate(control.shown_on)
]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers(are_shared=True) as servers:
        yield servers


@pytest.mark.parametrize(("control", "engine"), ROUNDS)
def test_the_judge_notices(control: Control, engine: Engine, servers: Servers, tmp_path: Path) -> None:
    if engine is Engine.SCALED:
        require(lambda: (servers.postgres, servers.rabbit))

    assert try_control(control, engine, servers=servers, folder=tmp_path, is_short=True) == []
