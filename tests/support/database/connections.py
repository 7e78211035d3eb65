"""Other database connections, for what two processes do at once."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from django.db import connection, transaction

from tests.support.servers.processes import PATIENCE_SECONDS, wait_until

T = TypeVar("T")


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each returned or raised, each in a thread and on a connection of its own, all let go together."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            start.wait(PATIENCE_SECONDS)
            return call()
        except Exception as error:  # noqa: BLE001  (the test looks at it)
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(PATIENCE_SECONDS) for future in [pool.submit(run, call) for call in calls]]


class OtherConnection:
    """A thread with a connection of its own that does one thing after the other, and can keep a transaction open."""

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(1)
        self._atomic = transaction.atomic()
        return self

    def __exit__(self, *_: object) -> None:
        self.call(lambda: connection.close())
        self._pool.shutdown()

    def start(self, call: Callable[[], T]) -> "Future[T]":
        return self._pool.submit(call)

    def call(self, call: Callable[[], T]) -> T:
        return self.start(call).result(PATIENCE_SECONDS)

    def begin(self) -> None:
        self.call(self._atomic.__enter__)

    def commit(self) -> None:
        self.call(lambda: self._atomic.__exit__(None, None, None))

    def start_and_wait_until_blocked(self, call: Callable[[], T]) -> "Future[T]":
        """PostgreSQL only: returns once `call` waits for a lock that somebody else holds."""
        process = self.call(_backend_pid)
        future = self.start(call)
        wait_until(lambda: future.done() or _is_blocked(process), what="the other connection to meet a lock")
        assert not future.done(), "it met no lock"
        return future


def _backend_pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _is_blocked(process: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [process])
        return bool(cursor.fetchone()[0])


@contextmanager
def impatient() -> Iterator[None]:
    """PostgreSQL only: makes a wait for a lock an error, instead of hanging the test."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1s'")
        try:
            yield
        finally:
            cursor.execute("RESET lock_timeout")
