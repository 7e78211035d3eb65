"""Python processes without a new Python for each: one has Django and the libraries loaded, and forks for each of them.

    python -m tests.support.servers.forking

Of the processor time that a process of the product takes to start, more than half goes into what others wrote. None of
that knows a setting, and nothing that does is loaded before the fork: a process reads its own environment, the settings
and all of the product as if it were new. It is our own child, in a session of its own, and ends as any other.
"""

import atexit
import ctypes
import gc
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from io import BufferedRWPair
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[3]
#: What takes longest to load. Whatever needs settings fails without them, and is loaded after the fork.
LIBRARIES = (
    "anymail.message",
    "csp.constants",
    "django.contrib.admin.views.main",
    "django.contrib.auth.hashers",
    "django.contrib.sessions.backends.base",
    "django.contrib.staticfiles.finders",
    "django.core.handlers.wsgi",
    "django.core.mail.backends.smtp",
    "django.core.management",
    "django.db.backends.postgresql.base",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.executor",
    "django.middleware.common",
    "django.template.defaultfilters",
    "django.template.loader_tags",
    "django.views.generic",
    "django_htmx.middleware",
    "environ",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "httpcore",
    "httpx",
    "markdown_it",
    "msgspec",
    "nh3",
    "openpyxl",
    "phonenumbers",
    "phonenumbers.tzdata",
    "pika",
    "PIL.ImageCms",
    "PIL.PngImagePlugin",
    "requests",
    "simple_history",
)
#: What Python and the C library read when they start, and not again.
READ_AT_START = ("GLIBC_", "LD_", "MALLOC_", "PYTHON")
#: Linux gives an orphan to its next ancestor that has asked for it, by this call.
PR_SET_CHILD_SUBREAPER = 36


class Forked:
    """A child as `subprocess.Popen` has it, as far as `Process` needs that."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        with self._lock:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end = time.monotonic() + timeout if timeout is not None else None
        pause = 0.001
        while (status := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
        return status

    def send_signal(self, number: int) -> None:
        with self._lock:
            if self.returncode is None:
                # Nobody else waits for it, so that the number is still its own.
                os.kill(self.pid, number)


class Forks:
    """Our side: started with the first process, it ends with us."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: BufferedRWPair | None = None
        self._env: dict[str, str] = {}
        #: Of the process that forks.
        self.pid = 0

    def start(self, argv: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path) -> Forked | None:
        """`[python, "manage.py", …]` or `[python, "-m", …]`; None where it takes a Python of its own."""
        is_python = argv[0] == sys.executable and (argv[1] == "-m" or argv[1].endswith(".py"))
        if sys.platform != "linux" or not is_python or cwd != PROJECT:
            return None
        with self._lock:
            connection = self._connection or self._open()
            if _read_at_start(env) != _read_at_start(self._env):
                return None
            order = {"argv": argv[1:], "log": str(log), "env": dict(env), "cwd": str(cwd)}
            # There from the start, as if we had opened it.
            log.touch()
            _adopt_orphans(True)
            try:
                connection.write(json.dumps(order).encode() + b"\n")
                connection.flush()
                return Forked(int(connection.readline()))
            finally:
                _adopt_orphans(False)

    def _open(self) -> BufferedRWPair:
        ours, theirs = socket.socketpair()
        self._env = os.environ | {"PYTHONUNBUFFERED": "1"}
        # Whatever asks for a setting before the fork fails, and with it every test of a process.
        self._env.pop("DJANGO_SETTINGS_MODULE", None)
        argv = [sys.executable, "-m", __name__]
        with theirs:
            # A session of its own: Ctrl-C in the terminal must not end it before the tests.
            process = subprocess.Popen(argv, stdin=theirs.fileno(), cwd=PROJECT, env=self._env, start_new_session=True)
        with ours:
            connection = self._connection = ours.makefile("rwb")
        self.pid = process.pid
        atexit.register(process.wait)
        atexit.register(connection.close)
        return connection


def _read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(READ_AT_START)}


def _adopt_orphans(ours: bool) -> None:
    """Only while one is made: those of other tests' processes are nothing to us, and nobody would bury them."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(ours), 0, 0, 0)


def main() -> dict[str, Any]:
    """Forks for each order, and returns the order in the new process only."""
    with socket.socket(fileno=os.dup(0)) as connection, connection.makefile("rwb") as orders:
        for name in LIBRARIES:
            import_module(name)
        # No process looks for garbage in it, or copies its memory by that.
        gc.freeze()
        for line in orders:
            reading, writing = os.pipe()
            if os.fork() == 0:
                os.close(reading)
                order: dict[str, Any] = json.loads(line)
                _leave(writing)
                break
            os.close(writing)
            # Once that one has ended, its child is the tests' own.
            os.wait()
            with open(reading, "rb") as pid:
                orders.write(pid.read() + b"\n")
                orders.flush()
        else:
            sys.exit()
    _become(order)
    return order


def _leave(writing: int) -> None:
    """Returns in a child of this child, which ends, so that the other is an orphan; it tells its number."""
    if os.fork():
        os._exit(0)
    os.setsid()
    with open(writing, "wb") as told:
        told.write(str(os.getpid()).encode())


def _become(order: dict[str, Any]) -> None:
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for number, standard in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(number, standard)
    for number in (nothing, log):
        os.close(number)


def run(argv: Sequence[str]) -> None:
    """What `python *argv` would do."""
    if argv[0] == "-m":
        sys.argv = list(argv[1:])
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(argv)
        sys.path[0] = str(Path(argv[0]).resolve().parent)
        runpy.run_path(argv[0], run_name="__main__")


if __name__ == "__main__":
    run(main()["argv"])
