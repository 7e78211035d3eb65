"""Whether the promises were kept, told from the database and the providers' own logs by plain SQL.

No line of it is shared with the product, so a broken rule of the product can't break the judge as well.
"""

import json
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.faults.judging import texts
from tests.faults.judging.texts import Frozen, Version
from tests.support.fakes.sms import SmsProcess
from tests.support.fakes.smtp import SmtpProcess
from tests.support.servers.stack import Stack

#: A complaint names so many cases and counts the rest.
NAMED = 5

#: (client id, address or "", suppressed) of everyone who consents to a notification's topic on a channel. A provider's
#: “opted out” may suppress somebody between the press and this look: that one could still be reached.
_CONSENTING = """
    SELECT c.id, COALESCE(c.{address}, ''),
           EXISTS (SELECT 1 FROM notifier_suppression s WHERE s.channel = '{channel}' AND s.address = c.{address}
                   AND s.created_at < (SELECT created_at FROM notifier_broadcast WHERE id = %s))
    FROM notifier_client c JOIN notifier_preference p ON p.client_id = c.id
    JOIN notifier_notification n ON n.topic_id = p.topic_id
    WHERE n.id = %s AND c.is_active AND p.{channel} AND n.{channel}_body <> ''
"""
_ROWS = """
    SELECT id, client_id, channel, address, state, detail, due_at FROM notifier_delivery
    WHERE broadcast_id = %s ORDER BY id
"""
#: Only what may have arrived by then may arrive twice: a provider had said no to what was FAILED.
_SENT_AGAIN = """
    SELECT i.delivery_id, COUNT(*) FROM notifier_resolveddelivery i
    JOIN notifier_resolution r ON r.id = i.resolution_id
    WHERE r.action = 'SENT_AGAIN' AND i.state_before = 'UNKNOWN' GROUP BY i.delivery_id
"""
#: As it is now.
_TODAY = """
    SELECT c.id, COALESCE(c.{address}, ''), c.erased_at IS NOT NULL, c.is_active,
           EXISTS (SELECT 1 FROM notifier_preference p JOIN notifier_broadcast b ON b.topic_id = p.topic_id
                   WHERE b.id = %s AND p.client_id = c.id AND p.{channel})
    FROM notifier_client c
"""
_MARKED_SENT = """
    SELECT i.delivery_id FROM notifier_resolveddelivery i
    JOIN notifier_resolution r ON r.id = i.resolution_id WHERE r.action = 'MARKED_SENT'
"""
ADDRESS = {"email": "email", "sms": "phone"}
#: Why a row may be skipped, in the words that staff read.
NO_ADDRESS = {"email": "no e-mail address", "sms": "no phone number"}
SUPPRESSED = "address suppressed"
ARCHIVED = "client archived"
CONSENT_GONE = "consent withdrawn after the send began"
NO_VALUE = "no value for a placeholder"
#: What the provider said, which suppresses the address as well.
OPTED_OUT = "the recipient has opted out at the provider"
#: Why a row FAILED that nobody refused: it was given up before it was sent, and told so too late to be tried again.
HELD_UP = "the consumer was delayed until its lease had ended, and did not send it"
#: …or it was being sent when its time was over.
OUT_OF_TIME = "it took more than"
SETTLED = ("SENT", "FAILED", "UNKNOWN", "SKIPPED", "CANCELLED")


class Recipient(NamedTuple):
    channel: str
    client: int


class Known(NamedTuple):
    """What was known of a recipient when the button was pressed."""

    address: str
    is_suppressed: bool


class Today(NamedTuple):
    """What is known of a recipient now."""

    address: str
    is_erased: bool
    is_active: bool
    consents: bool


class Row(NamedTuple):
    id: int
    client: int
    channel: str
    address: str
    state: str
    detail: str
    due_at: Any

    @property
    def recipient(self) -> Recipient:
        return Recipient(self.channel, self.client)

    def __str__(self) -> str:
        return f"delivery {self.id} ({self.channel}, {self.state}, {self.detail!r})"


