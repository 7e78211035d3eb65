"""Knows how far a request of anymail's came: its HTTP session connects, and shakes hands, before any of it is sent."""

from collections.abc import Callable
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from consumers.backends.progress import Progress


def watch(session: requests.Session, reached: Callable[[Progress], None]) -> None:
    """Call `reached` whenever a request of this session comes so far."""
    send = session.send

    def noted(*arguments: Any, **options: Any) -> Any:
        reached(Progress.CONNECTING)
        return send(*arguments, **options)

    session.send = noted  # type: ignore[method-assign]
    adapter = _Adapter(lambda: reached(Progress.WRITING))
    session.mount("https://", adapter)
    session.mount("http://", adapter)


class _Adapter(HTTPAdapter):
    def __init__(self, begins: Callable[[], None]) -> None:
        self._pools = _pools(begins)
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(begins: Callable[[], None]) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """urllib3's, whose connections say when a request begins: over TLS that is after the handshake."""

    class Plain(urllib3.connection.HTTPConnection):
        def request(self, *arguments: Any, **options: Any) -> None:
            begins()
            super().request(*arguments, **options)

    class Tls(urllib3.connection.HTTPSConnection):
        def request(self, *arguments: Any, **options: Any) -> None:
            begins()
            super().request(*arguments, **options)

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}
