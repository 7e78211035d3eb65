"""`make run` with real processes, on a database and a port of its own."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from honcho.printer import Message

from config import launcher
from notifier.staff import published_passwords
from tests.support.servers.processes import PATIENCE_SECONDS, free_port, wait_until
from tests.support.servers.stack import Stack

PROJECT = Path(__file__).resolve().parents[2]
NAMES = ("web", "dispatcher", "email", "sms")


def test_its_users_are_known_to_be_published() -> None:
    assert {launcher.DEMO_USER, *launcher.DEMO_STAFF} == set(published_passwords.NAMES)


class Launch:
    """One run of the launcher in a process group of its own, as a terminal would start it."""

    def __init__(self, folder: Path, *arguments: str, port: int | str, **environment: str) -> None:
        self.port = port
        self._file = (folder / f"output-{port}-{len(list(folder.iterdir()))}").open("w+")
        known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        settings = {
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "for-the-launcher",
            "DEBUG": "on",
            "DATABASE_URL": f"sqlite:///{folder}/notifier.sqlite3",
            "PORT": str(port),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "config.launcher", *arguments],
            cwd=PROJECT,
            env=known | settings | environment,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        return Path(self._file.name).read_text()

    def pids(self) -> dict[str, int]:
        return {name: int(pid) for name, pid in re.findall(r"\| (\w+) started \(pid=(\d+)\)", self.output)}

    def wait_started(self, names: tuple[str, ...] = NAMES) -> dict[str, int]:
        wait_until(lambda: self.ended() or self.pids().keys() >= set(names), what="the processes")
        assert not self.ended(), self.output
        return self.pids()

    def wait_answering(self) -> None:
        wait_until(self._answers, what="the web server")

    def _answers(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=PATIENCE_SECONDS) as response:
                return bool(response.status == 200)
        except OSError:
            assert not self.ended(), self.output
            return False

    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait(self) -> int:
        return self.process.wait(timeout=PATIENCE_SECONDS)

    def clean_up(self) -> None:
        self.process.kill()
        self.process.wait()
        # Those that a launcher which failed its test left behind.
        for pid in self.pids().values():
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        self._file.close()


def is_alive(pid: int) -> bool:
    """Whether the process runs: a dead one that nobody has collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def launches() -> Iterator[list[Launch]]:
    started: list[Launch] = []
    yield started
    for launch in started:
        launch.clean_up()


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A folder with a database that a launcher before has left, migrated and with demo clients."""
    Stack(folder=tmp_path, database_url=f"sqlite:///{tmp_path}/notifier.sqlite3").prepare(clients=1000)
    return tmp_path


def test_everything_starts_ends_on_ctrl_c_with_0_and_goes_on_where_it_left_off(
    tmp_path: Path, launches: list[Launch]
) -> None:
    launches.append(first := Launch(tmp_path, port=free_port()))
    pids = first.wait_started()
    first.wait_answering()
    assert "Added 1,000 demo clients" in first.output
    assert "Log in as admin with the password admin" in first.output
    assert "log in as editor, sender, approver, auditor. The password is the same as the name" in first.output
    assert f"http://localhost:{first.port}/" in first.output

    # The terminal signals its whole foreground group: launcher and helpers.
    os.killpg(first.process.pid, signal.SIGINT)

    assert first.wait() == 0, first.output
    assert not any(is_alive(pid) for pid in pids.values())
    assert "Traceback" not in first.output

    launches.append(second := Launch(tmp_path, port=free_port()))
    second.wait_started()
    second.wait_answering()
    assert "demo clients" not in second.output
    second.process.send_signal(signal.SIGTERM)
    assert second.wait() == 0, second.output


def test_the_pages_bring_their_style_along(filled: Path, launches: list[Launch]) -> None:
    launches.append(launch := Launch(filled, port=free_port()))
    launch.wait_answering()

    with urlopen(f"http://127.0.0.1:{launch.port}/static/admin/css/base.css", timeout=PATIENCE_SECONDS) as response:
        assert response.headers["Content-Type"].startswith("text/css")


def test_a_port_in_use_is_one_line_before_any_work(tmp_path: Path, launches: list[Launch]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        launches.append(launch := Launch(tmp_path, port=taken.getsockname()[1]))

        assert launch.wait() == 1

    assert launch.output == f"error: port {launch.port} is in use. Choose another one: make run PORT=8001\n"
    assert not (tmp_path / "notifier.sqlite3").exists()


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_what_is_no_port_is_one_line(port: str, tmp_path: Path, launches: list[Launch]) -> None:
    launches.append(launch := Launch(tmp_path, port=port))

    assert launch.wait() == 1
    assert launch.output == f"error: PORT={port} is not a port. Use a number from 1 to 65535.\n"


def test_a_database_that_is_away_is_one_line(tmp_path: Path, launches: list[Launch]) -> None:
    away = f"postgres://nobody@127.0.0.1:{free_port()}/none"
    launches.append(launch := Launch(tmp_path, port=free_port(), DATABASE_URL=away))

    assert launch.wait() == 1
    assert launch.output.startswith("error: the database can’t be used: ")
    assert len(launch.output.splitlines()) == 1


def test_a_process_that_ends_by_itself_ends_the_others_and_gives_its_status(
    filled: Path, launches: list[Launch]
) -> None:
    procfile = filled / "Procfile"
    procfile.write_text("stays: exec sleep 600\nfails: sleep 1; exit 7\n")
    launches.append(launch := Launch(filled, str(procfile), port=free_port()))
    pids = launch.wait_started(("stays", "fails"))

    assert launch.wait() == 7, launch.output
    assert not is_alive(pids["stays"])


def test_a_process_that_is_killed_is_a_failure(filled: Path, launches: list[Launch]) -> None:
    launches.append(launch := Launch(filled, port=free_port()))
    pids = launch.wait_started()

    os.kill(pids["dispatcher"], signal.SIGKILL)

    assert launch.wait() == 128 + signal.SIGKILL, launch.output
    assert not any(is_alive(pid) for pid in pids.values())


def test_a_process_may_take_longer_than_honchos_five_seconds_to_end(filled: Path, launches: list[Launch]) -> None:
    procfile = filled / "Procfile"
    procfile.write_text("slow: trap 'sleep 7; echo finished; exit 0' TERM; while :; do sleep 0.1; done\n")
    launches.append(launch := Launch(filled, str(procfile), port=free_port()))
    launch.wait_started(("slow",))

    launch.process.send_signal(signal.SIGINT)

    assert launch.wait() == 0
    assert "finished" in launch.output


def test_a_closed_terminal_ends_everything(filled: Path, launches: list[Launch]) -> None:
    launches.append(launch := Launch(filled, port=free_port()))
    pids = launch.wait_started()

    os.killpg(launch.process.pid, signal.SIGHUP)

    assert launch.wait() == 0, launch.output
    assert not any(is_alive(pid) for pid in pids.values())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_signal_while_a_line_is_written_may_say_something_too() -> None:
    class Terminal(io.RawIOBase):
        is_asked_to_stop = True
        text = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            if self.is_asked_to_stop:
                self.is_asked_to_stop = False
                printer.write(said("sending SIGTERM"))
            self.text += bytes(data)
            return len(data)

    def said(text: str) -> Message:
        return Message(type="line", data=text, time=datetime.now(UTC), name="system", colour=None)

    terminal = Terminal()
    printer = launcher._SturdyPrinter(io.TextIOWrapper(io.BufferedWriter(terminal)))

    printer.write(said("a line"))
    printer.write(said("the next"))

    assert not terminal.is_asked_to_stop
    assert b"a line" in terminal.text
    assert terminal.text.endswith(b"the next\n")


def test_nothing_outlives_a_launcher_that_is_killed(filled: Path, launches: list[Launch]) -> None:
    launches.append(launch := Launch(filled, port=free_port()))
    pids = launch.wait_started()

    launch.process.kill()
    launch.process.wait()

    wait_until(lambda: not any(is_alive(pid) for pid in pids.values()), what="the processes' end")


def test_without_debug_there_is_no_demo_user(tmp_path: Path, launches: list[Launch]) -> None:
    procfile = tmp_path / "Procfile"
    procfile.write_text("ends: exit 0\n")
    launches.append(launch := Launch(tmp_path, str(procfile), port=free_port(), DEBUG="off", HTTPS="off"))

    assert launch.wait() == 0, launch.output
    assert "admin" not in launch.output
