"""`make faults`: attack the running product, have the judge look at what is left, and print the scoreboard.

Starts private servers. A round's seed is the campaign's and the round's number, so that one line of the scoreboard can
be repeated by itself: `make faults ARGS="--attack 2 --engine scaled --seed 7"`, and one round of it with `--seed 7-5`.
What chance decides is repeated exactly; what the machine's scheduling decides is not.
"""

import argparse
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests import settings as neutral
from tests.faults import attacks
from tests.faults.arena import LONG, SHORT
from tests.faults.attack import ATTACKS, Attack, Round, play
from tests.faults.judging.controls import CONTROLS, try_control
from tests.faults.servers import Engine, Servers
from tests.support.servers.programs import ProgramMissing

assert attacks
# The product under attack takes these from our environment, and nothing from a developer's `.env`.
assert neutral.NEUTRAL


@dataclass
class Score:
    """Every round of one attack on one engine."""

    attack: str
    engine: Engine
    rounds: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    unknown: int = 0
    seconds: float = 0.0
    complaints: list[str] = field(default_factory=list)

    def add(self, played: Round) -> None:
        self.rounds += 1
        self.faults += played.faults
        self.accepted += played.accepted
        self.unknown += played.unknown
        self.seconds += played.seconds
        self.complaints += [f"seed {played.seed}: {complaint}" for complaint in played.complaints]

    def cells(self) -> tuple[str, ...]:
        verdict = "held" if not self.complaints else f"BROKEN ({len(self.complaints)})"
        return (
            self.attack,
            self.engine,
            f"{self.rounds}",
            f"{self.faults.total():,}",
            f"{self.accepted:,}",
            f"{self.unknown:,}",
            f"{self.seconds:,.0f} s",
            verdict,
        )


HEADER = ("attack", "engine", "rounds", "faults", "messages", "unknown", "time", "promises")


def main() -> None:
    arguments = _arguments()
    seeds = _seeds(arguments)
    wanted = arguments.attack or [attack.number for attack in ATTACKS]
    chosen = sorted((attack for attack in ATTACKS if attack.number in wanted), key=lambda attack: attack.number)
    began = time.monotonic()
    print(f"seed {arguments.seed}", flush=True)
    with Servers() as servers:
        scores = list(_campaign(chosen, arguments, seeds, servers))
        scores += list(_controls(arguments, servers)) if arguments.controls else []
    board = _board(scores)
    print(f"\n{board}\n\nseed {arguments.seed}, {len(seeds)} rounds, {(time.monotonic() - began) / 60:.0f} minutes")
    if arguments.report:
        arguments.report.write_text(board + "\n")
    if broken := [complaint for score in scores for complaint in score.complaints]:
        sys.exit("\n".join(["", "What was broken:", *broken]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults ARGS=", description=__doc__.split("\n")[0])
    rounds = "rounds of each attack on each engine (default 1); attacks 1 and 2 kill 20 times in each: 10 make 200"
    parser.add_argument("--rounds", type=int, default=1, help=rounds)
    parser.add_argument(
        "--seed",
        type=_seed,
        default=str(random.SystemRandom().randrange(10**6)),
        help="repeats a campaign (7), or one round of it (7-5); by default by chance, and printed",
    )
    parser.add_argument("--attack", type=int, nargs="*", help="only these, by their numbers")
    parser.add_argument("--engine", type=Engine, choices=list(Engine), help="only this one")
    parser.add_argument("--short", action="store_true", help="rounds as short as in `make test`")
    parser.add_argument("--soak-minutes", type=float, default=5.0, help="how long one round of the soak lasts")
    parser.add_argument("--no-controls", dest="controls", action="store_false", help="leave the broken rules out")
    parser.add_argument("--report", type=Path, help="a file for the scoreboard, as Markdown")
    return parser.parse_args()


def _seed(text: str) -> str:
    if not re.fullmatch(r"\d+(-\d+)?", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a campaign's seed, such as 7, nor a round's, such as 7-5"
        )
    return text


def _seeds(arguments: argparse.Namespace) -> list[str]:
    """Of each round: that of a single one is named whole."""
    if "-" in arguments.seed:
        return [arguments.seed]
    return [f"{arguments.seed}-{number}" for number in range(arguments.rounds)]


def _campaign(
    chosen: Sequence[Attack], arguments: argparse.Namespace, seeds: Sequence[str], servers: Servers
) -> Iterator[Score]:
    for attack in chosen:
        for engine in attack.engines:
            if arguments.engine in (None, engine):
                score = Score(str(attack), engine)
                for seed in seeds:
                    _round(attack, score, seed, arguments, servers)
                yield score


def _round(attack: Attack, score: Score, seed: str, arguments: argparse.Namespace, servers: Servers) -> None:
    size = SHORT if arguments.short else replace(LONG, soak_seconds=60 * arguments.soak_minutes)
    folder = Path(tempfile.mkdtemp(prefix=f"faults-{attack.number:02d}-{score.engine}-"))
    try:
        played = play(attack, score.engine, servers=servers, seed=seed, folder=folder, size=size)
    except ProgramMissing as error:
        played = Round(attack, score.engine, seed, complaints=[f"left out: {error}"])
    score.add(played)
    what = ", ".join(f"{number} × {name}" for name, number in played.faults.items())
    verdict = "held" if not played.complaints else f"BROKEN, logs in {folder}"
    print(f"{attack}, {score.engine}, seed {seed}: {verdict} ({played.seconds:.0f} s; {what})", flush=True)
    for complaint in played.complaints:
        print(f"    {complaint}", flush=True)
    if not played.complaints:
        shutil.rmtree(folder, ignore_errors=True)


def _controls(arguments: argparse.Namespace, servers: Servers) -> Iterator[Score]:
    """Each rule broken once: here it is the judge that is on trial."""
    for control in CONTROLS:
        for engine in control.engines:
            if arguments.engine in (None, engine):
                score = Score(f"control: {control.name}", engine, rounds=1)
                began = time.monotonic()
                with tempfile.TemporaryDirectory(prefix="faults-control-") as folder:
                    score.complaints = try_control(control, engine, servers=servers, folder=Path(folder))
                score.seconds = time.monotonic() - began
                noticed = "noticed" if not score.complaints else f"NOT NOTICED: {score.complaints}"
                print(f"{score.attack}, {engine}: {noticed} ({score.seconds:.0f} s)", flush=True)
                yield score


def _board(scores: Sequence[Score]) -> str:
    rows = [HEADER, *(score.cells() for score in scores)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in padded]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
