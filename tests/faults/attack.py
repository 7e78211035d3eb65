"""The list of attacks, and one round of one of them."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.arena import LONG, SHORT, Arena, Size
from tests.faults.servers import Engine, Servers
from tests.support.servers.programs import ProgramMissing

BOTH = (Engine.EMBEDDED, Engine.SCALED)
EMBEDDED = (Engine.EMBEDDED,)
SCALED = (Engine.SCALED,)


@dataclass(frozen=True)
class Attack:
    """`run` does it, waits for the end, and has the arena judged; what it finds wrong are the arena's complaints."""

    number: int
    name: str
    engines: Sequence[Engine]
    run: Callable[[Arena], None]
    #: Settings of the product for this attack, over the arena's own.
    settings: dict[str, str]
    #: Whether it stops, kills or alarms a whole PostgreSQL or RabbitMQ, which nobody else may use then.
    breaks_servers: bool = False

    def __str__(self) -> str:
        return f"{self.number:02d} {self.name}"


ATTACKS: list[Attack] = []
NO_SETTINGS: Mapping[str, str] = {}


def attack(
    number: int,
    name: str,
    *,
    engines: Sequence[Engine] = BOTH,
    breaks_servers: bool = False,
    base: Mapping[str, str] = NO_SETTINGS,
    **settings: str,
) -> Callable[[Callable[[Arena], None]], Callable[[Arena], None]]:
    """Puts the function on the list. `settings` go over `base`, which several attacks have."""

    def enlist(run: Callable[[Arena], None]) -> Callable[[Arena], None]:
        ATTACKS.append(Attack(number, name, engines, run, {**base, **settings}, breaks_servers))
        return run

    return enlist


@dataclass
class Round:
    """How one round went."""

    attack: Attack
    engine: Engine
    seed: str
    complaints: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    unknown: int = 0
    seconds: float = 0.0
    #: Where the logs are; kept only if something was wrong.
    folder: Path | None = None


def play(
    attack: Attack,
    engine: Engine,
    *,
    servers: Servers,
    seed: str,
    folder: Path | None = None,
    size: Size = SHORT,
    sabotage: str = "",
) -> Round:
    """One round. A fault of the attack itself is a complaint as well: a campaign goes on.

    Raises `ProgramMissing` where the machine lacks what the attack needs.
    """
    folder = folder or Path(tempfile.mkdtemp(prefix=f"faults-{attack.number:02d}-{engine}-"))
    result = Round(attack, engine, seed, folder=folder)
    began = time.monotonic()
    arena = Arena(
        servers=servers, engine=engine, folder=folder, seed=seed, size=size, sabotage=sabotage, **attack.settings
    )
    with arena:
        try:
            attack.run(arena)
        except ProgramMissing:
            raise
        except Exception as error:  # noqa: BLE001  (told as a complaint, with the seed that repeats it)
            arena.complaints.append(f"{type(error).__name__}: {error}")
        result.complaints = arena.complaints
        result.faults = arena.faults
        result.accepted = arena.accepted()
        states = Counter({state: number for (_, state), number in _states(arena).items()})
        result.unknown = states["UNKNOWN"]
    result.seconds = time.monotonic() - began
    return result


def _states(arena: Arena) -> dict[tuple[str, str], int]:
    try:
        return arena.stack.states()
    except Exception as error:  # noqa: BLE001  (an attack that left its database unusable)
        arena.complaints.append(f"the database can’t be read after the attack: {error}")
        return {}


__all__ = ["ATTACKS", "BOTH", "EMBEDDED", "LONG", "SCALED", "SHORT", "Arena", "Attack", "Round", "attack", "play"]
