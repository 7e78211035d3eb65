"""Real child processes: each in a process group of its own, its output in a file, none of them left behind."""

import atexit
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from tests.support.servers.forking import Forks

T = TypeVar("T")
#: The longest that a test waits for anything before it fails: no machine is so busy that it is too slow for this.
#: Tests wait for what happens and give no other deadline, and none asserts how long something took.
PATIENCE_SECONDS = 300.0
#: Each look may be a new connection to PostgreSQL, which takes processor time from what is waited for.
POLL_SECONDS = 0.1
#: Below the range that Linux takes outgoing connections' ports from, so that none of those is in the way.
PORTS = range(15_000, 30_000)
# pytest-randomly seeds the ordinary generator alike in every xdist worker: they would all pick the same ports.
_dice = random.SystemRandom()


def wait_until(predicate: Callable[[], T], *, deadline: float = PATIENCE_SECONDS, what: str = "") -> T:
    """The first true value that `predicate` returns. Raises `AssertionError` once `deadline` seconds have passed."""
    end = time.monotonic() + deadline
    while not (value := predicate()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline} s for {what or predicate}; the last value was {value!r}")
        time.sleep(POLL_SECONDS)
    return value


def free_port() -> int:
    while True:
        port = _dice.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


class _Reaper:
    """Our side of `reaper.py`, started with the first thing to watch."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def tell(self, line: str) -> None:
        if self._child is None:
            script = Path(__file__).with_name("reaper.py")
            # A session of its own: Ctrl-C in the terminal must not end it before the tests.
            self._child = subprocess.Popen(
                [sys.executable, "-I", str(script)], stdin=subprocess.PIPE, text=True, start_new_session=True
            )
            atexit.register(self._child.communicate)
        assert self._child.stdin is not None
        self._child.stdin.write(f"{line}\n")
        self._child.stdin.flush()


_reaper = _Reaper()
_forks = Forks()


def servants_name(user: str) -> str | None:
    """`user` where we are root, because the servers refuse to run as root; None where we are somebody already."""
    return user if os.geteuid() == 0 else None


def private_folder(*, prefix: str, user: str | None = None) -> Path:
    """A new folder that only `user` (by default: we) can read; it goes when the test process does."""
    folder = Path(tempfile.mkdtemp(prefix=f"notifier-{prefix}-"))
    _reaper.tell(f"+folder {folder}")
    if user:
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def remove_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _reaper.tell(f"-folder {folder}")


def run_as(
    argv: Sequence[str | Path],
    *,
    user: str | None,
    env: Mapping[str, str],
    cwd: Path,
    stdin: str = "",
) -> str:
    """What the command printed, given `stdin`. Raises `RuntimeError` with everything it said if it fails."""
    done = subprocess.run(
        [str(part) for part in argv],
        env=env,
        cwd=cwd,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Process:
    """One running command."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str],
        cwd: Path,
        user: str | None = None,
        forks: bool = False,
    ) -> None:
        """With `forks` a Python of this project begins with the libraries loaded, where that makes no difference."""
        self.argv = [str(part) for part in argv]
        self.log = log
        forked = _forks.start(self.argv, log=log, env=env, cwd=cwd) if forks else None
        self._popen = forked or self._open(env=env, cwd=cwd, user=user)
        self._is_watched = True
        _reaper.tell(f"+group {self.pid}")

    def _open(self, *, env: Mapping[str, str], cwd: Path, user: str | None) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as output:
            return subprocess.Popen(
                self.argv,
                env=env,
                cwd=cwd,
                user=user,
                group=user,
                extra_groups=[] if user else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def returncode(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._popen.poll()

    def is_running(self) -> bool:
        return self.returncode() is None

    def is_stopped(self) -> bool:
        """Whether a SIGSTOP holds it."""
        return "State:\tT" in Path(f"/proc/{self.pid}/status").read_text()

    def output(self) -> str:
        """Everything it has printed so far, standard output and error together."""
        return self.log.read_text(errors="replace")

    def send(self, number: int) -> None:
        """To the process itself, not its children, as `kill PID` would. No effect once it has ended."""
        self._popen.send_signal(number)

    def wait(self, *, deadline: float = PATIENCE_SECONDS) -> int:
        """The exit status. Raises `AssertionError` with its output if it still runs after `deadline` seconds."""
        try:
            return self._popen.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.argv} still runs after {deadline} s:\n{self.output()[-4000:]}") from None

    def ask_to_stop(self) -> None:
        """SIGTERM, without waiting for what comes of it."""
        self.send(signal.SIGTERM)

    def stop(self, *, number: int = signal.SIGTERM, deadline: float = PATIENCE_SECONDS) -> int:
        """Asks it to end and returns its exit status. Nothing of its group runs afterwards, come what may."""
        try:
            self.send(number)
            return self.wait(deadline=deadline)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        if self._is_watched:
            self._is_watched = False
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()
            _reaper.tell(f"-group {self.pid}")
