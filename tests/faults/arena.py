"""Where an attack takes place: the running product, its servers, its providers, and what may be done to them."""

import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from tests.faults.judging import judge
from tests.faults.judging.judge import Expectation, Judgement, Recipient, Row
from tests.faults.judging.texts import Version
from tests.faults.servers import Engine, Servers
from tests.support.fakes.rules import Rule
from tests.support.fakes.sms import SmsProcess
from tests.support.fakes.smtp import SmtpProcess
from tests.support.servers import processes
from tests.support.servers.processes import Process, wait_until
from tests.support.servers.stack import Stack

#: Most that is waited for in minutes by default is waited for in seconds here.
IMPATIENT = {
    "TICKET_LIFETIME_SECONDS": "8",
    "RETRY_BASE_SECONDS": "1",
    "TICKET_SIZE": "10",
    "QUEUE_ROOM": "6",
    "EXPAND_CHUNK": "100",
    "EMAIL_CONCURRENCY": "5",
    "SMS_CONCURRENCY": "5",
    # Faults that a provider is made to have are not to close its channel where that isn't the attack.
    "BREAKER_MINIMUM": "100000",
    # Staff here press Send, whatever the number.
    "CONFIRM_ABOVE": "1000000",
    "LOG_LEVEL": "INFO",
}
#: For attacks in which somebody dies with a window in hand, or a provider never answers, and whoever waits for the end
#: of the lease would wait for minutes. All others have the product's defaults: where a machine is too busy to run a
#: provider for as long as a short time-out, deliveries are UNKNOWN, and rightly so.
SHORT_LEASE = {"LEASE_SECONDS": "15", "EMAIL_TIMEOUT": "10"}
WINDOW = 5
#: For how long no more deliveries may end once an attack is over, as long as broadcasts have not: on a busy machine the
#: whole of them takes any time. Told as `Patience` tells it.
RECOVERY_SECONDS = 60.0
#: The one limit by the wall: however busy the machine is, nothing that is waited for takes so long.
DEADLINE_SECONDS = 600.0
#: How often that is looked at, over a new connection each time.
LOOK_SECONDS = 0.2
#: A process says so often that it lives, if the machine lets it (notifier/runtime/heartbeats.py).
BEAT_SECONDS = 2.0
DISPATCHER = ("run_dispatcher",)
EMAIL = ("run_consumer", "email")
SMS = ("run_consumer", "sms")
ROLES = (DISPATCHER, EMAIL, SMS)
Role = tuple[str, ...]
T = TypeVar("T")


@dataclass(frozen=True)
class Size:
    """How much of an attack: so many clients, and so many faults of a kind in one round."""

    clients: int
    faults: int
    soak_seconds: float = 6.0

    @property
    def is_long(self) -> bool:
        """Whatever the soak's length, which is chosen by itself."""
        return self.faults >= LONG.faults


SHORT = Size(clients=300, faults=3)
LONG = Size(clients=2000, faults=20, soak_seconds=300.0)


