"""Our own programs without a new Python for each: one process has their libraries loaded, and forks for every program.

    python -m tests.support.servers.forks

It reads a program a line from its standard input, `{"argv": ["manage.py", …], "log": …, "env": {…}, "cwd": …}`, answers
`{"pid": 123}`, and tells `{"pid": 123, "ended": -9}` once that ends. The end of the input ends it, and no program. Only
libraries are loaded beforehand: all that reads settings or is the product's own, each program loads for itself.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[3]
#: What our programs import, between them.
PROGRAMS = (
    "config.urls",
    "consumers.worker",
    "consumers.sender",
    "notifier.delivery.dispatcher",
    "notifier.management.commands.broadcast",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "tests.support.fakes.smtp",
    "tests.support.fakes.sms",
)
OURS = ("config", "consumers", "notifier", "tests", "manage", "__main__", "__mp_main__")
#: For the one look at what they import.
NEUTRAL = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "ENV_FILE": os.devnull,
    "DEBUG": "on",
    "SECRET_KEY": "only-to-see-what-is-imported",
    "DATABASE_URL": "sqlite://:memory:",
}
POLL_SECONDS = 0.01


# --- The side of the tests --------------------------------------------------------------------------------------------
class Server:
    """Starts programs. May be used by any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._child: subprocess.Popen[bytes] | None = None
        self._said = b""
        self._pids: list[int] = []
        self._ended: dict[int, int] = {}

    def start(self, argv: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path) -> "Forked":
        """`argv` without the Python: a script, or `-m` and a module."""
        order = {"argv": list(argv), "log": str(log), "env": dict(env), "cwd": str(cwd)}
        with self._lock:
            child = self._child = self._child or self._start()
            assert child.stdin is not None
            child.stdin.write(json.dumps(order).encode() + b"\n")
            child.stdin.flush()
            while not self._pids:
                self._listen(seconds=None)
            return Forked(self, self._pids.pop())

    def _start(self) -> "subprocess.Popen[bytes]":
        # Nothing that a setting of the tests could change; a session of its own, because of Ctrl-C.
        env = {name: value for name, value in os.environ.items() if name not in NEUTRAL}
        argv = [sys.executable, "-m", "tests.support.servers.forks"]
        child = subprocess.Popen(
            argv, cwd=PROJECT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        atexit.register(child.communicate)
        return child

    def ended(self, pid: int) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        with self._lock:
            self._listen(seconds=0)
            return self._ended.get(pid)

    def _listen(self, *, seconds: float | None) -> None:
        assert self._child is not None
        assert self._child.stdout is not None
        source = self._child.stdout.fileno()
        while select.select([source], [], [], seconds)[0]:
            if not (chunk := os.read(source, 65536)):
                raise RuntimeError("the process that forks has ended")
            *lines, self._said = (self._said + chunk).split(b"\n")
            for said in map(json.loads, lines):
                if "ended" in said:
                    self._ended[said["pid"]] = said["ended"]
                else:
                    self._pids.append(said["pid"])
            seconds = 0


class Forked:
    """What `Process` needs of a `subprocess.Popen`."""

    def __init__(self, server: Server, pid: int) -> None:
        self._server = server
        self.pid = pid

    def poll(self) -> int | None:
        return self._server.ended(self.pid)

    def wait(self, timeout: float | None = None) -> int:
        end = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            time.sleep(POLL_SECONDS)
        return status

    def send_signal(self, number: int) -> None:
        # What has ended may have lent its number to another.
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


# --- The process that forks -------------------------------------------------------------------------------------------
def main() -> None:
    for name in _libraries():
        # What needs settings, or the models, is left to each program.
        with suppress(Exception):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    if order := _serve():
        _run(order)


def _libraries() -> list[str]:
    """What is in memory once our programs have been imported, and isn't ours, in that order."""
    look = f"import django, importlib, sys; django.setup(); [importlib.import_module(n) for n in {PROGRAMS}]"
    done = subprocess.run(
        [sys.executable, "-c", f"{look}; print(*sys.modules, sep='\\n')"],
        env=os.environ | NEUTRAL,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [name for name in done.stdout.split() if name.partition(".")[0] not in OURS]


def _serve() -> dict[str, Any] | None:
    """Forks for every order. Returns the order in the child, and None here at the end of the input."""
    deaths, noticed = os.pipe()
    os.set_blocking(noticed, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(noticed, warn_on_full_buffer=False)
    heard = b""
    with selectors.DefaultSelector() as ready:
        ready.register(0, selectors.EVENT_READ)
        ready.register(deaths, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                chunk = os.read(key.fd, 65536)
                if key.fd == deaths:
                    _tell_ended()
                elif not chunk:
                    return None
                else:
                    *lines, heard = (heard + chunk).split(b"\n")
                    for line in lines:
                        order: dict[str, Any] = json.loads(line)
                        if (pid := os.fork()) == 0:
                            return order
                        # Here too: whoever is told of it may kill its group at once.
                        _lead_a_group(pid)
                        _tell(pid=pid)


def _lead_a_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)


def _tell_ended() -> None:
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            _tell(pid=found[0], ended=os.waitstatus_to_exitcode(found[1]))


def _tell(**said: int) -> None:
    os.write(1, json.dumps(said).encode() + b"\n")


def _run(order: Mapping[str, Any]) -> None:
    """Becomes the program, as if it had been started anew."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _lead_a_group(0)
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w", buffering=1), open(2, "w", buffering=1)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    os.chdir(order["cwd"])
    sys.path[0] = order["cwd"]
    first, *rest = order["argv"]
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = order["argv"]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    main()