@dataclass(frozen=True)
class Accepted:
    """One message that a provider took, as its log has it."""

    broadcast: int
    delivery: int
    channel: str
    address: str
    #: Seconds since 1970.
    received_at: float = 0.0
    #: Of a mail its subject, of an SMS all of it.
    text: str = ""
    #: Of a mail what a reader sees of it, in plain text and in HTML.
    bodies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expectation:
    """Who must have a row of a broadcast: everyone who consented when the button was pressed, and was in its audience
    when their chunk was expanded.
    """

    broadcast: int
    recipients: Mapping[Recipient, Known]
    #: False where an attack changes who consents and how to reach them, or cancels, before every row is made: then
    #: nobody else may have one, and its address may be the client's new one.
    is_complete: bool = True
    #: The state in which the broadcast must be: CANCELLED only where the attack cancels it, or lets its time pass.
    ends: str = "FINISHED"
    #: Since when the database says that these may not be sent to any more, in seconds since 1970…
    withdrawn: Mapping[Recipient, float] = field(default_factory=dict)
    #: …and how many a channel may be on their way by then: the window of its one consumer.
    on_their_way: int = 5
    #: What was on record of each client, one version after the other, where an attack changes it or the text is to be
    #: judged word for word.
    versions: Mapping[int, Sequence[Version]] = field(default_factory=dict)


@dataclass
class Judgement:
    complaints: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    accepted: int = 0

    @property
    def unknown(self) -> int:
        return self.states["UNKNOWN"]

    def complain(self, what: str, cases: Iterable[object]) -> None:
        named = [str(case) for case in cases]
        if named:
            rest = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
            self.complaints.append(f"{what}: {'; '.join(named[:NAMED])}{rest}")


def expect(stack: Stack, *, notification: int, broadcast: int) -> Expectation:
    recipients = {
        Recipient(channel, client): Known(address, bool(is_suppressed))
        for channel, column in ADDRESS.items()
        for client, address, is_suppressed in stack.query(
            _CONSENTING.format(channel=channel, address=column), broadcast, notification
        )
    }
    return Expectation(broadcast, recipients)


def accepted(smtp: SmtpProcess, sms: SmsProcess) -> list[Accepted]:
    """Every message that a provider took, as often as it took one."""
    mails = [
        Accepted(
            m["broadcast"], m["delivery"], "email", m["recipient"], m["received_at"], *texts.of_mail(m.get("raw", ""))
        )
        for m in smtp.accepted()
    ]
    short = []
    for message in sms.accepted():
        broadcast, _, delivery = message["delivery"].partition(".")
        short.append(
            Accepted(int(broadcast), int(delivery), "sms", message["to"], message["received_at"], message["body"])
        )
    return mails + short


def nobody(row: Row) -> bool:
    """Which rows may have FAILED where no provider refuses anything."""
    return False


def held_up(row: Row) -> bool:
    """Which rows may have FAILED where consumers stand still beyond their lease."""
    return row.detail == HELD_UP or OUT_OF_TIME in row.detail


def judge(
    stack: Stack,
    taken: Iterable[Accepted],
    expectations: Iterable[Expectation],
    *,
    may_fail: Callable[[Row], bool] = nobody,
) -> Judgement:
    """Everything that must hold once every broadcast has ended, whatever happened to it."""
    found = Judgement()
    of_broadcast: dict[int, list[Accepted]] = defaultdict(list)
    for message in taken:
        of_broadcast[message.broadcast].append(message)
    for expectation in expectations:
        _judge_broadcast(stack, expectation, of_broadcast.pop(expectation.broadcast, []), may_fail, found)
    found.complain("sent for a broadcast that nobody pressed", (m for left in of_broadcast.values() for m in left))
    return found


