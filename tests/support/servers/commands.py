"""Management commands without a new Python for each: one process has the product loaded, and forks for every command.

    python -m tests.support.servers.commands SOCKET

Takes `["broadcast", "1", "--json"]` over the socket and answers with `[exit status, output, errors]`.
"""

import json
import os
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import django
from django.conf import settings
from django.db import connections

import manage

#: Longer than any list of arguments.
MAX_BYTES = 1_000_000


def ask(address: Path, argv: Sequence[str], *, seconds: float) -> tuple[int, str, str]:
    """Raises `OSError` where nobody listens, and `TimeoutError` if the command takes longer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(str(address))
        connection.sendall(json.dumps(argv).encode())
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            status, output, errors = json.loads(answer.read())
    return status, output, errors


def main() -> None:
    django.setup()
    # Nobody waits for the children.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        unheard = f"{sys.argv[1]}.new"
        listener.bind(unheard)
        listener.listen()
        # Whoever sees it may connect.
        os.rename(unheard, sys.argv[1])
        while True:
            connection, _ = listener.accept()
            # Almost every command checks the pages, and would load them all, longer than the rest of it takes.
            import_module(settings.ROOT_URLCONF)
            with connection:
                if os.fork() == 0:
                    listener.close()
                    _serve(connection)


def _serve(connection: socket.socket) -> None:
    """Runs one command in this process, which ends with it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection.makefile("rb") as question:
        argv = json.loads(question.read(MAX_BYTES))
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        os.dup2(output.fileno(), 1)
        os.dup2(errors.fileno(), 2)
        status = _run(argv)
        sys.stdout.flush()
        sys.stderr.flush()
        connections.close_all()
        said = [os.pread(file.fileno(), MAX_BYTES, 0).decode(errors="replace") for file in (output, errors)]
        connection.sendall(json.dumps([status, *said]).encode())
    os._exit(0)


def _run(argv: Sequence[str]) -> int:
    """The exit status, as Python would have it."""
    sys.argv = ["manage.py", *argv]
    try:
        manage.main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except BaseException:  # noqa: BLE001  (told to whoever asked, as an uncaught error would be)
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main()
