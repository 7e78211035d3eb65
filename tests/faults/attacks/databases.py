"""The database goes away, is restarted, locked by somebody else, or its disk is full; staff look on meanwhile."""

import itertools
import re
import shutil
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Self

import httpx

from tests.faults.arena import RECOVERY_SECONDS, ROLES, Arena, Staff
from tests.faults.attack import EMBEDDED, SCALED, attack
from tests.support.servers.processes import Process
from tests.support.servers.programs import ProgramMissing

#: Every page that staff see while the database can't be used says one of these.
PLAIN = re.compile(r"The database (can’t be|is busy)|The disk that holds the database")
#: How long pages may need once the database is back.
BACK_SECONDS = 30.0


class Visitor(threading.Thread):
    """A member of staff who looks at one page after the other, and notes what is no page and doesn't say why."""

    def __init__(self, staff: Staff, pages: list[str]) -> None:
        super().__init__(daemon=True)
        self._staff = staff
        self._pages = pages
        self._leaves = threading.Event()
        self.statuses: Counter[int] = Counter()
        self.wrong: list[str] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaves.set()
        self.join(60)

    def run(self) -> None:
        for page in itertools.cycle(self._pages):
            if self._leaves.wait(0.05):
                return
            try:
                self.look_at(page, self._staff.ask(page))
            except httpx.HTTPError as error:
                self.wrong.append(f"{page}: no answer: {error!r}")

    def look_at(self, page: str, answer: httpx.Response) -> None:
        self.statuses[answer.status_code] += 1
        if answer.status_code != 200 and not says_so(answer):
            self.wrong.append(f"{page}: {answer.status_code}: {answer.text[:300]}")


def says_so(answer: httpx.Response) -> bool:
    """A page that could not be had, and that says so in plain words."""
    return answer.status_code == 503 and bool(PLAIN.search(answer.text)) and "Traceback" not in answer.text


@contextmanager
def visited(arena: Arena, broadcast: int) -> Iterator[tuple[Staff, Visitor]]:
    """Staff at work, and one who only looks; what they saw is judged at the end."""
    pages = ["/admin/", "/admin/notifier/client/", f"/admin/notifier/broadcast/{broadcast}/progress/"]
    with arena.staff() as staff:
        with Visitor(staff, pages) as visitor:
            yield staff, visitor
            _wait_for_pages(arena, staff)
        arena.demand(not visitor.wrong, f"pages without a plain message: {visitor.wrong[:3]}")
        if visitor.statuses[503]:
            arena.faults["pages that said so"] += visitor.statuses[503]


def _wait_for_pages(arena: Arena, staff: Staff) -> None:
    def is_back() -> bool:
        with suppress(httpx.HTTPError):
            return staff.ask("/healthz").status_code == staff.ask("/admin/").status_code == 200
        return False

    arena.demand_soon(is_back, "pages are not back with the database", seconds=BACK_SECONDS)


def _wait_for_late_results(arena: Arena) -> None:
    """Nobody died: whatever was swept meanwhile is told by its consumer in the end."""
    unknown = "SELECT id, detail FROM notifier_delivery WHERE state = 'UNKNOWN'"
    arena.demand_soon(lambda: not arena.stack.query(unknown), "results were not told later", seconds=RECOVERY_SECONDS)
    arena.wait_for_end()


# --- PostgreSQL -------------------------------------------------------------------------------------------------------
@attack(11, "PostgreSQL: immediate restarts, every backend terminated, away", engines=SCALED, breaks_servers=True)
def postgresql_away(arena: Arena) -> None:
    arena.slow_providers(0.05)
    broadcast = arena.press()
    with visited(arena, broadcast) as (staff, visitor):
        arena.start()
        restarts, terminations = (5, arena.size.faults) if arena.size.is_long else (1, 2)
        faults = ["immediate restart"] * restarts + ["every backend terminated"] * terminations
        for fault in arena.dice.sample(faults, len(faults)):
            arena.send_some(15)
            arena.keep_busy()
            _strike_postgresql(arena, fault)
            arena.faults[fault] += 1
        _go_away(arena, staff, visitor, seconds=10.0 if arena.size.is_long else 2.0)
    arena.wait_for_end()
    _wait_for_late_results(arena)
    arena.judge(unknown_at_most=0)


def _strike_postgresql(arena: Arena, fault: str) -> None:
    server = arena.servers.postgres
    if fault == "every backend terminated":
        server.terminate_backends()
        return
    try:
        server.restart(mode="immediate")
    finally:
        server.start()


def _go_away(arena: Arena, staff: Staff, visitor: Visitor, *, seconds: float) -> None:
    """Somebody presses Send meanwhile, is told, and presses again until it is done: one broadcast comes of it."""
    form = staff.confirm_page(arena.notification)
    arena.servers.postgres.stop(mode="immediate")
    try:
        time.sleep(seconds)
        pressed = staff.send(form, again=True, follow=False)
        arena.demand(says_so(pressed), f"Send without a database: {pressed.status_code}: {pressed.text[:300]}")
        health = staff.ask("/healthz").status_code
        arena.demand(health == 503, f"without a database the health check answered {health}")
        arena.demand(visitor.statuses[503], f"without a database pages answered {visitor.statuses}")
    finally:
        arena.servers.postgres.start()
    arena.faults["away"] += 1
    _wait_for_pages(arena, staff)
    led_to = {staff.send(form, again=True, follow=False).headers.get("location", "") for _ in range(2)}
    found = {int(number) for location in led_to for number in re.findall(r"/broadcast/(\d+)/progress/$", location)}
    arena.demand(len(led_to) == len(found) == 1, f"the same form, sent again, led to {led_to}")
    for broadcast in found:
        arena.hold_to(broadcast)


