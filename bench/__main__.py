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
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.support.servers.postgres import PostgresServer
from tests.support.servers.programs import ProgramMissing
from tests.support.servers.rabbitmq import RabbitServer

PROJECT = Path(__file__).resolve().parent.parent


#: Sizes of a run that shows only that every part works.
SHORT = {
    "clients": 200,
    "mails": 20,
    "large": 40,
    "deliveries": 160,
    "broadcasts": 4,
    "views": 0,
    "ways": 3,
    "rows": 100,
    "receipts": 200,
}
NEUTRAL = {
    "ENV_FILE": os.devnull,
    "SECRET_KEY": "only-for-the-measurements-5k8w2m7x1q9z4c6v",
    "DEBUG": "off",
    "HTTPS": "off",
    "LOG_LEVEL": "WARNING",
    "PUBLIC_URL": "https://notifier.example.com",
}
#: The URL of a new database, and of a new broker, of an engine, as settings.
Servers = Callable[[str], AbstractContextManager[dict[str, str]]]


@contextmanager
def private_servers(engine: str) -> Iterator[dict[str, str]]:
    if engine == "sqlite":
        # Beside the checkout's own files: a temporary folder may lie in memory and flatter the disk.
        with tempfile.TemporaryDirectory(dir=PROJECT / "var") as folder:
            yield {"DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3", "BROKER_URL": "database://"}
        return
    with PostgresServer() as postgres, RabbitServer() as rabbit:
        yield {"DATABASE_URL": postgres.create_database(), "BROKER_URL": rabbit.url()}


def main(argv: Sequence[str] | None = None, *, servers: Servers = private_servers) -> None:
    options = _options(argv)
    sizes = {name: getattr(options, name) for name in SHORT}
    with tempfile.TemporaryDirectory() as static:
        _collect_static(static)
        for module, engine in _parts(options):
            try:
                with servers(engine) as urls:
                    print(f"\n{engine}, {urls['BROKER_URL'].partition(':')[0]} broker", flush=True)
                    for line in _lines(module, _environment(static) | urls, sizes):
                        print("  " + line, flush=True)
            except ProgramMissing as error:
                print(f"\n{engine}: left out. {error}")


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__.split("\n")[0])
    parser.add_argument("--clients", type=int, default=100_000, help="clients of the speed runs")
    parser.add_argument("--mails", type=int, default=10_000, help="mails to the local SMTP sink")
    parser.add_argument("--large", type=int, default=1_000_000, help="clients of the memory and page runs; 0: none")
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), help="only this one")
    parser.add_argument("--deliveries", type=int, default=5_000_000, help="deliveries of the table of pages; 0: none")
    parser.add_argument("--broadcasts", type=int, default=20, help="among how many broadcasts these are spread")
    parser.add_argument("--views", type=int, default=7, help="how often each page is asked for once it is warm")
    parser.add_argument(
        "--ways", type=int, help="in how many ways each list is looked through; all, where it isn't said"
    )
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the file that is imported; 0: none")
    parser.add_argument("--receipts", type=int, default=20_000, help="receipts that are taken; 0: none")
    parser.add_argument("--only-receipts", action="store_true", help="nothing but the receipts")
    parser.add_argument("--only-pages", action="store_true", help="nothing but the table of pages")
    parser.add_argument("--only-import", action="store_true", help="nothing but the import")
    parser.add_argument("--only-fields", action="store_true", help="nothing but the fields that staff define")
    parser.add_argument("--short", action="store_true", help="so small that it only shows whether every part works")
    if parser.parse_known_args(argv)[0].short:
        parser.set_defaults(**SHORT)
    return parser.parse_args(argv)


def _parts(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """What is run, and on which engine. The table of pages is filled by SQL that only PostgreSQL knows."""
    if options.only_import:
        yield "bench.imports", options.engine or "postgresql"
        return
    engines = [engine for engine in ("postgresql", "sqlite") if options.engine in (None, engine)]
    if options.only_receipts:
        yield from (("bench.receipts", engine) for engine in engines)
        return
    if not (options.only_pages or options.only_fields):
        yield from (("bench.measure", engine) for engine in engines)
        yield from (("bench.receipts", engine) for engine in engines if options.receipts)
    if options.large and not options.only_pages:
        yield from (("bench.fields", engine) for engine in engines)
    if not options.only_fields:
        yield from _those_of_postgresql(options)


def _those_of_postgresql(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    if options.rows and not options.only_pages:
        yield "bench.imports", options.engine or "postgresql"
    if options.engine != "sqlite" and options.large and options.deliveries:
        yield "bench.pages", "postgresql"


def _environment(static: str) -> dict[str, str]:
    return os.environ | NEUTRAL | {"DJANGO_SETTINGS_MODULE": "bench.settings", "BENCH_STATIC": static}


def _collect_static(static: str) -> None:
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    subprocess.run(command, cwd=PROJECT, env=_environment(static), check=True)


def _lines(module: str, environment: dict[str, str], sizes: dict[str, int]) -> Iterator[str]:
    """What the part prints, as it prints it. Ends the whole run with it if it fails."""
    command = [sys.executable, "-m", module, json.dumps(sizes)]
    with subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True) as part:
        assert part.stdout
        yield from (line.rstrip("\n") for line in part.stdout)
    if part.returncode:
        sys.exit(f"{module} ended with status {part.returncode}")


if __name__ == "__main__":
    main()
