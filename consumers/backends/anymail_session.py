"""Knows how far a request of anymail's came: its HTTP session connects, and shakes hands, before any of it is sent.

And gives up once its whole answer has taken longer than EMAIL_TIMEOUT: the time-out of `requests` begins anew with each
byte.
"""

import http.client
import io
import socket
from collections.abc import Callable
from typing import Any

import requests
import urllib3
from django.conf import settings
from requests.adapters import HTTPAdapter

from consumers.backends.base import Deadline
from consumers.backends.progress import Progress


def watch(session: requests.Session, reached: Callable[[Progress], None], deadline: Deadline) -> None:
    """Call `reached` whenever a request of this session comes so far, and read its answer by the deadline."""
    send = session.send

    def noted(*arguments: Any, **options: Any) -> Any:
        reached(Progress.CONNECTING)
        return send(*arguments, **options)

    session.send = noted  # type: ignore[method-assign]
    adapter = _Adapter(lambda: reached(Progress.WRITING), deadline)
    session.mount("https://", adapter)
    session.mount("http://", adapter)


class _Adapter(HTTPAdapter):
    def __init__(self, begins: Callable[[], None], deadline: Deadline) -> None:
        self._pools = _pools(begins, deadline)
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager


class _AnswerFile(io.RawIOBase):
    """What the answer is read from, instead of the socket's own file."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: Deadline) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _pools(begins: Callable[[], None], deadline: Deadline) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """urllib3's, whose connections say when a request begins: over TLS that is after the handshake."""

    class Answer(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
            super().__init__(sock, *arguments, **options)
            raw: Any = self.fp.detach()
            self.fp = io.BufferedReader(_AnswerFile(raw, sock, deadline))
            deadline.begin_step(settings.EMAIL_TIMEOUT)

    class Plain(urllib3.connection.HTTPConnection):
        response_class = Answer

        def request(self, *arguments: Any, **options: Any) -> None:
            begins()
            super().request(*arguments, **options)

    class Tls(urllib3.connection.HTTPSConnection):
        response_class = Answer

        def request(self, *arguments: Any, **options: Any) -> None:
            begins()
            super().request(*arguments, **options)

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}
