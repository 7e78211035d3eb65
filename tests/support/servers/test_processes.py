import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.servers import processes
from tests.support.servers.processes import Process, wait_until
from tests.support.servers.rabbitmq import accepts

PROJECT = Path(__file__).resolve().parents[3]


def a_process(tmp_path: Path, code: str) -> Process:
    return Process([sys.executable, "-c", code], log=tmp_path / "child.log", env=os.environ, cwd=tmp_path)


def is_alive(pid: int) -> bool:
    try:
        # A zombie has ended: nobody may be there to collect it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_waiting_ends_with_the_first_true_value() -> None:
    values = iter([0, "", 7])

    assert wait_until(lambda: next(values)) == 7


def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(AssertionError, match="for the moon"):
        wait_until(lambda: False, deadline=0.01, what="the moon")


def test_a_stopped_process_tells_its_exit_status_and_output(tmp_path: Path) -> None:
    process = a_process(
        tmp_path,
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)",
    )
    wait_until(lambda: "ready" in process.output())

    assert process.stop() == 3
    assert not process.is_running()


def test_a_kill_takes_the_children_along(tmp_path: Path) -> None:
    process = a_process(
        tmp_path,
        "import subprocess, time\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)",
    )
    child = int(wait_until(lambda: process.output().strip()))

    process.kill()

    assert process.returncode() == -signal.SIGKILL
    wait_until(lambda: not is_alive(child), what="the child's end")


def test_nothing_outlives_a_test_process_that_was_killed(tmp_path: Path) -> None:
    parent = a_process(
        tmp_path,
        f"import os, sys; sys.path.insert(0, {str(PROJECT)!r})\n"
        "from pathlib import Path\n"
        "from tests.support.servers.processes import Process, private_folder\n"
        "folder = private_folder(prefix='orphan')\n"
        "child = Process(['sleep', '60'], log=folder / 'log', env=os.environ, cwd=folder)\n"
        "print(child.pid, folder, flush=True)\n"
        "child.wait()",
    )
    pid, folder = wait_until(lambda: parent.output().split())

    parent.kill()

    wait_until(lambda: not is_alive(int(pid)), what="the orphan's end")
    wait_until(lambda: not Path(folder).exists(), what="the folder's end")


def test_a_free_port_is_free() -> None:
    assert not accepts(processes.free_port())
