"""That the pictures can be taken: the program begins where no settings have been chosen, as make starts it."""

import os
import subprocess
import sys

from tests.support.servers.stack import PROJECT


def test_it_starts_by_itself() -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")}

    told = subprocess.run(
        [sys.executable, "-m", "tests.screenshots", "--help"],
        cwd=PROJECT,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 0, told.stderr
    assert "--docs" in told.stdout
