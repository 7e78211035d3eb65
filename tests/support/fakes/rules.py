"""What a fake provider does wrong, for whom, and how often; and what it writes down before it answers."""

import json
import os
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One misbehaviour. The first rule that fits and isn't used up counts.

    `reply` takes the place of the good answer. `then` is what follows, or comes instead where there is no reply: `drop`
    closes the connection, `reset` does so with a RST, `hang` never says anything more. With `taken` the message is
    accepted, which is to say logged, before any of it.
    """

    #: SMTP: connect, ehlo, auth, mail, rcpt, data, body (in the middle of the text), dot, rset, quit. SMS: request.
    phase: str
    reply: str = ""
    then: str = ""
    taken: bool = False
    #: A slow provider: seconds to wait before anything else.
    delay: float = 0.0
    #: A pattern such as `ann@*` or `+44*`; only SMTP's phases from rcpt to dot know a recipient.
    recipient: str = "*"
    #: How often it applies; 0 is always.
    times: int = 0
    #: One that has a name keeps count of its times while other rules around it change.
    name: str = ""
    #: Seconds between one byte of the answer and the next.
    drip: float = 0.0
    # For HTTP only.
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    #: Retry-After as a date, so many seconds from the answer; 0 is none. A date knows no parts of seconds.
    retry_date: float = 0.0
    #: So many bytes of white space more at the body's end.
    padding: int = 0
    #: Or else only the body drips.
    drips_head: bool = False

    def is_trouble(self) -> bool:
        """More than slowness."""
        return bool(self.reply or self.then or self.status or self.drip)


class RuleBook:
    """The rules in force. May be changed from another thread, or, by its file, from another process."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._rules: list[tuple[Rule, list[int]]] = []

    def set(self, rules: Iterable[Rule]) -> None:
        with self._lock:
            counts = {rule.name: left for rule, left in self._rules if rule.name}
            self._rules = [(rule, counts.get(rule.name, [rule.times])) for rule in rules]

    def find(self, phase: str, recipients: Iterable[str] = ()) -> Rule | None:
        self._reread()
        with self._lock:
            for rule, left in self._rules:
                if rule.phase == phase and _fits(rule, recipients) and (rule.times == 0 or left[0] > 0):
                    left[0] -= 1
                    return rule
        return None

    def _reread(self) -> None:
        if self._path is None:
            return
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return
        # A new file is moved into place by `write_rules`, so a new inode or time means a whole new set.
        if self._seen != (status.st_ino, status.st_mtime_ns):
            self._seen = (status.st_ino, status.st_mtime_ns)
            self.set(Rule(**values) for values in json.loads(self._path.read_text()))


def _fits(rule: Rule, recipients: Iterable[str]) -> bool:
    return rule.recipient == "*" or any(fnmatchcase(recipient, rule.recipient) for recipient in recipients)


def write_rules(path: Path, rules: Iterable[Rule]) -> None:
    """In force as soon as it returns, for the fake that was started with this file."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps([asdict(rule) for rule in rules]))
    draft.rename(path)


class AcceptanceLog:
    """A JSON line for every message taken, append-only, handed to the kernel before the fake answers."""

    def __init__(self, path: Path) -> None:
        # One unbuffered write a line: nothing is lost when the fake is killed, and lines never mix.
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def append(self, entry: dict[str, Any]) -> None:
        os.write(self._file, json.dumps(entry, ensure_ascii=False).encode() + b"\n")

    def close(self) -> None:
        os.close(self._file)


class LogReader:
    """Reads on from where the last look ended: whoever waits for something looks many times a second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._entries: list[dict[str, Any]] = []

    def read(self) -> list[dict[str, Any]]:
        """Every whole line so far: a reader may see half of the one that is just being written."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            *lines, cut = file.read().split(b"\n")
            self._offset = file.tell() - len(cut)
        self._entries += [json.loads(line) for line in lines]
        return list(self._entries)
