"""`make bench`, run short: each part gets through, and prints all its rows. How fast is not asked."""

import re
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from django.test import Client as Browser
from django.urls import resolve

from bench import __main__ as bench
from bench.page_urls import page_urls
from tests.support.datasets import everything, large
from tests.support.factories import a_user
from tests.support.pages.page import NEVER
from tests.support.pages.registry import MODELS, OF_STAFF
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.rabbitmq import RabbitServer
from tests.support.servers.stack import Stack

Capture = pytest.CaptureFixture[str]
RATE = r" +[\d,]+/s   bare +[\d,]+/s +\d+%"
#: What `bench.measure` prints, line by line.
MEASURED = [
    f"  press → all tickets issued{RATE}",
    f"  press → FINISHED{RATE}",
    f"  e-mail to a local SMTP sink{RATE}",
    r"  confirm page, 40 clients +median [\d,]+ ms",
    r"  its counts +median [\d,]+ ms",
    r"  peak memory at 40 clients, MiB: run_dispatcher \d+, run_consumer email \d+, run_consumer sms \d+ "
    r"\(budget 150\); [\d,]+/s",
    r"  progress page, 40 deliveries +median [\d,]+ ms",
]
#: What `bench.receipts` prints.
RECEIPTS = [
    *(
        rf"  receipts {how} +[\d,]+/s"
        for how in ("posted to one web process", "taken one by one", "taken in batches of 100")
    ),
    r"  count of 420 receipts [\d,]+ ms",
]
#: What `bench.fields` prints.
FIELDS = [
    r"  eight values and two tags of 40 clients +[\d,]+/s",
    r"  count with five conditions +[\d,]+ ms",
    r"  exact count of a saved audience of five conditions +[\d,]+ ms",
    r"  press → tickets, to an audience of five conditions +[\d,]+/s   without +[\d,]+/s +\d+%",
    r"  10,000 clients of the fan-out +[\d,]+ ms",
    r"  the same with five conditions +[\d,]+ ms",
    *(rf"  list of 50 by name: {what} +[\d,]+ ms" for what in ("one in a thousand", "one in five", "nobody")),
]
#: The first of them, of the engines' own speed. The rest is alike on both.
ENGINES = 3
IMPORTED = [
    line
    for more in ("", ", with eight fields")
    for line in (
        rf"  import of 100 clean rows{more}: [\d.]+ s, [\d,]+ rows/s, the command's start included",
        r"  load average [\d.]+\. Imported\. It has 100 added, 0 changed, 0 unchanged, 0 rejected: .*",
    )
]
SUMMARY = re.compile(r"  (?P<pages>\d+) pages, \d+ of them over 300 ms; (?P<files>\d+) files")
#: Named by what is looked for in them.
LISTS = {f"{model}_changelist" for model in MODELS}
#: Shown to few, and for one row that nothing refers to.
DELETED = {page.name for page in OF_STAFF if page.name.endswith("_delete") and page.needs != NEVER}
#: A page, its median, worst time and queries, and what else is to be said of it.
PAGE = re.compile(r"  (?P<name>.{70}) +[\d,]+ +[\d,]+ +\d+(  .+)?")


@pytest.mark.django_db
def test_every_page_that_can_be_looked_at_is_timed() -> None:
    everything.build(staff=a_user())
    browser = Browser(headers={"host": "localhost"})
    browser.force_login(a_user(is_superuser=True))

    names = {resolve(one.url.partition("?")[0]).url_name for one in page_urls(browser, large.rows())}

    assert {page.name for page in OF_STAFF if list(page.seen())} - names == DELETED


def lines_of(text: str) -> list[list[str]]:
    """What each part printed under its title, in the order in which the parts ran."""
    return [part.strip("\n").splitlines()[1:] for part in text.split("\n\n") if part.strip()]


def each_fits(patterns: list[str], lines: list[str]) -> bool:
    return len(patterns) == len(lines) and all(map(re.fullmatch, patterns, lines))


def prepared(url: str, folder: Path) -> str:
    """The address, at which there is a migrated database now."""
    with Stack(folder=folder, database_url=url) as stack:
        stack.prepare()
    return url


def test_a_short_run_on_sqlite_prints_every_row_of_the_speed(tmp_path: Path, capsys: Capture) -> None:
    def servers(engine: str) -> AbstractContextManager[dict[str, str]]:
        url = prepared(f"sqlite:///{tmp_path}/bench.sqlite3", tmp_path)
        return nullcontext({"DATABASE_URL": url, "BROKER_URL": "database://"})

    bench.main(["--short", "--engine", "sqlite", "--large", "0", "--rows", "0", "--receipts", "0"], servers=servers)

    [measured] = lines_of(capsys.readouterr().out)
    assert each_fits(MEASURED[:ENGINES], measured), measured


def test_a_short_run_on_postgresql_prints_every_row(
    postgres_server: PostgresServer, rabbitmq_server: RabbitServer, tmp_path: Path, capsys: Capture
) -> None:
    def servers(engine: str) -> AbstractContextManager[dict[str, str]]:
        url = prepared(postgres_server.create_database(), tmp_path)
        return nullcontext({"DATABASE_URL": url, "BROKER_URL": rabbitmq_server.create_vhost()})

    bench.main(["--short", "--engine", "postgresql"], servers=servers)

    measured, receipts, fields, imported, timed = lines_of(capsys.readouterr().out)
    assert each_fits(MEASURED, measured), measured
    assert each_fits(RECEIPTS, receipts), receipts
    assert each_fits(FIELDS, fields), fields
    assert each_fits(IMPORTED, imported), imported
    assert_every_page_is_timed(timed)


def assert_every_page_is_timed(lines: list[str]) -> None:
    titles, lines = lines[:2], lines[2:]
    end = next(number for number, line in enumerate(lines) if SUMMARY.fullmatch(line))
    shown, follow = [[PAGE.fullmatch(line) for line in part] for part in (lines[:end], lines[end + 2 :])]
    names = {found["name"].split()[0] for found in shown if found}
    assert each_fits([r"  40 clients, 160 deliveries; built in [\d,]+ s", "  page +median +worst +queries"], titles)
    assert lines[end + 1] == "  Fetched by pages that are shown already:"
    assert follow
    assert all(shown + follow), lines
    numbers = SUMMARY.fullmatch(lines[end])
    assert numbers
    assert int(numbers["pages"]) + int(numbers["files"]) == len(shown)
    assert {page.name for page in OF_STAFF if list(page.measured())} - names == LISTS
    assert {f"{model} list" for model in MODELS} <= {" ".join(found["name"].split()[:2]) for found in shown if found}