class Arena:
    """One product for one round of one attack. What went wrong is collected in `complaints`, never raised."""

    def __init__(
        self,
        *,
        servers: Servers,
        engine: Engine,
        folder: Path,
        seed: str,
        size: Size = SHORT,
        sabotage: str = "",
        **settings: str,
    ) -> None:
        self.servers = servers
        self.engine = engine
        self.size = size
        self.dice = random.Random(seed)
        self.complaints: list[str] = []
        #: What was done, by its name: `{"kill -9 dispatcher": 3}`.
        self.faults: Counter[str] = Counter()
        self.smtp = SmtpProcess(folder=folder, keeps_text=True)
        self.sms = SmsProcess(folder=folder)
        self.broker_url = servers.broker(engine)
        broken = {"DJANGO_SETTINGS_MODULE": "tests.faults.product.settings", "SABOTAGE": sabotage} if sabotage else {}
        self.stack = Stack(
            folder=folder,
            database_url=servers.database(engine, clients=size.clients, folder=folder),
            broker_url=self.broker_url,
            email_url=self.smtp.url,
            sms_url=self.sms.url,
            forks=True,
            **IMPATIENT | broken | settings,
        )
        self._crew: dict[Role, list[Process]] = {role: [] for role in ROLES}
        self._pressed: dict[int, Expectation] = {}
        self._notification = 0

    def __enter__(self) -> Self:
        self.smtp.start()
        self.sms.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.kill_all()
        self.smtp.kill()
        self.sms.kill()
        if self.engine is Engine.SCALED:
            self.servers.postgres.drop_database(self.stack.database_url)

    # --- The product ---
    def start(self, *, dispatchers: int = 1, email: int = 1, sms: int = 1, **settings: str) -> None:
        """So many processes of each kind, beside those that run already."""
        for role, number in zip(ROLES, (dispatchers, email, sms), strict=True):
            for _ in range(number):
                self.hire(role, **settings)

    def hire(self, role: Role, **settings: str) -> Process:
        process = self.stack.start(*role, **settings)
        self._crew[role].append(process)
        return process

    def crew(self, role: Role) -> list[Process]:
        """Those of this kind that run."""
        return [process for process in self._crew[role] if process.is_running()]

    def living(self) -> set[int]:
        """The process ids of all that run, and that no SIGSTOP holds."""
        return {process.pid for role in ROLES for process in self.crew(role) if not process.is_stopped()}

    def wait_for_sign_of_life(self, process: Process) -> None:
        """Until it has started so far that it hears signals and shows among the workers."""
        alive = "SELECT 1 FROM notifier_process WHERE pid = %s"
        self.wait_until(lambda: self.stack.query(alive, process.pid), what=f"a sign of life of {process.argv}")

    def wait_for_crew(self, *roles: Role) -> None:
        """Until every process of these kinds is at work: most of a new one's first seconds go into its imports."""
        for role in roles:
            for process in self.crew(role):
                self.wait_for_sign_of_life(process)

    def kill_one(self, role: Role) -> Process:
        """SIGKILL to one of them by chance, all of them at work, and another in its place; returns the killed one."""
        self.wait_for_crew(role)
        victim = self.dice.choice(self.crew(role))
        victim.kill()
        self.faults[f"kill -9 {' '.join(role[-1:])}"] += 1
        self.hire(role)
        return victim

    def slow_providers(self, seconds: float = 0.1) -> None:
        """So that a broadcast takes long enough to be attacked."""
        self.smtp.behave(Rule(phase="dot", delay=seconds))
        self.sms.behave(Rule(phase="request", delay=seconds))

    # --- The broadcasts ---
    @property
    def notification(self) -> int:
        """A demo notification that has an e-mail and an SMS text."""
        if not self._notification:
            found = self.stack.query(
                "SELECT id FROM notifier_notification WHERE email_body <> '' AND sms_body <> '' ORDER BY id"
            )
            self._notification = int(found[0][0])
        return self._notification

    def press(self, *arguments: str, notification: int = 0, **expected: Any) -> int:
        """Broadcasts the notification, for the second time if need be, and returns the broadcast's id.

        From here on the judge holds it to the consents of this moment; `expected` are fields of `Expectation`.
        """
        before = {pk for (pk,) in self.stack.query("SELECT id FROM notifier_broadcast")}
        what = str(notification or self.notification)
        self.stack.manage("broadcast", what, "--again", *arguments, seconds=DEADLINE_SECONDS)
        after = {pk for (pk,) in self.stack.query("SELECT id FROM notifier_broadcast")}
        (broadcast,) = after - before
        self.hold_to(broadcast, **expected)
        return int(broadcast)

    def hold_to(self, broadcast: int, *, upto: int = 0, only: Collection[int] | None = None, **expected: Any) -> None:
        """Have the judge look at a broadcast that was started otherwise, or only for the clients up to one, or for
        those who were in its audience when their chunk was expanded.
        """
        ((notification,),) = self.stack.query("SELECT notification_id FROM notifier_broadcast WHERE id = %s", broadcast)
        found = judge.expect(self.stack, notification=notification, broadcast=broadcast)
        if upto:
            expected["recipients"] = {who: known for who, known in found.recipients.items() if who.client <= upto}
        if only is not None:
            expected["recipients"] = {who: known for who, known in found.recipients.items() if who.client in only}
        self._pressed[broadcast] = replace(found, **expected)

    def press_ahead(self, *arguments: str, **expected: Any) -> int:
        """Broadcasts it as well, and returns before any of it is sent.

        On a busy machine a press takes longer than the whole broadcast. So this one waits for its time until all that
        belongs to the press is done.
        """
        later = datetime.now(UTC) + timedelta(days=2)
        broadcast = self.press("--at", later.isoformat(timespec="seconds"), *arguments, **expected)
        # Long past by any clock, also one that an attack sets back.
        self.stack.query("UPDATE notifier_broadcast SET scheduled_for = '2000-01-01 00:00:00' WHERE id = %s", broadcast)
        return broadcast

    def remember(self, broadcast: int, versions: Mapping[int, Sequence[Version]]) -> None:
        """Have the judge read every message word for word, by what was on record of each client.

        For one consumer a channel, as in `withdraw`.
        """
        self._pressed[broadcast] = replace(self._pressed[broadcast], versions=versions, on_their_way=WINDOW)

    def withdraw(self, broadcast: int, since: Mapping[Recipient, float]) -> None:
        """Have the judge see to it that they are not reached any more from then on, but for what is on its way.

        For one consumer a channel: with more of them the slowest one's window may come any time.
        """
        expectation = self._pressed[broadcast]
        withdrawn = {**since, **expectation.withdrawn}
        self._pressed[broadcast] = replace(expectation, withdrawn=withdrawn, on_their_way=WINDOW)

    def expected(self, broadcast: int) -> Collection[Recipient]:
        """Who consented when it was pressed."""
        return self._pressed[broadcast].recipients.keys()

    def accepted(self) -> int:
        """Messages that the providers took so far."""
        return len(self.smtp.accepted()) + len(self.sms.accepted())

    def wait_for_accepted(self, number: int, *, seconds: float = RECOVERY_SECONDS) -> None:
        """Until the providers have so many. Raises `AssertionError` once no more of them has come for so long."""
        patience = Patience(self, seconds)
        while (come := self.accepted()) < number:
            if patience.is_over(come):
                raise AssertionError(f"{number} messages were expected, and after {come} none came for {patience}")
            time.sleep(LOOK_SECONDS)

    def send_some(self, most: int) -> None:
        """Until up to so many more, by chance, have reached the providers, and there is work left.

        Whatever was pressed before may have ended by now, and more of it would be waited for in vain.
        """
        number = self.accepted() + self.dice.randrange(1, most)
        if not self._keeps_sending(number, seconds=RECOVERY_SECONDS):
            raise AssertionError(f"{number} messages were expected, and after {self.accepted()} none came")
        self.keep_busy(least=1)

    def demand_sending(self, number: int, otherwise: str, *, seconds: float) -> None:
        """So many more reach the providers from now on, whether or not what was pressed so far has ended."""
        self.demand(self._keeps_sending(self.accepted() + number, seconds=seconds), otherwise)

    def _keeps_sending(self, number: int, *, seconds: float) -> bool:
        """Whether there are so many sooner or later; it presses again where nothing is left to send."""
        patience, presses = Patience(self, seconds), 0
        while (come := self.accepted()) < number:
            if not self.left():
                self.press_ahead()
                presses += 1
            # A press takes its time, which is not the product's.
            if patience.is_over((come, presses)):
                return False
            time.sleep(LOOK_SECONDS)
        return True

    def left(self) -> int:
        """Deliveries that something still has to happen to; those that a broadcast has yet to make count as many."""
        active = self.stack.query("SELECT COUNT(*) FROM notifier_delivery WHERE due_at IS NOT NULL")[0][0]
        unexpanded = self.stack.query(
            "SELECT COUNT(*) FROM notifier_broadcast WHERE (cursor < audience_upto AND state = 'RUNNING')"
            " OR (state = 'SCHEDULED' AND scheduled_for < created_at)"
        )[0][0]
        return int(active) + int(unexpanded) * self.size.clients

    def keep_busy(self, *, least: int = 40) -> None:
        """Press again when little is left to do, so that the next fault meets work."""
        if self.left() < least:
            self.press_ahead()

    def pause(self, shortest: float = 0.1, longest: float = 0.8) -> None:
        """Let the product work for a while, by chance."""
        time.sleep(self.dice.uniform(shortest, longest))

    def wait_for_end(self, *, seconds: float = RECOVERY_SECONDS) -> None:
        """Until every broadcast has ended and is counted. That no more of them ends for so long is a complaint."""
        unended = "SELECT id, state FROM notifier_broadcast WHERE finished_at IS NULL OR tallied_at IS NULL"
        patience = Patience(self, seconds)
        while waiting := self.stack.query(unended):
            if patience.is_over(self.left()):
                states = self.stack.states()
                return self.complaints.append(f"not ended, and none more for {patience}: {waiting}, {states}")
            time.sleep(LOOK_SECONDS)
        return None

    def demand_end_but_for(self, most: int, otherwise: str, *, seconds: float = RECOVERY_SECONDS) -> None:
        """All but so many deliveries end, and it never takes so long until the next of them does."""
        patience = Patience(self, seconds)
        while (left := self.left()) > most:
            if patience.is_over(left):
                return self.complaints.append(f"{otherwise} (none more for {patience}): {self.stack.states()}")
            time.sleep(LOOK_SECONDS)
        return None

    def wait_until(self, is_so: Callable[[], T], *, what: str) -> T:
        """For what an attack needs before it can go on; how long that takes says nothing about the product."""
        return wait_until(is_so, deadline=DEADLINE_SECONDS, what=what)

    # --- The verdict ---
    def demand(self, is_so: object, otherwise: str) -> None:
        """One more thing that must hold."""
        if not is_so:
            self.complaints.append(otherwise)

    def demand_soon(self, is_so: Callable[[], object], otherwise: str, *, seconds: float) -> None:
        """It must be so within so many seconds, as `Patience` tells them."""
        patience = Patience(self, seconds)
        while not is_so():
            if patience.is_over():
                return self.complaints.append(f"{otherwise} (waited {patience})")
            time.sleep(LOOK_SECONDS)
        return None

    def judge(
        self,
        *,
        unknown_at_most: int = 0,
        may_fail: Callable[[Row], bool] = judge.nobody,
        failed_at_most: int | None = None,
    ) -> Judgement:
        """The judge's word on every broadcast so far; its complaints are added to the arena's own."""
        taken = judge.accepted(self.smtp, self.sms)
        found = judge.judge(self.stack, taken, self._pressed.values(), may_fail=may_fail)
        if found.unknown > unknown_at_most:
            found.complain(f"more than {unknown_at_most} UNKNOWN", [found.unknown])
        if failed_at_most is not None and found.states["FAILED"] > failed_at_most:
            found.complain(f"more than {failed_at_most} FAILED", [found.states["FAILED"]])
        self.complaints += found.complaints
        return found

    def stop_in_order(self) -> None:
        """SIGTERM to every process, all of them at work; each must end by itself, with 0."""
        self.wait_for_crew(*ROLES)
        for process in self.stack.processes:
            process.ask_to_stop()
        for process in self.stack.processes:
            if process.returncode() == -signal.SIGKILL:
                continue
            try:
                status = process.wait(deadline=DEADLINE_SECONDS)
            except AssertionError as error:
                self.complaints.append(str(error))
            else:
                self.demand(status == 0, f"{process.argv[2:]} ended with {status} after SIGTERM")

    # --- Staff ---
    @contextmanager
    def staff(self, **settings: Any) -> Iterator["Staff"]:
        """A member of staff with every right, logged in to a web server of this product."""
        address = self.stack.serve(**settings)
        with Staff(self.stack, address) as staff:
            yield staff


