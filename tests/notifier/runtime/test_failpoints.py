import signal
import subprocess
import sys

import pytest

from notifier.runtime import failpoints
from tests.support.servers.processes import PATIENCE_SECONDS

SCRIPT = """
from notifier.runtime import failpoints
for number in range(4):
    failpoints.reached("claim.committed")
    print(number, flush=True)
"""


def run(order: str) -> subprocess.CompletedProcess[str]:
    env = {failpoints.ENVIRONMENT_NAME: order} if order else {}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )


def test_unarmed_nothing_happens() -> None:
    done = run("")

    assert (done.returncode, done.stdout.split()) == (0, ["0", "1", "2", "3"])


def test_the_process_is_killed_at_the_time_that_was_asked_for() -> None:
    done = run("claim.committed:3")

    assert (done.returncode, done.stdout.split()) == (-signal.SIGKILL, ["0", "1"])


def test_another_point_is_passed() -> None:
    assert run("settle.committed").returncode == 0


def test_an_error_is_one_of_the_database() -> None:
    done = run("claim.committed:1:error")

    assert done.returncode == 1
    assert "FailpointReached: failpoint claim.committed" in done.stderr


@pytest.mark.parametrize("order", ["nowhere", "claim.committed:x", "claim.committed:1:dance"])
def test_a_misprint_is_refused_at_the_start(order: str) -> None:
    done = run(order)

    assert done.returncode == 1
    assert "is not a point of" in done.stderr