def _judge_broadcast(
    stack: Stack, expectation: Expectation, taken: list[Accepted], may_fail: Callable[[Row], bool], found: Judgement
) -> None:
    rows = [Row(*row) for row in stack.query(_ROWS, expectation.broadcast)]
    today = _today(stack, expectation.broadcast)
    found.states.update(row.state for row in rows)
    found.accepted += len(taken)
    _judge_audience(expectation, rows, found)
    _judge_addresses(expectation, today, rows, taken, found)
    _judge_unsent(stack, expectation, today, rows, found)
    _judge_withdrawals(expectation, rows, taken, found)
    found.complain("has failed, and nothing made it fail", (r for r in rows if r.state == "FAILED" and not may_fail(r)))
    _judge_books(stack, expectation, rows, found)
    _judge_provider(stack, expectation, today, rows, taken, found)
    if expectation.versions:
        _judge_texts(stack, expectation, rows, taken, found)
    else:
        _judge_languages(stack, expectation, rows, taken, found)


def _judge_audience(expectation: Expectation, rows: list[Row], found: Judgement) -> None:
    """Rows = expected audience: every consenting client is accounted for, and nobody else."""
    have = Counter(Recipient(row.channel, row.client) for row in rows)
    if expectation.is_complete:
        found.complain("consented and has no row", set(expectation.recipients) - set(have))
    found.complain("has a row and did not consent", set(have) - set(expectation.recipients))
    found.complain("has two rows", (who for who, number in have.items() if number > 1))


def _judge_addresses(
    expectation: Expectation,
    today: Mapping[Recipient, Today],
    rows: list[Row],
    taken: list[Accepted],
    found: Judgement,
) -> None:
    """A row has its client's own address, and whoever had asked for nothing more is left in peace."""
    known = expectation.recipients
    ours = [row for row in rows if row.recipient in known]
    found.complain(
        "frozen another address than the client's",
        (row for row in ours if row.address not in _addresses(row, expectation, today)),
    )
    # With another address than the suppressed one a client may be written to.
    suppressed = [row for row in ours if known[row.recipient].is_suppressed]
    suppressed = [row for row in suppressed if row.address in ("", known[row.recipient].address)]
    reached = {message.delivery for message in taken}
    found.complain(
        "was suppressed before the send, and is not SKIPPED",
        (row for row in suppressed if row.state != "SKIPPED" or row.id in reached),
    )


def _today(stack: Stack, broadcast: int) -> dict[Recipient, Today]:
    return {
        Recipient(channel, client): Today(address, *map(bool, rest))
        for channel, column in ADDRESS.items()
        for client, address, *rest in stack.query(_TODAY.format(address=column, channel=channel), broadcast)
    }


#: Of a client that was deleted; no attack does.
NOBODY = Today("", is_erased=False, is_active=False, consents=False)


def _addresses(row: Row, expectation: Expectation, today: Mapping[Recipient, Today]) -> set[str]:
    """Which a row may have: that of the press, or what an attack gave its client since; once erased, none."""
    now = today.get(row.recipient, NOBODY)
    if now.is_erased:
        return {""}
    return {expectation.recipients[row.recipient].address} | (set() if expectation.is_complete else {now.address})


def _where_to(row: Row, expectation: Expectation, today: Mapping[Recipient, Today]) -> tuple[str, str]:
    """Channel and address of the row's message: its own, unless its client was erased since."""
    known = expectation.recipients.get(row.recipient)
    is_emptied = known is not None and not row.address and today.get(row.recipient, NOBODY).is_erased
    return row.channel, known.address if known and is_emptied else row.address


def _judge_unsent(
    stack: Stack, expectation: Expectation, today: Mapping[Recipient, Today], rows: list[Row], found: Judgement
) -> None:
    """Who consented is sent to, unless something that is true of them forbids it, or the broadcast was cancelled."""
    suppressed = set(stack.query("SELECT channel, address FROM notifier_suppression"))
    frozen = _frozen(stack, expectation)
    skipped = [row for row in rows if row.state == "SKIPPED" and row.recipient in expectation.recipients]
    found.complain(
        "was skipped for a reason that is not true",
        (row for row in skipped if row.detail not in _reasons(row, expectation, today, suppressed, frozen)),
    )
    if expectation.ends != "CANCELLED":
        found.complain("was cancelled, and its broadcast was not", (row for row in rows if row.state == "CANCELLED"))


