"""Clients, their consents and the text itself, changed while the broadcast is on its way to them."""

import email
import json
import re
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from tests.faults.arena import DISPATCHER, Arena
from tests.faults.attack import attack
from tests.faults.judging import judge
from tests.faults.judging.judge import Judgement, Recipient
from tests.faults.servers import Engine
from tests.support.fakes.rules import Rule
from tests.support.servers.stack import PROJECT

CHUNK = 50
EDITED = "Written after the button was pressed"


class Seen(NamedTuple):
    """A delivery at some moment."""

    state: str
    address: str
    detail: str


@dataclass(frozen=True)
class Kind:
    """Something that happens to clients, by the name that it has at the desk."""

    name: str
    #: Why whoever had not been sent to by then is skipped; "" where the change keeps nobody from getting it.
    reason: str = ""
    channels: tuple[str, ...] = ("email", "sms")
    #: Whether a client whose row wasn't made yet gets one all the same.
    leaves_row: bool = False


KINDS = (
    Kind("archived", reason=judge.ARCHIVED),
    Kind("erased", reason=judge.ARCHIVED),
    Kind("given other addresses", leaves_row=True),
    Kind("opted out", reason=judge.CONSENT_GONE),
    Kind("opted out of e-mail", reason=judge.CONSENT_GONE, channels=("email",)),
    Kind("suppressed", reason=judge.SUPPRESSED, leaves_row=True),
)


@dataclass(frozen=True)
class Change:
    kind: Kind
    clients: frozenset[int]
    #: The rows as they were once it was committed, and everything that had begun before was over.
    seen: dict[Recipient, Seen]


@attack(
    17,
    "clients and the notification changed during its broadcast",
    TICKET_LIFETIME_SECONDS="4",
    EXPAND_CHUNK=str(CHUNK),
)
def change_people(arena: Arena) -> None:
    arena.slow_providers()
    # Some wait for their second try when their client opts out.
    arena.smtp.behave(Rule(phase="rcpt", reply="450 4.2.1 busy", times=10), Rule(phase="dot", delay=0.1))
    chunks = arena.dice.randrange(1, arena.size.clients // CHUNK)
    arena.start(dispatchers=0)
    dispatcher = arena.hire(DISPATCHER, FAILPOINT=f"expand.committed:{chunks}:stop")
    broadcast = arena.press(is_complete=False)
    meant = set(judge.expect(arena.stack, notification=arena.notification, broadcast=broadcast).recipients)
    texts = _texts(arena, broadcast)
    arena.wait_until(dispatcher.is_stopped, what="the stop between two chunks")

    untouched = list(range(1, arena.size.clients + 1))
    arena.dice.shuffle(untouched)
    with _Desk(arena) as desk:
        changes = _wave(arena, desk, broadcast, untouched)
        _edit_notification(arena)
        dispatcher.send(signal.SIGCONT)
        for _ in range(arena.size.faults - 1):
            arena.pause()
            changes += _wave(arena, desk, broadcast, untouched)
    arena.wait_for_end()
    # The edit took place, and those who are left get what it says.
    second = arena.press()
    arena.wait_for_end()
    arena.judge(unknown_at_most=0)

    rows = _look(arena, broadcast)
    _compare(arena, changes, rows)
    gone = {pk for change in changes if not change.kind.leaves_row for pk in change.clients}
    lost = {who for who in meant - set(rows) if who.client not in gone}
    arena.demand(not lost, f"consented, were left as they were, and have no row: {sorted(lost)[:5]}")
    _compare_texts(arena, {broadcast: texts, second: [dict.fromkeys(texts[0], EDITED)]})


def _wave(arena: Arena, desk: "_Desk", broadcast: int, untouched: list[int]) -> list[Change]:
    """A few clients for each kind of change, and some new ones."""
    size = arena.size.clients // ((len(KINDS) + 1) * arena.size.faults)
    changes = []
    for kind in arena.dice.sample(KINDS, len(KINDS)):
        ids, untouched[:size] = untouched[:size], []
        done = desk.order(kind.name, ids)
        if kind.reason:
            withdrawn = {Recipient(channel, client): at for channel in kind.channels for client, at in done.items()}
            arena.withdraw(broadcast, withdrawn)
        _wait_for_what_began_before(arena)
        changes.append(Change(kind, frozenset(ids), _look(arena, broadcast)))
    ((highest,),) = arena.stack.query("SELECT MAX(id) FROM notifier_client")
    desk.order("added", range(highest + 1, highest + 1 + size))
    return changes


def _wait_for_what_began_before(arena: Arena) -> None:
    """A claim that read before the commit may still be about to commit. SQLite lets nobody write beside us."""
    if arena.engine is Engine.EMBEDDED:
        return
    ((now,),) = arena.stack.query("SELECT clock_timestamp()")
    older = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND xact_start <= %s"
    )
    arena.wait_until(lambda: not arena.stack.query(older, now), what="the end of earlier transactions")