class Patience:
    """So many seconds without progress, as the product itself tells the time: by its own heartbeats.

    A machine that is busy with other work slows the product and its heartbeats alike: what takes seconds on an idle one
    takes minutes then, and nothing stands still. So the wall's seconds must have passed, and every process that runs
    must have beaten as often as it does in them. Who does not even beat is waited for until DEADLINE_SECONDS.
    """

    def __init__(self, arena: Arena, seconds: float) -> None:
        self._arena = arena
        self._seconds = seconds
        self._seen: dict[int, object] = {}
        self._start(None)

    def _start(self, progress: object) -> None:
        self._progress = progress
        self._since = self._looked_at = time.monotonic()
        self._beats: Counter[int] = Counter()

    def __str__(self) -> str:
        return f"{self._seconds} s, which took {time.monotonic() - self._since:.0f} s here"

    def is_over(self, progress: object = None) -> bool:
        """Whether `progress` has been the same for so long; to be asked again and again."""
        if progress != self._progress:
            self._start(progress)
        if time.monotonic() - self._looked_at >= BEAT_SECONDS / 2:
            self._listen()
            self._looked_at = time.monotonic()
        waited = time.monotonic() - self._since
        if waited < self._seconds:
            return False
        slowest = min((self._beats[pid] for pid in self._arena.living()), default=0)
        return slowest * BEAT_SECONDS >= self._seconds or waited >= DEADLINE_SECONDS

    def _listen(self) -> None:
        try:
            rows = self._arena.stack.query("SELECT pid, last_seen_at FROM notifier_process")
        except Exception:  # noqa: BLE001  (a database that is away is no progress, and may be what is attacked)
            return
        for pid, seen_at in rows:
            self._beats[pid] += seen_at != self._seen.get(pid, seen_at)
            self._seen[pid] = seen_at


