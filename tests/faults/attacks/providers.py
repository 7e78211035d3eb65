"""Mail servers and SMS providers that do wrong whatever they can: to one recipient each, and to all for a while."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from tests.faults.arena import DEADLINE_SECONDS, EMAIL, Arena, seconds_of
from tests.faults.attack import attack
from tests.faults.judging import judge
from tests.faults.servers import Engine
from tests.support.fakes.rules import Rule
from tests.support.fakes.sms import SID, SmsProcess, error_body, invalid_number, opted_out
from tests.support.fakes.smtp import SmtpProcess

#: How often a delivery is tried before it has failed.
MAX_AT_ONCE = 2
GAVE_UP = f"gave up after {MAX_AT_ONCE} attempts"
#: How long an outage may go unnoticed, and its end too: the send that is under way and the one that meets it may take
#: their whole deadline each, 18 s at the most, and the consumer's own back-off is 2 s at the first trouble.
NOTICE_SECONDS = 60.0
REFUSES_CONNECTIONS = "refuses connections"


@dataclass(frozen=True)
class Trouble:
    """What a provider does to one recipient, and what must become of their delivery."""

    name: str
    rule: Rule
    state: str
    attempts: int = 1
    #: What stands in the row's reason.
    detail: str = ""
    #: How long the provider asked to wait.
    wait_seconds: float = 0.0
    #: On a connection that was used before it may be the connection's age, so the mail goes over a fresh one at once.
    may_pass_at_once: bool = False


class Row(NamedTuple):
    delivery: int
    address: str
    state: str
    attempts: int
    detail: str


def once(name: str, **what: Any) -> Trouble:
    """Something that passes: the second try goes through."""
    is_before_the_text = what["phase"] in ("rcpt", "data")
    loses_connection = "then" in what or "drip" in what
    return Trouble(
        f"{name}, then well",
        Rule(times=1, **what),
        "SENT",
        attempts=2,
        may_pass_at_once=is_before_the_text and loses_connection,
    )


def failed(name: str, detail: str, **what: Any) -> Trouble:
    return Trouble(name, Rule(**what), "FAILED", detail=detail)


def unknown(name: str, detail: str, **what: Any) -> Trouble:
    return Trouble(name, Rule(**what), "UNKNOWN", detail=detail)


# --- SMTP -------------------------------------------------------------------------------------------------------------
LOST = "received the text, but its answer was lost"
#: Byte by byte it takes longer than any deadline of one answer; the longest is 9 s, nine tenths of an SMS’s lease.
ENDLESS = "{} " + "ok" * 60
MAIL_TROUBLES = (
    once("450 at RCPT", phase="rcpt", reply="450 4.2.1 busy"),
    once("421 at RCPT", phase="rcpt", reply="421 4.3.2 closing", then="drop"),
    once("garbage at RCPT", phase="rcpt", reply="wibble"),
    once("drop at RCPT", phase="rcpt", then="drop"),
    once("hang at RCPT", phase="rcpt", then="hang"),
    once("RCPT answered byte by byte", phase="rcpt", reply=ENDLESS.format(250), drip=0.2),
    once("451 at DATA", phase="data", reply="451 4.3.0 later"),
    once("reset at DATA", phase="data", then="reset"),
    once("hang at DATA", phase="data", then="hang"),
    once("451 after the dot", phase="dot", reply="451 4.3.0 later"),
    Trouble("450 for ever", Rule(phase="rcpt", reply="450 4.2.1 busy"), "FAILED", MAX_AT_ONCE, GAVE_UP),
    failed("550 at RCPT", "550 5.1.1", phase="rcpt", reply="550 5.1.1 nobody of that name"),
    failed("554 at DATA", "554 5.7.1", phase="data", reply="554 5.7.1 no mail today"),
    failed("550 after the dot", "550 5.7.1", phase="dot", reply="550 5.7.1 this is spam"),
    unknown("hang after the dot", LOST, phase="dot", then="hang"),
    unknown("taken, and hang after the dot", LOST, phase="dot", then="hang", taken=True),
    unknown("drop after the dot", LOST, phase="dot", then="drop"),
    unknown("taken, and drop after the dot", LOST, phase="dot", then="drop", taken=True),
    unknown("taken, and reset after the dot", LOST, phase="dot", then="reset", taken=True),
    unknown("taken, and garbage after the dot", "gave an unexpected answer", phase="dot", reply="wibble", taken=True),
    unknown("taken, and told byte by byte", LOST, phase="dot", reply=ENDLESS.format(250), drip=0.2, taken=True),
)
#: Whatever is wrong before a recipient is named: nobody's failure.
MAIL_OUTAGES: dict[str, Rule | None] = {
    REFUSES_CONNECTIONS: None,
    "421 at the connect": Rule(phase="connect", reply="421 4.3.2 too busy", then="drop"),
    "554 greeting": Rule(phase="connect", reply="554 5.3.2 not for you"),
    "garbage greeting": Rule(phase="connect", reply="wibble"),
    "drop at the connect": Rule(phase="connect", then="drop"),
    "hang at the connect": Rule(phase="connect", then="hang"),
    "greeting byte by byte": Rule(phase="connect", reply=ENDLESS.format(220), drip=0.2),
    "drop at EHLO": Rule(phase="ehlo", then="drop"),
    "hang at EHLO": Rule(phase="ehlo", then="hang"),
    "535 AUTH": Rule(phase="auth", reply="535 5.7.8 wrong password"),
    "hang at AUTH": Rule(phase="auth", then="hang"),
    "450 at MAIL": Rule(phase="mail", reply="450 4.7.1 later"),
    "550 at MAIL": Rule(phase="mail", reply="550 5.7.1 you may not send"),
    "drop at MAIL": Rule(phase="mail", then="drop"),
    "hang at MAIL": Rule(phase="mail", then="hang"),
}
#: Kept connections end with it, so that the outage meets the next.
DISCONNECT = Rule(phase="mail", then="drop")
TOO_LARGE = Rule(phase="mail", reply="552 5.3.4 too large", times=2, name="too large")


# Both are for whoever never answers. A busy machine takes seconds to put three large mails together, and to read them:
# these would rightly be UNKNOWN.
@attack(
    13,
    "SMTP: everything a mail server can do wrong",
    MAX_ATTEMPTS=str(MAX_AT_ONCE),
    EMAIL_TIMEOUT="3",
    LEASE_SECONDS="40",
)
def mail_troubles(arena: Arena) -> None:
    arena.stack.env["EMAIL_URL"] = arena.smtp.url.replace("://", "://notifier:open-sesame@")
    quit_badly = Rule(phase="quit", then=arena.dice.choice(["drop", "reset", "hang"]))
    scene = _Scene(arena, channel="email", fake=arena.smtp)
    scene.usual = (quit_badly, TOO_LARGE, Rule(phase="dot", delay=SLOW_SECONDS))
    scene.disconnect = (DISCONNECT,)
    scene.choose_victims(MAIL_TROUBLES)
    # It takes seconds: not in every short round.
    large = 0
    if arena.dice.random() < arena.size.faults / 10:
        large = _invite_to_large_mail(arena, scene)
    scene.before_the_end = _part_badly
    scene.play(MAIL_OUTAGES, first=large)
    arena.stop_in_order()


def _part_badly(arena: Arena) -> None:
    """A consumer that is stopped over work says QUIT to a server that answers it badly; another takes the rest."""
    (leaver,) = arena.crew(EMAIL)
    arena.wait_for_sign_of_life(leaver)
    mails = len(arena.smtp.accepted())
    arena.press_ahead()
    arena.wait_until(lambda: len(arena.smtp.accepted()) > mails, what="a connection that is kept")
    status = leaver.stop(deadline=DEADLINE_SECONDS)
    arena.demand(status == 0, f"ended with {status} after a bad answer to QUIT: {leaver.output()[-500:]}")
    strikes = sum(strike["phase"] == "quit" for strike in arena.smtp.strikes())
    arena.demand(strikes, "nobody met the bad answer to QUIT")
    arena.faults["a bad answer to QUIT"] += strikes
    arena.hire(EMAIL)


#: More than the sockets' buffers take, 4 + 6 MB at the most on Linux as it comes: a smaller text is out, with its dot,
#: before the connection breaks.
LARGE_TEXT = "A line of an endless newsletter, seventy characters long, to the very end.\n" * 160_000


def _invite_to_large_mail(arena: Arena, scene: "_Scene") -> int:
    """A notification for clients of its own, whose connections break before the dot; returns its id."""
    ((topic,),) = arena.stack.query("INSERT INTO notifier_topic (name, slug) VALUES ('Large', 'large') RETURNING id")
    for then in arena.dice.sample(["drop", "reset", "hang"], min(3, arena.size.faults - 2)):
        address = f"{then}@example.com"
        ((client,),) = arena.stack.query(
            "INSERT INTO notifier_client (name, email, is_active, created_at, updated_at) "
            "VALUES ('Ann', %s, true, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP) RETURNING id",
            address,
        )
        arena.stack.query(
            "INSERT INTO notifier_preference (client_id, topic_id, email, sms) VALUES (%s, %s, true, false)",
            client,
            topic,
        )
        scene.victims[address] = once(f"{then} in the middle of the text", phase="body", then=then)
    ((notification,),) = arena.stack.query(
        "INSERT INTO notifier_notification (topic_id, subject, email_body, sms_body, created_at, updated_at) "
        "VALUES (%s, 'Large', %s, '', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP) RETURNING id",
        topic,
        LARGE_TEXT,
    )
    return int(notification)


# --- SMS --------------------------------------------------------------------------------------------------------------
def answer(status: int, body: str = "{}", **more: Any) -> dict[str, Any]:
    return {"phase": "request", "status": status, "reply": body} | more


def wait(name: str, status: int, seconds: int) -> Trouble:
    trouble = once(name, **answer(status, headers={"Retry-After": str(seconds)}))
    return replace(trouble, wait_seconds=seconds)


def wait_until_date(name: str, status: int, seconds: int) -> Trouble:
    # Its part of a second is lost in the date.
    return replace(once(name, **answer(status, retry_date=seconds)), wait_seconds=seconds - 1)


TAKEN = '{"sid": "SM1"}'
#: Bytes of an answer: more than anybody reads.
HUGE = 50_000_000
UNREADABLE = "accepted it, but its answer"
SMS_TROUBLES = (
    # Longer than a neighbour may hold up the window, and a first retry after it.
    wait("429 with Retry-After: 6", 429, 6),
    wait("503 with Retry-After: 8", 503, 8),
    wait_until_date("429 with a date in Retry-After", 429, 8),
    once("429", **answer(429)),
    once("500", **answer(500)),
    once("503", **answer(503)),
    Trouble("500 for ever", Rule(**answer(500)), "FAILED", MAX_AT_ONCE, GAVE_UP),
    Trouble("400: no such number", invalid_number(), "FAILED", detail="21211"),
    Trouble("400: opted out", opted_out(), "SKIPPED", detail="opted out at the provider"),
    failed("400 with junk", "400", **answer(400, "<h1>Bad Request</h1>")),
    failed("400 without end", "400", **answer(400, "x", padding=HUGE)),
    unknown("502", "502", **answer(502)),
    unknown("taken, and 504", "504", **answer(504, taken=True)),
    unknown("time-out", "lost", phase="request", then="hang"),
    unknown("taken, and time-out", "lost", phase="request", then="hang", taken=True),
    unknown("drop", "lost", phase="request", then="drop"),
    unknown("taken, and drop", "lost", phase="request", then="drop", taken=True),
    unknown("taken, and reset", "lost", phase="request", then="reset", taken=True),
    unknown("taken, and 200 with junk", UNREADABLE, **answer(200, "OK", taken=True)),
    unknown("taken, and 201 with nothing", UNREADABLE, **answer(201, "", taken=True)),
    unknown("taken, and 201 without an id", UNREADABLE, **answer(201, '{"sid": null}', taken=True)),
    unknown("taken, and 201 without end", UNREADABLE, **answer(201, TAKEN, padding=HUGE, taken=True)),
    unknown("taken, and 201 byte by byte", UNREADABLE, **answer(201, TAKEN + " " * 60, drip=0.2, taken=True)),
    unknown("taken, and its head byte by byte", "lost", **answer(201, TAKEN, drip=0.2, drips_head=True, taken=True)),
    Trouble("taken, and 201 slowly", Rule(**answer(201, TAKEN, drip=0.02, taken=True)), "SENT"),
)
MESSAGES = {"Location": f"/2010-04-01/Accounts/{SID}/Messages.json"}
SMS_OUTAGES: dict[str, Rule | None] = {
    REFUSES_CONNECTIONS: None,
    **{f"redirect {status}": Rule(**answer(status, headers=MESSAGES)) for status in (301, 302, 307, 308)},
    **{f"refuses us: {n}": Rule(**answer(n, error_body(n, 20003, "Authenticate"))) for n in (401, 403, 404, 422)},
}


# A shorter lease, because one SMS may take nine tenths of it.
@attack(14, "SMS: everything a provider can do wrong", MAX_ATTEMPTS=str(MAX_AT_ONCE), LEASE_SECONDS="10")
def sms_troubles(arena: Arena) -> None:
    scene = _Scene(arena, channel="sms", fake=arena.sms)
    scene.usual = (Rule(phase="request", delay=SLOW_SECONDS),)
    scene.choose_victims(SMS_TROUBLES)
    with _Appointments(arena) as appointments:
        scene.play(SMS_OUTAGES)
    _compare_waits(arena, scene, appointments.first)


class _Appointments:
    """When each delivery that waits for its next try is to have it, as soon as that is written down.

    When it came says little: behind a backlog and an outage everybody comes late.
    """

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        #: By the delivery's id, in seconds since 1970.
        self.first: dict[int, float] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        waiting = "SELECT id, due_at FROM notifier_delivery WHERE state = 'RETRYING' AND due_at IS NOT NULL"
        while not self._is_over.wait(0.2):
            for delivery, due_at in self._arena.stack.query(waiting):
                self.first.setdefault(delivery, seconds_of(due_at))


def _compare_waits(arena: Arena, scene: "_Scene", appointments: Mapping[int, float]) -> None:
    """Who asked for time was given it, and got it."""
    struck_at = {strike["name"]: strike["struck_at"] for strike in arena.sms.strikes()}
    taken_at = {m["delivery"].partition(".")[2]: m["received_at"] for m in arena.sms.accepted()}
    for row in scene.rows():
        trouble = scene.victims.get(row.address)
        if trouble and trouble.wait_seconds and row.attempts > 1:
            since = struck_at[_name(trouble, row.address)]
            moments = {"sent": taken_at[str(row.delivery)]}
            # Nobody may have looked between the one try and the next.
            if row.delivery in appointments:
                moments["its next try at"] = appointments[row.delivery]
            for what, moment in moments.items():
                # A database's clock and this one's may be adjusted apart by a little.
                is_honoured = moment - since >= trouble.wait_seconds - 0.1
                asked = f"asked to wait {trouble.wait_seconds} s"
                arena.demand(is_honoured, f"{asked}, and {what} {moment - since:.2f} s after that")


# --- Both -------------------------------------------------------------------------------------------------------------
#: So that there is something left to send when an outage comes.
SLOW_SECONDS = 0.05

_CONSENTING = """
    SELECT c.{column} FROM notifier_client c JOIN notifier_preference p ON p.client_id = c.id
    JOIN notifier_notification n ON n.topic_id = p.topic_id
    WHERE n.id = %s AND c.is_active AND p.{channel} AND c.{column} IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM notifier_suppression s WHERE s.channel = '{channel}' AND s.address = c.{column})
    ORDER BY c.id
