import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers.forking import PROJECT, READ_AT_START
from tests.support.servers.processes import Process, wait_until

#: Where nothing is kept from the collector, it is a Python of its own.
TOLD = """
import gc, json, os, sys
print(json.dumps({
    "is_forked": gc.get_freeze_count() > 0, "argv": sys.argv, "path": sys.path[0], "environ": dict(os.environ),
    "name": __name__, "cwd": os.getcwd(), "parent": os.getppid(), "session": os.getsid(0), "pid": os.getpid(),
    "files": [os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd") if number != "3"],
    "libraries": "django.db.models" in sys.modules,
    "ours": [name for name in sys.modules if name.partition(".")[0] in ("config", "consumers", "notifier")],
    "is_configured": "django.conf" in sys.modules and sys.modules["django.conf"].settings.configured,
}))
"""
Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    def start(code: str, *argv: str, forks: bool = True, **env: str) -> Process:
        script = tmp_path / "script.py"
        script.write_text(code)
        ours = {name: value for name, value in os.environ.items() if name.startswith(READ_AT_START)}
        # Where the locale is C, Python sets the last one itself when it starts.
        environ = ours | {"PYTHONUNBUFFERED": "1", "LC_CTYPE": "C.UTF-8"} | env
        log = tmp_path / "log"
        return Process([sys.executable, str(script), *argv], log=log, env=environ, cwd=PROJECT, forks=forks)

    return start


def told(process: Process) -> dict[str, Any]:
    assert process.wait() == 0, process.output()
    found: dict[str, Any] = json.loads(process.output().splitlines()[-1])
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives us orphans")
def test_it_is_as_a_new_python_but_for_the_libraries(start: Start) -> None:
    forked = told(start(TOLD, "a", "b c", NAME="value"))
    new = told(start(TOLD, "a", "b c", NAME="value", forks=False))

    assert (forked.pop("is_forked"), new.pop("is_forked")) == (True, False)
    assert (forked.pop("libraries"), new.pop("libraries")) == (True, False)
    assert forked.pop("pid") == forked.pop("session")
    assert new.pop("pid") == new.pop("session")
    assert forked == new
    assert forked["ours"] == []
    assert forked["parent"] == os.getpid()


def test_what_python_reads_only_when_it_starts_takes_a_new_one(start: Start) -> None:
    assert not told(start(TOLD, MALLOC_ARENA_MAX="1"))["is_forked"]
    assert not told(start(TOLD, PYTHONHASHSEED="7"))["is_forked"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("", 0),
        ("raise SystemExit(3)", 3),
        ("raise SystemExit('no')", 1),
        ("1 / 0", 1),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("import threading, time; threading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()", 0),
        ("import atexit; atexit.register(print, 'late')", 0),
    ],
)
def test_it_ends_and_speaks_as_a_new_python(start: Start, code: str, status: int) -> None:
    said = []
    for forks in (True, False):
        process = start(code, forks=forks)
        assert process.wait() == status
        assert process.returncode() == status
        said.append(process.output().strip().rpartition("\n")[2])
        process.log.unlink()

    assert said[0] == said[1]


def test_it_is_stopped_and_killed_as_any_other(start: Start) -> None:
    process = start("import signal; print('ready'); signal.pause()")
    wait_until(process.output)
    assert process.is_running()
    with pytest.raises(AssertionError, match="still runs"):
        process.wait(deadline=0.01)

    assert process.stop() == -signal.SIGTERM

    # Without effect.
    process.send(signal.SIGTERM)
    process.kill()


def test_nothing_outlives_a_test_process_that_was_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from tests.support.servers import processes\n"
        "folder = Path(sys.argv[1])\n"
        "(folder / 'child.py').write_text('import time; time.sleep(600)')\n"
        "env = os.environ | {'PYTHONUNBUFFERED': '1'}\n"
        "argv = [sys.executable, str(folder / 'child.py')]\n"
        "child = processes.Process(argv, log=folder / 'log', env=env, cwd=processes.Path.cwd(), forks=True)\n"
        "print(processes._forks.pid, child.pid, flush=True)\n"
        "child.wait()\n"
    )
    argv = [sys.executable, "-c", code, str(tmp_path)]
    parent = Process(argv, log=tmp_path / "parent", env=os.environ, cwd=PROJECT)
    pids = wait_until(lambda: parent.output().split())
    assert len(set(pids)) == 2, parent.output()

    parent.kill()

    wait_until(lambda: not any(_is_alive(pid) for pid in pids), what="their end")


def _is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