class Staff:
    """What a browser without JavaScript does."""

    def __init__(self, stack: Stack, address: str) -> None:
        self._stack = stack
        self.address = address
        # No connection is kept: the server may close an idle one just when the next request is on its way, and only a
        # browser would ask again.
        kept = httpx.Limits(max_connections=100, max_keepalive_connections=0)
        self._client = httpx.Client(base_url=address, timeout=120, follow_redirects=True, limits=kept)

    def __enter__(self) -> Self:
        name = f"staff{processes.free_port()}"
        self._stack.env["DJANGO_SUPERUSER_PASSWORD"] = "open sesame"
        self._stack.manage(
            "createsuperuser", "--noinput", "--username", name, "--email", "staff@example.com", seconds=DEADLINE_SECONDS
        )
        page = self.get("/admin/login/")
        form = {"username": name, "password": "open sesame", "csrfmiddlewaretoken": hidden(page, "csrfmiddlewaretoken")}
        self._client.post("/admin/login/?next=/admin/", data=form).raise_for_status()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, path: str) -> httpx.Response:
        """The answer, whatever its status."""
        return self._client.get(path)

    def get(self, path: str) -> str:
        """The page's HTML; raises `httpx.HTTPStatusError` for anything but a page."""
        return self.ask(path).raise_for_status().text

    def confirm_page(self, notification: int) -> dict[str, Any]:
        """The fields of the form behind *Send*, ready to be posted to `send`, as often as wanted."""
        page = self.get(f"/admin/notifier/notification/broadcast/?ids={notification}")
        return {
            "csrfmiddlewaretoken": hidden(page, "csrfmiddlewaretoken"),
            "token": hidden(page, "token"),
            "seen": hidden(page, "seen"),
            "counted": hidden(page, "counted"),
        }

    def send(self, form: dict[str, Any], *, again: bool = False, follow: bool = True) -> httpx.Response:
        """Without `follow` the answer itself, as it stands: a redirect to the broadcast's page if it was sent."""
        data = form | ({"again": "on"} if again else {})
        return self._client.post("/admin/notifier/notification/broadcast/", data=data, follow_redirects=follow)

    def order(self, broadcast: int, name: str, *, follow: bool = True, **fields: str) -> httpx.Response:
        """*Pause*, *Resume*, *Cancel* and the others of the progress page."""
        data = {"csrfmiddlewaretoken": self._client.cookies["csrftoken"]} | fields
        path = f"/admin/notifier/broadcast/{broadcast}/act/{name}/"
        return self._client.post(path, data=data, follow_redirects=follow)

    def dashboard(self) -> str:
        return self.get("/admin/")

    def progress(self, broadcast: int) -> str:
        return self.get(f"/admin/notifier/broadcast/{broadcast}/progress/")


def seconds_of(moment: Any) -> float:
    """Since 1970, of what `Stack.query` has for a point in time: SQLite keeps a text in UTC that does not say so."""
    found = moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def hidden(page: str, name: str) -> str:
    """The value of a page's hidden field."""
    found = re.search(rf'name="{name}"\s+value="([^"]*)"', page)
    assert found, f"the page has no field {name}"
    return found[1]
