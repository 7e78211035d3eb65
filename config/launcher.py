"""`make run`: prepares the database, then runs the web server, the dispatcher and the consumers under one parent."""

import ctypes
import errno
import multiprocessing
import os
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import django
import honcho.manager
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections
from honcho.environ import parse_procfile
from honcho.printer import Message, Printer
from honcho.process import Popen

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
DEMO_USER = "admin"
#: Further users of the first start, and the group of each.
DEMO_STAFF = {"editor": "Editors", "sender": "Senders", "approver": "Approvers", "auditor": "Auditors"}
# Longer than a consumer takes to finish its window: the slowest answer that it waits for, and the settling.
KILL_WAIT_SECONDS = 90
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class LaunchError(Exception):
    """What is wrong and how to mend it, in one line."""


def main(arguments: list[str]) -> int:
    """The exit status: 0 when asked to stop, else that of the process that ended first."""
    procfile = Path(arguments[0]) if arguments else ROOT / "Procfile.dev"
    try:
        port = choose_port(os.environ.get("PORT") or "8000")
        prepare(port)
        return run(procfile, port)
    except (LaunchError, ImproperlyConfigured, CommandError) as error:
        print(f"error: {error}", file=sys.stderr)
    except DatabaseError as error:
        print(
            f"error: the database can’t be used: {' '.join(str(error).split())}. Check DATABASE_URL.", file=sys.stderr
        )
    except KeyboardInterrupt:
        return 0
    return 1


# --- Before the processes ---------------------------------------------------------------------------------------------
def choose_port(text: str) -> int:
    """The port, once it is known to be free: nothing is touched otherwise."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise LaunchError(f"PORT={text} is not a port. Use a number from 1 to 65535.")
    with socket.socket() as probe:
        # As gunicorn does: the last run's closed connections don't count as a use.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, int(text)))
        except OSError as error:
            why = "in use" if error.errno == errno.EADDRINUSE else f"not available ({error.strerror})"
            raise LaunchError(f"port {text} is {why}. Choose another one: make run PORT=8001") from error
    return int(text)


def prepare(port: int) -> None:
    """Brings the database up to date, with something to see in it the first time."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    if port != 8000:
        os.environ.setdefault("PUBLIC_URL", f"http://localhost:{port}")
    call_command("migrate", verbosity=0)
    if not settings.DEBUG:
        # Where DEBUG is on they come straight from their sources.
        call_command("collectstatic", interactive=False, verbosity=0)
    load_demo_data()
    if settings.DEBUG:
        make_demo_user()
    # The processes are forked from this one and must not share its connections.
    connections.close_all()


def load_demo_data() -> None:
    if not any(apps.get_model("notifier", name).objects.exists() for name in ("Client", "Notification")):
        call_command("load_demo")


def make_demo_user() -> None:
    users = apps.get_model("auth", "User").objects
    if not users.exists():
        users.create_superuser(DEMO_USER, "admin@example.com", DEMO_USER)
        make_demo_staff()
    user = users.filter(username=DEMO_USER, is_active=True).first()
    if user and user.check_password(DEMO_USER):
        print(f"Log in as {DEMO_USER} with the password {DEMO_USER}. This user is only created when DEBUG is on.")
        names = users.filter(username__in=DEMO_STAFF, is_active=True).order_by("pk").values_list("username", flat=True)
        if names:
            print(f"To see what others can do, log in as {', '.join(names)}. The password is the same as the name.")


def make_demo_staff() -> None:
    """One for each group: what one writes another sends, and a third approves."""
    groups = apps.get_model("auth", "Group").objects
    for name, group_name in DEMO_STAFF.items():
        user = apps.get_model("auth", "User").objects.create_user(name, f"{name}@example.com", name, is_staff=True)
        user.groups.add(*groups.filter(name=group_name))


# --- The processes ----------------------------------------------------------------------------------------------------
def run(procfile: Path, port: int) -> int:
    # Helpers that are forked take over our handlers; any other start method leaves them open to a closing terminal.
    multiprocessing.set_start_method("fork", force=True)
    honcho.manager.KILL_WAIT = KILL_WAIT_SECONDS
    processes = Processes(_SturdyPrinter(sys.stdout))
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
    }
    for name, command in parse_procfile(procfile.read_text()).processes.items():
        processes.add_process(name, command, env=environment, cwd=str(ROOT))
    print(f"Notifier is at http://localhost:{port}/ – Press Ctrl-C to stop it.", flush=True)
    processes.loop()
    status = processes.returncode or 0
    # A process that a signal ended has a negative status, which no exit status can be.
    return 128 - status if status < 0 else status


class Processes(honcho.manager.Manager):
    """Honcho's manager, that ends with 0 when asked to, counts its wait from there, and leaves no orphans."""

    #: The exit status, once something has ended or somebody has asked.
    returncode: int | None

    def add_process(self, *arguments: Any, **options: Any) -> Any:
        process = super().add_process(*arguments, **options)
        process._child_ctor = _start_bound_to_parent
        return process

    def _start(self) -> None:
        # Here, for `loop` has just set handlers of its own, which end with 130 and know no SIGHUP.
        for number in STOP_SIGNALS:
            signal.signal(number, self._asked_to_stop)
        super()._start()

    def _asked_to_stop(self, number: int, frame: FrameType | None) -> None:
        again = self.returncode is not None
        self.returncode = 0 if self.returncode is None else self.returncode
        if again and self._all_started():
            # The consumers take a second signal for "now".
            self._killall()
        self.terminate()

    def terminate(self) -> None:
        # Before all have told their ids there is nothing to signal them by; the loop comes back here.
        if self._all_started():
            super().terminate()

    def _any_stopped(self) -> bool:
        return self.returncode is not None or super()._any_stopped()


class _SturdyPrinter(Printer):
    def write(self, message: Message) -> None:
        # The terminal may be closed, or a signal may meet us while we write, when nothing else can be written: the
        # processes still have to be stopped in order.
        with suppress(OSError, RuntimeError):
            super().write(message)


def _start_bound_to_parent(*arguments: Any, **options: Any) -> Popen:
    """Starts the process so that it ends even where we are killed: we → honcho's helper → the process."""
    _when_parent_dies(signal.SIGKILL)
    return Popen(*arguments, preexec_fn=partial(_when_parent_dies, signal.SIGTERM), **options)


def _when_parent_dies(number: signal.Signals) -> None:
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
