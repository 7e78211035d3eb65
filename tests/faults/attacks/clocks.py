"""The clock that leases and due times are told by, jumping by an hour either way."""

from datetime import UTC, datetime, timedelta

from tests.faults.arena import EMAIL, RECOVERY_SECONDS, ROLES, SHORT_LEASE, SMS, WINDOW, Arena
from tests.faults.attack import attack
from tests.faults.judging import judge
from tests.faults.servers import Engine
from tests.support.fakes.rules import Rule

HOUR = 3600
#: Mailboxes that are busy at the first try.
BUSY = 5
#: Set back, what was due is found again by the search for lost tickets, and that looks twice.
GOES_ON_WITHIN_SECONDS = 30.0
#: A function of a schema that comes before PostgreSQL's own: the product asks for `clock_timestamp()` by its name.
SHIFTED = (
    "CREATE SCHEMA shifted",
    "CREATE TABLE shifted.clock AS SELECT interval '0' AS ahead",
    "CREATE FUNCTION shifted.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS "
    "'SELECT pg_catalog.clock_timestamp() + ahead FROM shifted.clock'",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = shifted, pg_catalog, public', "
    "current_database()); END $$",
)


class _Clock:
    """The database's; with SQLite that is the machine's."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._file = arena.stack.folder / "clock"
        self._ahead = self.furthest = 0
        if arena.engine is Engine.SCALED:
            for statement in SHIFTED:
                arena.stack.query(statement)
        self._set(0)
        arena.stack.env["CLOCK_SHIFT_FILE"] = str(self._file)

    def jump(self, seconds: int) -> None:
        self._set(self._ahead + seconds)
        self._arena.faults[f"clock jumps by {seconds / HOUR:+.0f} h"] += 1

    def catch_up(self) -> None:
        """To the latest time that it ever told: what was planned by then would have us wait for hours."""
        if self._ahead < self.furthest:
            self.jump(self.furthest - self._ahead)

    @property
    def now(self) -> datetime:
        """As the product must tell the time by now."""
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def _set(self, ahead: int) -> None:
        if self._arena.engine is Engine.SCALED:
            self._arena.stack.query("UPDATE shifted.clock SET ahead = make_interval(secs => %s)", ahead)
        else:
            draft = self._file.with_suffix(".new")
            draft.write_text(str(ahead))
            draft.rename(self._file)
        self._ahead, self.furthest = ahead, max(ahead, self.furthest)


@attack(20, "clock jumps by ± 1 h", DJANGO_SETTINGS_MODULE="tests.faults.product.shifted", base=SHORT_LEASE)
def jump_an_hour(arena: Arena) -> None:
    clock = _Clock(arena)
    # Slow enough that leases and tickets are about, and some that wait for their next try.
    arena.smtp.behave(Rule(phase="rcpt", reply="450 4.2.1 busy", times=BUSY), Rule(phase="dot", delay=0.1))
    arena.sms.behave(Rule(phase="request", delay=0.1))
    arena.start()
    arena.press()
    # After each jump back it takes seconds to go on: one either way, and in a long round some more by chance.
    jumps = [HOUR, -HOUR, *arena.dice.choices([HOUR, -HOUR], k=arena.size.faults // 2 - 1)]
    for seconds in arena.dice.sample(jumps, len(jumps)):
        arena.wait_for_crew(EMAIL, SMS)
        arena.send_some(20)
        arena.keep_busy(least=80)
        if arena.dice.random() < 0.5:
            # Its leases end an hour early, or an hour late.
            arena.kill_one(arena.dice.choice([EMAIL, SMS]))
        clock.jump(seconds)
        _demand_that_it_is_told(arena, clock)
        _demand_that_it_goes_on(arena, seconds)
    clock.catch_up()
    arena.wait_for_end()
    # The last jump may have ended leases whose results are still to come.
    most = WINDOW * (arena.faults["kill -9 email"] + arena.faults["kill -9 sms"])
    arena.demand_soon(lambda: len(_unknown(arena)) <= most, "late results left UNKNOWN", seconds=RECOVERY_SECONDS)
    arena.wait_for_end()
    arena.judge(unknown_at_most=most, may_fail=_busy_or_held_up, failed_at_most=BUSY + WINDOW * len(jumps))


def _busy_or_held_up(row: judge.Row) -> bool:
    """What was to be tried again, and whose lease the clock had ended by then: it is not, for nobody waits for it."""
    return judge.held_up(row) or "4.2.1 busy" in row.detail


def _demand_that_it_is_told(arena: Arena, clock: _Clock) -> None:
    """By the product itself, or nothing was attacked: a worker writes every few seconds when it was last seen."""
    told = "SELECT pid FROM notifier_process WHERE last_seen_at BETWEEN %s AND %s"
    nearly = timedelta(seconds=HOUR // 4)

    def noticed() -> set[int]:
        """The living: what the dead have last said may have been right then."""
        bounds = [_as_stored(arena, clock.now + by) for by in (-nearly, nearly)]
        living = {process.pid for role in ROLES for process in arena.crew(role)}
        return living & {pid for (pid,) in arena.stack.query(told, *bounds)}

    arena.demand_soon(
        noticed,
        f"no worker noticed that it is {clock.now:%H:%M} now",
        seconds=RECOVERY_SECONDS,
    )


def _as_stored(arena: Arena, moment: datetime) -> object:
    return moment if arena.engine is Engine.SCALED else f"{moment:%Y-%m-%d %H:%M:%S}"


def _demand_that_it_goes_on(arena: Arena, seconds: int) -> None:
    """On each channel that has work: more is sent than was on its way."""
    for channel, provider in (("email", arena.smtp), ("sms", arena.sms)):
        enough = len(provider.accepted()) + 2 * WINDOW + 1
        arena.demand_soon(
            lambda: len(provider.accepted()) >= enough or not _waiting(arena, channel),  # noqa: B023
            f"nothing more was sent by {channel} after the clock had jumped by {seconds} s",
            seconds=GOES_ON_WITHIN_SECONDS,
        )


def _waiting(arena: Arena, channel: str) -> list[tuple[object, ...]]:
    """Neither in anybody's hands nor to be tried later: these may be sent now."""
    waiting = "SELECT id FROM notifier_delivery WHERE state = 'PENDING' AND channel = %s"
    return arena.stack.query(waiting, channel)


def _unknown(arena: Arena) -> list[tuple[object, ...]]:
    return arena.stack.query("SELECT id FROM notifier_delivery WHERE state = 'UNKNOWN'")