"""


class _Scene:
    """One channel's provider and its victims."""

    def __init__(self, arena: Arena, *, channel: str, fake: SmtpProcess | SmsProcess) -> None:
        self._arena = arena
        self._channel = channel
        self._fake = fake
        #: What else is wrong with the provider all the time.
        self.usual: tuple[Rule, ...] = ()
        #: Ends kept connections, where an outage would otherwise only meet new ones.
        self.disconnect: tuple[Rule, ...] = ()
        #: One more thing to do once the outages are over.
        self.before_the_end: Callable[[Arena], None] = lambda arena: None
        #: By address.
        self.victims: dict[str, Trouble] = {}

    def choose_victims(self, troubles: Sequence[Trouble]) -> None:
        """All of the troubles, for neighbours: who hang do so in one window.

        In short rounds they are dealt out, and the two engines together meet every one.
        """
        dice = self._arena.dice
        engines = list(Engine)
        dealt = troubles if self._arena.size.is_long else troubles[engines.index(self._arena.engine) :: len(engines)]
        chosen = dice.sample(dealt, len(dealt))
        statement = _CONSENTING.format(channel=self._channel, column=judge.ADDRESS[self._channel])
        addresses = [address for (address,) in self._arena.stack.query(statement, self._arena.notification)]
        first = dice.randrange(len(addresses) - len(chosen))
        self.victims = dict(zip(addresses[first:], chosen, strict=False))

    def play(self, outages: Mapping[str, Rule | None], *, first: int = 0) -> None:
        """Broadcasts with the victims' troubles, one outage or, in a long round, all; what comes of it is judged.

        Another notification may be broadcast before the usual one.
        """
        arena = self._arena
        self._behave()
        suffered = arena.dice.sample(list(outages), min(len(outages), arena.size.faults - 2))
        # At the start, for a fake that starts anew forgets whom it has struck.
        with self._refusing(REFUSES_CONNECTIONS in suffered):
            arena.start()
            if first:
                arena.press(notification=first)
            arena.press()
        for name in suffered:
            if rule := outages[name]:
                self._suffer(name, rule)
        self.before_the_end(arena)
        arena.wait_for_end()
        # A result that comes after its lease still counts.
        swept = "SELECT id FROM notifier_delivery WHERE detail LIKE 'the consumer stopped responding%'"
        arena.demand_soon(lambda: not arena.stack.query(swept), "sends outlasted their lease", seconds=NOTICE_SECONDS)
        self._judge()

    def _behave(self, *outage: Rule) -> None:
        of_victims = [
            replace(trouble.rule, recipient=address, name=_name(trouble, address))
            for address, trouble in self.victims.items()
        ]
        self._fake.behave(*outage, *of_victims, *self.usual)

    @contextmanager
    def _refusing(self, is_chosen: bool) -> Iterator[None]:
        if not is_chosen:
            yield
            return
        self._fake.kill()
        yield
        self._wait_until_told()
        self._fake.start()
        self._arena.faults[REFUSES_CONNECTIONS] += 1

    def _suffer(self, name: str, rule: Rule) -> None:
        """An outage is noticed and told, and once it is over the channel goes on by itself."""
        self._behave(rule, *self.disconnect)
        self._wait_until_told()
        self._arena.faults[name] += 1
        before = len(self._fake.accepted())
        self._behave()
        self._arena.wait_until(lambda: len(self._fake.accepted()) > before, what=f"the end of {name}")

    def _wait_until_told(self) -> None:
        told = "SELECT detail FROM notifier_process WHERE channel = %s AND state = 'WAITING' AND detail <> ''"

        def is_told() -> bool:
            # Nobody meets it who has nothing to send.
            if not self._arena.left():
                self._arena.press_ahead()
            return bool(self._arena.stack.query(told, self._channel))

        self._arena.wait_until(is_told, what="the outage to be told")

    # --- What came of it ---
    def rows(self) -> list[Row]:
        found = self._arena.stack.query(
            "SELECT id, address, state, attempts, detail FROM notifier_delivery "
            # Without those that never came before the provider.
            "WHERE channel = %s AND (state <> 'SKIPPED' OR attempts > 0) ORDER BY id",
            self._channel,
        )
        return [Row(*row) for row in found]

    def _judge(self) -> None:
        """The judge's word, and recipient by recipient what the table of failures says."""
        by_address: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows():
            by_address[row.address].append(row)
        expected = [t.state for address, t in self.victims.items() for _ in by_address[address]]
        self._arena.judge(unknown_at_most=expected.count("UNKNOWN"), may_fail=self._may_fail)
        self._judge_too_large(by_address)
        others: list[Row] = []
        for address, rows in by_address.items():
            if trouble := self.victims.get(address):
                self._judge_victim(trouble, rows)
            else:
                others += rows
        # Not even an attempt is used up by an outage.
        found = judge.Judgement()
        found.complain("nothing was wrong with", [row for row in others if (row.state, row.attempts) != ("SENT", 1)])
        self._arena.complaints += found.complaints

    def _may_fail(self, row: judge.Row) -> bool:
        """Whom the provider refuses; who met the mail that is too large is not told, and is counted below."""
        trouble = self.victims.get(row.address)
        is_refused = trouble is not None and trouble.state == "FAILED"
        return row.channel == self._channel and (is_refused or "too large" in row.detail)

    def _judge_too_large(self, by_address: dict[str, list[Row]]) -> None:
        """Whoever met it, for the recipient is not named yet; they are taken out."""
        too_large = [row for rows in by_address.values() for row in rows if "too large" in row.detail]
        struck = [strike for strike in self._fake.strikes() if strike["name"] == TOO_LARGE.name]
        is_so = [row.state for row in too_large] == ["FAILED"] * len(struck)
        self._arena.demand(is_so, f"552 was said {len(struck)} times: {too_large}")
        if struck:
            self._arena.faults["552 at MAIL"] += len(struck)
        for row in too_large:
            del by_address[row.address]

    def _judge_victim(self, trouble: Trouble, rows: Sequence[Row]) -> None:
        ended = Counter((row.state, row.attempts) for row in rows)
        expected = Counter({(trouble.state, trouble.attempts): len(rows)})
        if trouble.rule.times:  # of several broadcasts only one met it
            expected = Counter({(trouble.state, trouble.attempts): 1}) + Counter({("SENT", 1): len(rows) - 1})
        passed_at_once = trouble.may_pass_at_once and ended == Counter({("SENT", 1): len(rows)})
        is_so = (ended == expected or passed_at_once) and all(trouble.detail in row.detail for row in rows)
        self._arena.demand(is_so, f"{trouble.name}: should be {dict(expected)}, {trouble.detail!r}, and is {rows}")
        self._arena.faults[trouble.name] += 1


def _name(trouble: Trouble, address: str) -> str:
    return f"{trouble.name} for {address}"
