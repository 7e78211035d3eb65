"""`make bench`: how fast the product is, beside the limit that the same machine sets in the same run.

Starts private servers, runs `bench.measure` once a pair of engines and then, on PostgreSQL, `bench.pages` over every
page of the admin, and prints the tables that docs/speed.md quotes. Numbers of two machines, or of two runs, say
little: compare the ratios.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.postgres import PostgresServer
from tests.servers.programs import ProgramMissing
from tests.servers.rabbitmq import RabbitServer

PROJECT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__.split("\n")[0])
    parser.add_argument("--clients", type=int, default=100_000, help="clients of the speed runs")
    parser.add_argument("--mails", type=int, default=10_000, help="mails to the local SMTP sink")
    parser.add_argument("--large", type=int, default=1_000_000, help="clients of the memory and page runs; 0: none")
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), help="only this one")
    parser.add_argument("--deliveries", type=int, default=5_000_000, help="deliveries of the table of pages; 0: none")
    parser.add_argument("--broadcasts", type=int, default=20, help="among how many broadcasts these are spread")
    parser.add_argument("--views", type=int, default=7, help="how often each page is asked for")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the file that is imported; 0: none")
    parser.add_argument("--only-pages", action="store_true", help="nothing but the table of pages")
    parser.add_argument("--only-import", action="store_true", help="nothing but the import")
    arguments = parser.parse_args()
    if arguments.only_import:
        return run("bench.imports", arguments.engine or "postgresql", arguments)
    for engine in ("postgresql", "sqlite"):
        if arguments.engine in (None, engine) and not arguments.only_pages:
            run("bench.measure", engine, arguments)
    if arguments.rows and not arguments.only_pages:
        run("bench.imports", arguments.engine or "postgresql", arguments)
    if arguments.engine != "sqlite" and arguments.large and arguments.deliveries:
        run("bench.pages", "postgresql", arguments)
    return None


def run(module: str, engine: str, arguments: argparse.Namespace) -> None:
    try:
        with engines(engine) as urls:
            print(f"\n{engine}, {urls['BROKER_URL'].partition(':')[0]} broker", flush=True)
            for line in measure(module, urls, arguments):
                print("  " + line, flush=True)
    except ProgramMissing as error:
        print(f"\n{engine}: left out. {error}")


@contextmanager
def engines(engine: str) -> Iterator[dict[str, str]]:
    """The addresses of a fresh database and broker."""
    if engine == "sqlite":
        # Beside the checkout's own files: a temporary folder may lie in memory and flatter the disk.
        with tempfile.TemporaryDirectory(dir=PROJECT / "var") as folder:
            yield {"DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3", "BROKER_URL": "database://"}
        return
    with PostgresServer() as postgres, RabbitServer() as rabbit:
        yield {"DATABASE_URL": postgres.create_database(), "BROKER_URL": rabbit.url()}


def measure(module: str, urls: dict[str, str], arguments: argparse.Namespace) -> Iterator[str]:
    settings = {"ENV_FILE": os.devnull, "SECRET_KEY": "bench", "DEBUG": "off", "HTTPS": "off", "LOG_LEVEL": "WARNING"}
    names = ("clients", "mails", "large", "deliveries", "broadcasts", "views", "rows")
    sizes = {name: getattr(arguments, name) for name in names}
    run = subprocess.Popen(
        [sys.executable, "-m", module, json.dumps(sizes)],
        cwd=PROJECT,
        env=os.environ | settings | urls | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout
    yield from (line.rstrip("\n") for line in run.stdout)
    if run.wait():
        sys.exit(f"the run ended with status {run.returncode}")


if __name__ == "__main__":
    main()