class _Desk:
    """A process of the product at which somebody of the staff sits: see tests/faults/product/desk.py."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        ((self._topic,),) = arena.stack.query(
            "SELECT topic_id FROM notifier_notification WHERE id = %s", arena.notification
        )

    def __enter__(self) -> Self:
        self._log = self._arena.stack.folder / "desk.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.product.desk"],
                cwd=PROJECT,
                env=self._arena.stack.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def order(self, name: str, ids: Sequence[int]) -> dict[int, float]:
        """Returns since when it holds for each of them, in seconds since 1970."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([name, list(ids), self._topic]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise AssertionError(f"the desk could not have clients {name}: {self._log.read_text()[-2000:]}")
        self._arena.faults[f"clients {name}"] += len(ids)
        return {int(client): float(at) for client, at in json.loads(answer)}


def _look(arena: Arena, broadcast: int) -> dict[Recipient, Seen]:
    rows = arena.stack.query(
        "SELECT channel, client_id, state, address, detail FROM notifier_delivery WHERE broadcast_id = %s", broadcast
    )
    return {Recipient(channel, client): Seen(*rest) for channel, client, *rest in rows}


def _compare(arena: Arena, changes: Sequence[Change], rows: dict[Recipient, Seen]) -> None:
    """What became of those who were changed, by how far their delivery was at that moment."""
    wrong = defaultdict(list)
    for change in changes:
        for who in (Recipient(channel, client) for channel in change.kind.channels for client in change.clients):
            before, after = change.seen.get(who), rows.get(who)
            if what := _wrong(change.kind, before, after):
                wrong[f"{change.kind.name}: {what}"].append(f"{who}, {before}, {after}")
            elif before and before.state == "PENDING" and change.kind.reason:
                arena.faults["skipped at the last moment"] += 1
    _complain(arena, wrong)


def _complain(arena: Arena, wrong: Mapping[str, Iterable[object]]) -> None:
    found = Judgement()
    for what, cases in wrong.items():
        found.complain(what, cases)
    arena.complaints += found.complaints


def _wrong(kind: Kind, before: Seen | None, after: Seen | None) -> str:
    if before and after is None:
        return "the row is gone"
    if not kind.reason:
        return "another address than the frozen one" if before and after and before.address != after.address else ""
    if before is None:
        made = after is not None and not (kind.leaves_row and after.state == "SKIPPED")
        return "made into a delivery after it" if made else ""
    assert after
    if before.state in ("PENDING", "RETRYING") and (after.state, after.detail) != ("SKIPPED", kind.reason):
        return f"not skipped because of “{kind.reason}”"
    if before.state in judge.SETTLED and after.state != before.state:
        return "changed after it was settled"
    return ""


# --- The text ---------------------------------------------------------------------------------------------------------
def _edit_notification(arena: Arena) -> None:
    arena.stack.query(
        "UPDATE notifier_notification SET subject = %s, email_body = %s, sms_body = %s, variants = '' WHERE id = %s",
        *[EDITED] * 3,
        arena.notification,
    )
    arena.faults["notification edited"] += 1


#: Of one language, the longest piece of each text that has no placeholder and no mark of Markdown in it.
Pieces = Mapping[str, str]


def _texts(arena: Arena, broadcast: int) -> list[Pieces]:
    """In each language. Whether a client read their own is for the judge to say."""
    query = "SELECT subject, email_body, sms_body, variants FROM notifier_broadcast WHERE id = %s"
    *default, variants = arena.stack.query(query, broadcast)[0]
    others = json.loads(variants or "{}").values()
    written = [default, *([one["subject"], one["email_body"], one["sms_body"]] for one in others)]
    return [dict(zip(("subject", "email", "sms"), map(_piece, texts), strict=True)) for texts in written]


def _piece(text: str) -> str:
    return max(re.split(r"{{.*?}}|[\n*]", text), key=len).strip()


def _compare_texts(arena: Arena, expected: dict[int, list[Pieces]]) -> None:
    """Every message says what its broadcast says, in one of its languages, and nothing of the other."""
    wrong = [
        f"{mail['message_id']}: {mail['subject']!r}"
        for mail in arena.smtp.accepted()
        if not any(_says_all(mail, texts) for texts in expected[mail["broadcast"]])
    ]
    wrong += [
        f"SMS {sms['delivery']}: {sms['body']!r}"
        for sms in arena.sms.accepted()
        if not any(_is_in(texts["sms"], sms["body"]) for texts in expected[int(sms["delivery"].partition(".")[0])])
    ]
    _complain(arena, {"says something else than its broadcast": wrong})


def _says_all(mail: Mapping[str, str], texts: Pieces) -> bool:
    """The subject and every part of it."""
    message = email.message_from_bytes(mail["raw"].encode())
    parts = [(part, part.get_payload(decode=True)) for part in message.walk()]
    bodies = [body.decode(part.get_content_charset("ascii")) for part, body in parts if isinstance(body, bytes)]
    return _is_in(texts["subject"], mail["subject"]) and all(_is_in(texts["email"], body) for body in bodies)


def _is_in(piece: str, text: str) -> bool:
    """Where a text is not written in a language there is no piece of it, and nobody reads it."""
    return bool(piece) and piece in text
