"""A TCP relay between the product and its broker: it can go deaf without hanging up, and counts what comes twice.

In front of a cluster it is the load balancer: each connection goes to the next of the `ports` that somebody listens at.
"""

import asyncio
import itertools
import struct
import threading
from collections.abc import Coroutine
from typing import Any, Self

LOOPBACK = "127.0.0.1"
#: AMQP 0-9-1, sections 4.2.3 and 1.8.3: a frame is type, channel and size, then the payload and an end octet.
FRAME_HEAD = struct.Struct(">BHI")
METHOD_FRAME = 1
BASIC_DELIVER = struct.pack(">HH", 60, 60)


class Relay:
    """Runs on a thread of its own. The numbers count everything since the start."""

    def __init__(self, *ports: int) -> None:
        self.port = 0
        self.connections = 0
        self.delivered = 0
        self.redelivered = 0
        self._targets = itertools.cycle(ports)
        self._number_of_targets = len(ports)
        self._flows: list[_Flow] = []
        self._takes_new_to_nowhere = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="relay")
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(lambda: _Near(self), LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        if self._server:
            self._server.close()
        # Those that are still being connected are cut as soon as they are.
        while open_now := [flow for flow in self._flows if flow.is_open or flow.far or flow.is_connecting]:
            for flow in open_now:
                flow.cut()
            await asyncio.sleep(0)

    # --- What it does wrong ---
    def go_deaf(self, *, to_new: bool = False) -> int:
        """From now on swallow whatever the open connections say, either way, and close none; returns how many.

        As a NAT that forgot them. With `to_new` every later connection is swallowed as well, until `hear`.
        """
        open_now = [flow for flow in self._flows if flow.is_open]
        for flow in open_now:
            flow.is_deaf = True
        self._takes_new_to_nowhere = to_new
        return len(open_now)

    def hear(self) -> None:
        """New connections pass again; those that were swallowed once stay swallowed."""
        self._takes_new_to_nowhere = False

    def swallowed(self) -> int:
        """How many of the connections that were open as it went deaf the product has not yet given up."""
        return sum(flow.is_deaf and flow.is_open and flow.was_heard for flow in self._flows)

    # --- The flows' own side ---
    async def reach(self, far: "_Far") -> None:
        """Connects to the next target that listens; raises `OSError` if none does."""
        for left in reversed(range(self._number_of_targets)):
            try:
                await self._loop.create_connection(lambda: far, LOOPBACK, next(self._targets))
            except OSError:
                if not left:
                    raise
            else:
                return

    def took(self, flow: "_Flow") -> None:
        self.connections += 1
        flow.is_deaf = self._takes_new_to_nowhere
        self._flows.append(flow)

    def saw_delivery(self, *, again: bool) -> None:
        self.delivered += 1
        self.redelivered += again


class _Flow:
    """One connection of the product's, with its other half to the broker."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.is_deaf = False
        self.was_heard = False
        self.is_connecting = False
        self.near: asyncio.Transport | None = None
        self.far: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        return self.near is not None

    def cut(self) -> None:
        for transport in (self.near, self.far):
            if transport:
                transport.abort()


class _Near(asyncio.Protocol):
    """The product's end."""

    def __init__(self, relay: Relay) -> None:
        self._flow = _Flow(relay)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._flow.near = transport
        self._flow.relay.took(self._flow)
        if not self._flow.is_deaf:
            # Nothing is read before there is somewhere to pass it on to.
            transport.pause_reading()
            self._flow.is_connecting = True
            self._task = asyncio.get_running_loop().create_task(self._reach(transport))

    async def _reach(self, transport: asyncio.Transport) -> None:
        try:
            await self._flow.relay.reach(_Far(self._flow))
        except OSError:
            self._flow.cut()
        else:
            self._go_on(transport)
        finally:
            self._flow.is_connecting = False

    def _go_on(self, transport: asyncio.Transport) -> None:
        if self._flow.is_open:
            transport.resume_reading()
        else:
            self._flow.cut()

    def data_received(self, data: bytes) -> None:
        if self._flow.far and not self._flow.is_deaf:
            self._flow.far.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._flow.near = None
        # The broker must not learn of it from a relay that is deaf.
        if self._flow.far and not self._flow.is_deaf:
            self._flow.far.close()


class _Far(asyncio.Protocol):
    """The broker's end."""

    def __init__(self, flow: _Flow) -> None:
        self._flow = flow
        self._frames = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._flow.far = transport
        self._flow.was_heard = True

    def data_received(self, data: bytes) -> None:
        if self._flow.near and not self._flow.is_deaf:
            self._count(data)
            self._flow.near.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._flow.far = None
        if self._flow.near and not self._flow.is_deaf:
            self._flow.near.close()

    def _count(self, data: bytes) -> None:
        self._frames += data
        while len(self._frames) >= FRAME_HEAD.size:
            kind, _, size = FRAME_HEAD.unpack_from(self._frames)
            end = FRAME_HEAD.size + size
            if len(self._frames) <= end:
                return
            payload = bytes(self._frames[FRAME_HEAD.size : end])
            del self._frames[: end + 1]
            if kind == METHOD_FRAME and payload.startswith(BASIC_DELIVER):
                # The consumer's tag (a length and so many octets), the delivery's number (8), whether it comes again.
                self._flow.relay.saw_delivery(again=bool(payload[5 + payload[4] + 8] & 1))