def _reasons(
    row: Row,
    expectation: Expectation,
    today: Mapping[Recipient, Today],
    suppressed: set[tuple[Any, ...]],
    frozen: Frozen,
) -> set[str]:
    """Every reason not to send that is true of the row's client."""
    known, now = expectation.recipients[row.recipient], today.get(row.recipient, NOBODY)
    # Who was erased had an address until then.
    addresses = {known.address} if now.is_erased else _addresses(row, expectation, today)
    reasons = {NO_ADDRESS[row.channel]: "" in addresses, ARCHIVED: not now.is_active, CONSENT_GONE: not now.consents}
    is_suppressed = any((row.channel, address) in suppressed for address in addresses)
    # Of somebody erased since, a digest stands in the address's place.
    reasons[SUPPRESSED] = is_suppressed or known.is_suppressed
    reasons[OPTED_OUT] = is_suppressed
    reasons[NO_VALUE] = any(frozen.lacks(row.channel, one) for one in expectation.versions.get(row.client, ()))
    return {reason for reason, is_true in reasons.items() if is_true}


def _judge_withdrawals(expectation: Expectation, rows: list[Row], taken: list[Accepted], found: Judgement) -> None:
    """Who withdraws is reached only by the window that was claimed before, and by no later one."""
    who, arrivals = {row.id: row.recipient for row in rows}, Arrivals(taken)
    late = [m for m in taken if who.get(m.delivery) in expectation.withdrawn]
    found.complain(
        "reached later than a window after consent was gone",
        (m for m in late if arrivals.since(expectation.withdrawn[who[m.delivery]], m) >= expectation.on_their_way),
    )


class Arrivals:
    """When messages came, by channel."""

    def __init__(self, taken: Iterable[Accepted]) -> None:
        self._times: dict[str, list[float]] = defaultdict(list)
        for message in sorted(taken, key=lambda message: message.received_at):
            self._times[message.channel].append(message.received_at)

    def since(self, moment: float, message: Accepted) -> int:
        """How many on its channel came after the moment and before the message; none where it came earlier itself."""
        times = self._times[message.channel]
        return max(0, bisect_left(times, message.received_at) - bisect_right(times, moment))


def _judge_books(stack: Stack, expectation: Expectation, rows: list[Row], found: Judgement) -> None:
    """Sum of states = total = what pages show; everything ended as it must, and what was not sent says why."""
    broadcast = expectation.broadcast
    state, audience, shown, finished_at = _broadcast(stack, broadcast)
    if finished_at is None:
        found.complain(f"broadcast {broadcast} has not ended", [state])
    elif state != expectation.ends:
        found.complain(f"broadcast {broadcast} should be {expectation.ends}", [state])
    if audience != len(rows):
        found.complain(f"broadcast {broadcast} says its audience is {audience}", [f"{len(rows)} rows"])
    counted = Counter((row.channel, row.state) for row in rows)
    if counted != shown:
        found.complain(f"broadcast {broadcast} shows other numbers than its rows", [f"{dict(counted)}, {dict(shown)}"])
    found.complain("has not ended", (row for row in rows if row.state not in SETTLED or row.due_at is not None))
    found.complain("was not sent and says no reason", (row for row in rows if row.state != "SENT" and not row.detail))


def _broadcast(stack: Stack, broadcast: int) -> tuple[str, int, Counter[tuple[str, str]], Any]:
    # As text on both engines: psycopg would hand over a dictionary, sqlite3 a string.

    row = stack.query(
        "SELECT state, audience, CAST(tally AS TEXT), finished_at FROM notifier_broadcast WHERE id = %s", broadcast
    )[0]
    counts = json.loads(row[2]).get("counts", {})
    shown = Counter({(channel, state): n for channel, states in counts.items() for state, n in states.items()})
    return row[0], row[1], shown, row[3]


