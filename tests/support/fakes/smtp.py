"""A mail server that takes everything, writes it down before it says so, and misbehaves on request.

    python -m tests.support.fakes.smtp --port 0 --log accepted.jsonl

Besides rules, an address can ask for trouble by its own name: `rcpt-550-ann@example.com` is refused at RCPT,
`rcpt-450-once-ann@…` only the first time, `dot-taken-drop-ann@…` is taken and the connection dropped without an answer.
"""

import asyncio
import base64
import re
import time
from collections.abc import Callable, Iterable
from email.header import decode_header, make_header

from tests.support.fakes.connection import Connection
from tests.support.fakes.rules import Rule
from tests.support.fakes.running import FakeProcess, Sink, ThreadedFake, serve

PATH = re.compile(r"(?:FROM|TO):\s*<([^>]*)>", re.IGNORECASE)
MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
SUBJECT = re.compile(rb"^subject:[ \t]*(.*(?:\r\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE)
OUR_MESSAGE_ID = re.compile(r"<(\d+)\.(\d+)(?:\.[0-9a-f]+)?@")
END = b"\r\n.\r\n"
ADDRESS_PHASES = ("rcpt", "data", "body", "dot")


class SmtpSession(Connection):
    #: RFC 5321, section 3.1: after a greeting of 554 everything but QUIT is refused.
    is_refused = False
    is_in_text = False
    sender: str | None = None
    #: What AUTH still waits for: nothing, "password" (PLAIN's one answer, or LOGIN's second) or "name" (LOGIN's first).
    awaits = ""
    #: How much of the text was looked through for its end: a long one would be read anew with each piece.
    searched = 0

    def __init__(self, sink: Sink) -> None:
        super().__init__(sink)
        self.recipients: list[str] = []
        #: The parameters of MAIL and RCPT.
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._answer("connect", "220 fake ESMTP")

    def advance(self) -> bool:
        return self._advance_text() if self.is_in_text else self._advance_command()

    def _advance_command(self) -> bool:
        line, newline, rest = self.buffer.partition(b"\n")
        if not newline:
            return False
        self.buffer = rest
        self._command(line.decode("utf-8", "replace").strip())
        return True

    def _command(self, line: str) -> None:
        if self.awaits:
            return self._credentials()
        verb = line[:4].upper()
        if self.is_refused and verb != "QUIT":
            return self._say("503 5.5.1 this server said no")
        handler = getattr(self, f"_on_{verb.lower()}", None) if verb.isalpha() else None
        if handler is None:
            return self._say("502 5.5.1 no such command")
        handler(line)

    def _on_ehlo(self, line: str) -> None:
        self._answer("ehlo", "250-fake\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250 AUTH PLAIN LOGIN")

    def _on_helo(self, line: str) -> None:
        self._answer("ehlo", "250 fake")

    def _on_noop(self, line: str) -> None:
        self._say("250 2.0.0 ok")

    def _on_rset(self, line: str) -> None:
        self._answer("rset", "250 2.0.0 ok", then=self._forget)

    def _on_quit(self, line: str) -> None:
        self._answer("quit", "221 2.0.0 bye", then=self.transport.close)

    def _on_auth(self, line: str) -> None:
        mechanism, *initial = line[4:].split() or [""]
        if mechanism.upper() not in ("PLAIN", "LOGIN"):
            self._say("504 5.5.4 PLAIN or LOGIN")
        elif mechanism.upper() == "LOGIN" and not initial:
            self.awaits = "name"
            self._say("334 " + base64.b64encode(b"Username:").decode())
        elif mechanism.upper() == "LOGIN":
            self._ask_password("Password:")
        elif initial:
            self._answer("auth", "235 2.7.0 welcome")
        else:
            self._ask_password("")

    def _ask_password(self, prompt: str) -> None:
        self.awaits = "password"
        self._say("334 " + base64.b64encode(prompt.encode()).decode())

    def _credentials(self) -> None:
        if self.awaits == "name":
            return self._ask_password("Password:")
        self.awaits = ""
        self._answer("auth", "235 2.7.0 welcome")

    def _on_mail(self, line: str) -> None:
        path = PATH.search(line)
        if self.sender is not None or path is None:
            return self._say("503 5.5.1 bad sequence" if path else "501 5.5.4 whose?")
        self._answer("mail", "250 2.1.0 ok", then=lambda: self._begin(path[1], line[path.end() :].split()))

    def _begin(self, sender: str, asked: list[str]) -> None:
        self.sender, self.asked = sender, asked

    def _on_rcpt(self, line: str) -> None:
        path = PATH.search(line)
        if self.sender is None or path is None:
            return self._say("503 5.5.1 bad sequence" if path else "501 5.5.4 whose?")
        address = path[1]
        self._answer(
            "rcpt", "250 2.1.5 ok", recipients=[address], then=lambda: self._add(address, line[path.end() :].split())
        )

    def _add(self, address: str, asked: list[str]) -> None:
        self.recipients.append(address)
        self.asked += asked

    def _on_data(self, line: str) -> None:
        if not self.recipients:
            return self._say("503 5.5.1 bad sequence")
        self._answer("data", "354 go ahead", recipients=self.recipients, then=self._begin_text)

    def _begin_text(self) -> None:
        self.is_in_text = True
        # So that a text of nothing but the dot ends as every other does.
        self.buffer[:0] = b"\r\n"

    def _advance_text(self) -> bool:
        rule = self.rule("body", self.recipients) if len(self.buffer) > 2 else None
        if rule:
            self.sink.note_strike(rule, self.recipients)
            self.misbehave(rule, lambda: None, lambda: None)
            if rule.then == "hang":
                # Or the text would be taken, up to its dot, by a server that only says nothing.
                self.transport.pause_reading()
            return False
        end = self.buffer.find(END, self.searched)
        if end < 0:
            self.searched = max(0, len(self.buffer) - len(END))
            return False
        self.searched = 0
        text = bytes(self.buffer[2 : end + 2]).replace(b"\r\n..", b"\r\n.")
        del self.buffer[: end + len(END)]
        self.is_in_text = False
        self._end_text(text.removeprefix(b".") if text.startswith(b"..") else text)
        return True

    def _end_text(self, text: bytes) -> None:
        recipients = self.recipients
        self._forget()

        def take() -> None:
            for recipient in recipients:
                self.sink.log.append(self._entry(recipient, text))

        def well() -> None:
            take()
            self._say("250 2.0.0 taken")

        self.answer("dot", well=well, take=take, recipients=recipients)

    def _entry(self, recipient: str, text: bytes) -> dict[str, object]:
        headers = text.partition(b"\r\n\r\n")[0]
        message_id = _first(MESSAGE_ID, headers)
        ours = OUR_MESSAGE_ID.match(message_id)
        entry: dict[str, object] = {
            "recipient": recipient,
            "message_id": message_id,
            "broadcast": int(ours[1]) if ours else None,
            "delivery": int(ours[2]) if ours else None,
            "subject": _decoded(_first(SUBJECT, headers)),
            "received_at": time.time(),
            # Of delivery status notifications, by RFC 3461.
            "dsn": [one for one in self.asked if not one.startswith(("BODY=", "SIZE="))],
        }
        kept = text[: self.sink.text_bytes]
        return entry | {"raw": kept.decode("utf-8", "replace")} if self.sink.text_bytes else entry

    def _forget(self) -> None:
        self.sender, self.recipients = None, []

    def _answer(
        self, phase: str, good: str, *, recipients: Iterable[str] = (), then: Callable[[], object] | None = None
    ) -> None:
        def well() -> None:
            self._say(good)
            if then:
                then()

        self.answer(phase, well=well, take=lambda: None, recipients=recipients)

    def _say(self, line: str) -> None:
        self.transport.write(line.encode("latin-1") + b"\r\n")

    def rule(self, phase: str, recipients: Iterable[str]) -> Rule | None:
        own = (self._rule_in_name(phase, address) for address in recipients)
        return next((rule for rule in own if rule), None) or super().rule(phase, recipients)

    def _rule_in_name(self, phase: str, address: str) -> Rule | None:
        words = address.partition("@")[0].split("-")
        if words[0] != phase or phase not in ADDRESS_PHASES:
            return None
        if "once" in words:
            if (phase, address) in self.sink.troubled:
                return None
            self.sink.troubled.add((phase, address))
        reply = next((f"{word} asked for by its name" for word in words if word.isdigit() and len(word) == 3), "")
        then = next((word for word in words if word in ("drop", "reset", "hang")), "")
        return Rule(phase=phase, reply=reply, then=then, taken="taken" in words) if reply or then else None

    def reply_badly(self, rule: Rule) -> bool:
        if rule.reply and rule.drip:
            self.drip(f"{rule.reply}\r\n".encode("latin-1"), rule.drip)
        elif rule.reply:
            self._say(rule.reply)
            # Only a bad greeting leads to it: a good one would not have been a rule.
            self.is_refused = self.is_refused or rule.phase == "connect"
        return bool(rule.reply)


def _first(pattern: re.Pattern[bytes], text: bytes) -> str:
    found = pattern.search(text)
    return found[1].decode("utf-8", "replace").strip() if found else ""


def _decoded(subject: str) -> str:
    return str(make_header(decode_header(subject))) if "=?" in subject else subject


class FakeSmtp(ThreadedFake):
    session = SmtpSession

    @property
    def url(self) -> str:
        """The address as EMAIL_URL takes it."""
        return f"smtp://127.0.0.1:{self.port}"


class SmtpProcess(FakeProcess):
    module = "tests.support.fakes.smtp"

    @property
    def url(self) -> str:
        """The address as EMAIL_URL takes it."""
        return f"smtp://127.0.0.1:{self.port}"


if __name__ == "__main__":
    serve(SmtpSession)
