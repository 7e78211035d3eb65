"""A short round of every attack; `make faults` runs the long campaign."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import attacks
from tests.faults.attack import ATTACKS, Attack, play
from tests.faults.servers import Engine, Servers
from tests.support.servers.programs import require

assert attacks
ROUNDS = [(attack, engine) for attack in ATTACKS for engine in attack.engines]
#: The same every time: what CI finds is found again at the desk. The campaign takes others.
SEEDS = {Engine.EMBEDDED: "1-0", Engine.SCALED: "2-0"}


@pytest.fixture(scope="module")
def shared_servers() -> Iterator[Servers]:
    with Servers(are_shared=True) as servers:
        yield servers


@pytest.fixture(scope="module")
def own_servers() -> Iterator[Servers]:
    with Servers() as servers:
        yield servers


def test_no_attack_is_missing() -> None:
    assert {attack.number for attack in ATTACKS} == set(range(1, 27))


# As `make faults ARGS="--short --attack 2 --engine scaled --seed 2-0"` has it.
NAMES = [f"{attack}, {engine}, seed {SEEDS[engine]}" for attack, engine in ROUNDS]


@pytest.mark.parametrize(("attack", "engine"), ROUNDS, ids=NAMES)
def test_the_promises_hold_against(
    attack: Attack, engine: Engine, shared_servers: Servers, own_servers: Servers, tmp_path: Path
) -> None:
    servers = own_servers if attack.breaks_servers else shared_servers
    if engine is Engine.SCALED:
        require(lambda: (servers.postgres, servers.rabbit))

    played = require(lambda: play(attack, engine, servers=servers, seed=SEEDS[engine], folder=tmp_path))

    assert played.complaints == []
    assert played.faults, "nothing was attacked"