def _judge_provider(
    stack: Stack,
    expectation: Expectation,
    today: Mapping[Recipient, Today],
    rows: list[Row],
    taken: list[Accepted],
    found: Judgement,
) -> None:
    """Each delivery reached its provider at most once, and what reached it is SENT, or UNKNOWN and waits for staff."""
    by_id = {row.id: row for row in rows}
    again = dict(stack.query(_SENT_AGAIN))
    marked = {delivery for (delivery,) in stack.query(_MARKED_SENT)}
    times = Counter(message.delivery for message in taken)
    found.complain("sent and has no row", (m for m in taken if m.delivery not in by_id))
    ours = [m for m in taken if m.delivery in by_id]
    found.complain(
        "sent to another address than its row's",
        (m for m in ours if (m.channel, m.address) != _where_to(by_id[m.delivery], expectation, today)),
    )
    found.complain(
        "sent twice", (f"{by_id[i]}, {n} times" for i, n in times.items() if i in by_id and n > 1 + again.get(i, 0))
    )
    found.complain(
        "reached its provider, and neither SENT nor UNKNOWN says so",
        (by_id[i] for i in times if i in by_id and by_id[i].state not in ("SENT", "UNKNOWN") and i not in again),
    )
    found.complain(
        "is SENT, and no provider took it",
        (row for row in rows if row.state == "SENT" and not times[row.id] and row.id not in marked),
    )


def _frozen(stack: Stack, expectation: Expectation) -> Frozen:
    query = "SELECT subject, email_body, sms_body, variants FROM notifier_broadcast WHERE id = %s"
    ((subject, email_body, sms_body, variants),) = stack.query(query, expectation.broadcast)
    default = {"subject": subject, "email_body": email_body, "sms_body": sms_body}
    return Frozen(default, json.loads(variants or "{}"))


def _judge_languages(
    stack: Stack, expectation: Expectation, rows: list[Row], taken: list[Accepted], found: Judgement
) -> None:
    """Who has a language on record gets the text that was frozen in it, if that is complete; all others the default.

    For attacks that change no language; an erased client has none any more.
    """
    frozen = _frozen(stack, expectation)
    spoken = dict(stack.query("SELECT id, language FROM notifier_client WHERE erased_at IS NULL"))
    by_id = {row.id: row for row in rows}
    ours = [m for m in taken if m.text and m.delivery in by_id and by_id[m.delivery].client in spoken]
    found.complain(
        "got a text in another language than their own",
        (
            by_id[m.delivery]
            for m in ours
            if not frozen.is_told_by(m.text, m.channel, spoken[by_id[m.delivery].client] or "")
        ),
    )


def _judge_texts(
    stack: Stack, expectation: Expectation, rows: list[Row], taken: list[Accepted], found: Judgement
) -> None:
    """Every message says, word for word, what was on record of its client when it was claimed, in their language.

    Nobody knows when that was, but only one window a channel may have been claimed before a change and come after it.
    """
    frozen, arrivals = _frozen(stack, expectation), Arrivals(taken)
    written = dict(
        stack.query("SELECT id, language FROM notifier_delivery WHERE broadcast_id = %s", expectation.broadcast)
    )
    client_of = {row.id: row.client for row in rows}
    wrong, stale = [], []
    for message in taken:
        if message.delivery not in client_of:
            continue
        versions = expectation.versions.get(client_of[message.delivery], ())
        ends = [*(later.since for later in versions[1:]), float("inf")]
        right = [
            end
            for version, end in zip(versions, ends, strict=False)
            if frozen.is_text_of(version, message.channel, message.text, message.bodies)
            and version.language == (written[message.delivery] or "")
        ]
        if not right:
            wrong.append(f"{message.text!r} of delivery {message.delivery}, in {written[message.delivery]!r}")
        elif arrivals.since(max(right), message) >= expectation.on_their_way:
            stale.append(f"{message.text!r} of delivery {message.delivery}")
    found.complain("says what was never on record of its client", wrong)
    found.complain("says what was on record until more than a window before", stale)
