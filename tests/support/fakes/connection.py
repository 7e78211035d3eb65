"""One connection to a fake provider: answers that come late, wrongly, in part or never."""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable

from tests.support.fakes.rules import Rule
from tests.support.fakes.running import Sink


class Connection(asyncio.Protocol):
    """Collects what the client sends; `advance` takes from `buffer` one step at a time."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.buffer = bytearray()
        #: Set while an answer is late or will never come; what the client sends meanwhile waits in the buffer.
        self.is_waiting = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.sink.open.add(transport)
        self.sink.connections += 1
        # One small answer after another: without it each waits for the client's delayed ACK.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, error: Exception | None) -> None:
        self.sink.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.go_on()

    def go_on(self) -> None:
        while self.buffer and not self.is_waiting and not self.transport.is_closing() and self.advance():
            pass

    def advance(self) -> bool:
        """Handles the next complete piece of the buffer; False if there is none yet."""
        raise NotImplementedError

    def answer(
        self, phase: str, *, well: Callable[[], None], take: Callable[[], None], recipients: Iterable[str] = ()
    ) -> None:
        """Does what the rule for this moment says, or `well` if there is none. `take` logs the message."""
        rule = self.rule(phase, recipients)
        if rule is None:
            return well()
        if rule.is_trouble():
            self.sink.note_strike(rule, recipients)
        if rule.delay:
            self.is_waiting = True
            self.loop.call_later(rule.delay, self._answer_late, rule, well, take)
        else:
            self.misbehave(rule, well, take)

    def rule(self, phase: str, recipients: Iterable[str]) -> Rule | None:
        return self.sink.rules.find(phase, recipients)

    def _answer_late(self, rule: Rule, well: Callable[[], None], take: Callable[[], None]) -> None:
        self.is_waiting = False
        if not self.transport.is_closing():
            self.misbehave(rule, well, take)
            self.go_on()
        elif not rule.is_trouble():
            # Who has the whole message delivers it, although nobody waits for the answer any more.
            take()

    def misbehave(self, rule: Rule, well: Callable[[], None], take: Callable[[], None]) -> None:
        if rule.taken:
            take()
        if not self.reply_badly(rule) and not rule.then:
            well()
        if rule.then == "drop":
            self.transport.close()
        elif rule.then == "reset":
            self.reset()
        elif rule.then == "hang":
            self.is_waiting = True

    def reply_badly(self, rule: Rule) -> bool:
        """Sends the answer that the rule holds; False if it holds none."""
        raise NotImplementedError

    def drip(self, left: bytes, seconds: float) -> None:
        """Sends it byte by byte, so many seconds apart, and then goes on."""
        if self.transport.is_closing():
            return
        self.is_waiting = bool(left)
        if not left:
            return self.go_on()
        self.transport.write(left[:1])
        self.loop.call_later(seconds, self.drip, left[1:], seconds)

    def reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()