# --- SQLite -----------------------------------------------------------------------------------------------------------
#: How long a writer waits for SQLite's lock before that is an error (config/environment.py).
BUSY_SECONDS = 20


@attack(12, "SQLite: another writer holds the lock", engines=EMBEDDED)
def hold_the_lock(arena: Arena) -> None:
    seconds = 30.0 if arena.size.is_long else arena.dice.uniform(3, 5)
    arena.slow_providers(0.05)
    broadcast = arena.press()
    with visited(arena, broadcast) as (staff, visitor):
        arena.start()
        arena.wait_for_accepted(20)
        arena.keep_busy()
        with _lock_held(arena):
            pressed = _press_for(staff, broadcast, seconds=seconds)
            is_read = visitor.statuses[200]
            arena.demand(is_read and not visitor.statuses[503], f"pages that only read answered {visitor.statuses}")
        arena.faults["lock held"] += 1
        _judge_press(arena, pressed, is_late=seconds > BUSY_SECONDS)
    arena.wait_for_end()
    _wait_for_late_results(arena)
    arena.judge(unknown_at_most=0)


@contextmanager
def _lock_held(arena: Arena) -> Iterator[None]:
    """By somebody who writes, takes long, and thinks better of it."""
    path = arena.stack.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE notifier_client SET name = 'nobody'")
        yield
        other.execute("ROLLBACK")


def _press_for(staff: Staff, broadcast: int, *, seconds: float) -> list[httpx.Response]:
    """Presses a button, which has to wait for the lock; returns after so many seconds with the answer to come."""
    answers: list[httpx.Response] = []
    presser = threading.Thread(
        target=lambda: answers.append(staff.order(broadcast, "resume", follow=False)), daemon=True
    )
    presser.start()
    time.sleep(seconds)
    return answers


def _judge_press(arena: Arena, answers: list[httpx.Response], *, is_late: bool) -> None:
    arena.demand_soon(lambda: answers, "a button that had to wait was never answered", seconds=BACK_SECONDS)
    for answer in answers:
        is_so = says_so(answer) if is_late else answer.is_redirect
        arena.demand(is_so, f"a button that had to wait was answered {answer.status_code}: {answer.text[:300]}")
    if is_late:
        arena.demand("database is locked" in _logs(arena), "nobody's log tells of the lock")


def _logs(arena: Arena) -> str:
    return "".join(process.output() for process in arena.stack.processes)


@attack(12, "SQLite: the disk is full", engines=EMBEDDED)
def fill_the_disk(arena: Arena) -> None:
    arena.slow_providers(0.05)
    with _small_disk(arena) as disk:
        broadcast = arena.press()
        with visited(arena, broadcast) as (staff, _):
            arena.start()
            for _ in range(max(1, arena.size.faults // 4)):
                arena.send_some(20)
                arena.keep_busy()
                with disk.full():
                    _judge_full(arena, staff, broadcast)
                arena.faults["disk full"] += 1
                _wait_for_pages(arena, staff)
        arena.wait_for_end()
        _wait_for_late_results(arena)
        arena.judge(unknown_at_most=0)


def _judge_full(arena: Arena, staff: Staff, broadcast: int) -> None:
    """Every process says so, pages can be read, and a button says why it can't be had."""
    for role in ROLES:
        for process in arena.crew(role):
            _wait_until_told(arena, process)
    page = staff.ask(f"/admin/notifier/broadcast/{broadcast}/progress/")
    arena.demand(page.status_code == 200, f"with its disk full a page answered {page.status_code}: {page.text[:300]}")
    pressed = staff.order(broadcast, "pause", follow=False)
    is_so = says_so(pressed) and "The disk that holds the database is full" in pressed.text
    arena.demand(is_so, f"with its disk full a button answered {pressed.status_code}: {pressed.text[:300]}")
    arena.pause(0.5, 2.0)


def _wait_until_told(arena: Arena, process: Process) -> None:
    before = len(process.output())
    arena.demand_soon(
        lambda: re.search("disk is full|disk I/O error", process.output()[before:]),
        f"{process.argv[2:]} does not tell of the full disk",
        seconds=BACK_SECONDS,
    )


class _Disk:
    """A small one of its own for the database."""

    def __init__(self, folder: Path, database: Path) -> None:
        self._folder = folder
        self._database = database

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte can be added, and because somebody reads, what the log holds can't be written over either."""
        ballast = self._folder / "ballast"
        with closing(sqlite3.connect(self._database, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT COUNT(*) FROM notifier_delivery").fetchone()
            try:
                with ballast.open("wb", buffering=0) as file, suppress(OSError):
                    while True:
                        file.write(b"\0" * 4096)
                yield
            finally:
                ballast.unlink()
                reader.execute("ROLLBACK")


@contextmanager
def _small_disk(arena: Arena) -> Iterator[_Disk]:
    """The database moves there, and back at the end. Raises `ProgramMissing` where nothing may be mounted."""
    home = Path(arena.stack.database_url.removeprefix("sqlite:///"))
    folder = home.parent / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        raise ProgramMissing(f"A disk that can be filled can’t be mounted here, which takes root: {mounted.stderr}")
    try:
        _move(arena, home, folder / home.name)
        yield _Disk(folder, folder / home.name)
    finally:
        arena.stack.kill_all()
        _move(arena, folder / home.name, home)
        subprocess.run(["umount", "--lazy", folder], check=True)


def _move(arena: Arena, source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as database:
        # Everything into the one file that is copied.
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(source, target)
    arena.stack.database_url = arena.stack.env["DATABASE_URL"] = f"sqlite:///{target}"
