"""Ends what a test process left behind, however that process died.

It reads `+group PID`, `-group PID`, `+folder PATH` and `-folder PATH` from its standard input. The end of the input
means that the test process is gone, by SIGKILL too, where no `atexit` runs: every group still listed is then killed and
every folder removed. A script of its own, without imports from the project, so that it starts at once.
"""

import os
import shutil
import signal
import sys
from contextlib import suppress

LEFT: dict[str, dict[str, None]] = {"group": {}, "folder": {}}


def note(line: str) -> None:
    kind, _, name = line.rstrip("\n").partition(" ")
    if kind.startswith("+"):
        LEFT[kind[1:]][name] = None
    else:
        LEFT[kind[1:]].pop(name, None)


def end_all() -> None:
    for group in LEFT["group"]:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(int(group), signal.SIGKILL)
    for folder in LEFT["folder"]:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for line in sys.stdin:
        note(line)
    end_all()
