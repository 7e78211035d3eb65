"""Makes `.venv` and `.env`, so that `make run` needs Python alone. Runs under any Python, standard library only.

`bootstrap.py run` installs what the product needs, `bootstrap.py dev` what the tests and checks need as well.
"""

import sys

# Before anything that an older Python could not read.
if sys.version_info < (3, 11):  # noqa: UP036 - any Python may run this
    sys.exit(
        "error: Notifier needs Python 3.11 or newer; this is "
        + ".".join(map(str, sys.version_info[:3]))
        + ". Install one, or name it: make run PYTHON=/path/to/python3"
    )

import hashlib
import importlib.util
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"run": "requirements.txt", "dev": "requirements-dev.txt"}
#: What pip writes to its log when the index can't be reached.
NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|Failed to establish a new connection|ConnectTimeout|ReadTimeout"
    r"|Temporary failure in name resolution|ProxyError|Network is unreachable|Connection refused"
)


class BootstrapError(Exception):
    """What is wrong and how to mend it, in one line."""


def main(arguments: list[str]) -> int:
    if arguments not in (["run"], ["dev"]):
        print("usage: bootstrap.py run|dev", file=sys.stderr)
        return 2
    try:
        prepare(ROOT, arguments[0])
    except BootstrapError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The next run continues from here.", file=sys.stderr)
        return 1
    return 0


def prepare(root: Path, purpose: str) -> None:
    (root / "var").mkdir(exist_ok=True)
    make_venv(root)
    install(root, purpose)
    write_env(root)


# --- The virtual environment ------------------------------------------------------------------------------------------
def make_venv(root: Path) -> None:
    """Leaves a `.venv` with a working Python and pip; one that is broken, or half installed, is made anew."""
    venv = root / ".venv"
    if works(venv) and not marker(venv).exists():
        return
    if not importlib.util.find_spec("venv") or not importlib.util.find_spec("ensurepip"):
        package = f"python3.{sys.version_info.minor}-venv"
        raise BootstrapError(
            f"this Python can't make a virtual environment. On Debian or Ubuntu: apt install {package}"
        )
    say("Making .venv …")
    if venv.exists():
        shutil.rmtree(venv)
    made = subprocess.run([sys.executable, "-m", "venv", venv], capture_output=True, text=True)
    if made.returncode or not works(venv):
        raise BootstrapError(f"{sys.executable} -m venv failed: {last_line(made.stdout + made.stderr)}")


def works(venv: Path) -> bool:
    probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        return not subprocess.run([venv / "bin" / "python", "-c", probe], capture_output=True).returncode
    except OSError:
        return False


def marker(venv: Path) -> Path:
    """There while packages are being installed: found at the start, it tells of an install that was cut short."""
    return venv / "installing"


# --- The packages -----------------------------------------------------------------------------------------------------
def install(root: Path, purpose: str) -> None:
    """Installs the lock, unless this very lock is installed already. The development lock contains the other."""
    venv, stamp = root / ".venv", root / ".venv" / "installed"
    lock = fingerprint(root)
    known = stamp.read_text().split() if stamp.exists() else []
    if known in ([purpose, lock], ["dev", lock]):
        return
    say(f"Installing the packages of {LOCKS[purpose]} …")
    stamp.unlink(missing_ok=True)
    marker(venv).touch()
    run_pip(root, LOCKS[purpose])
    write_whole(stamp, f"{purpose} {lock}\n")
    marker(venv).unlink()


def fingerprint(root: Path) -> str:
    return hashlib.sha256(b"\0".join((root / name).read_bytes() for name in LOCKS.values())).hexdigest()


def run_pip(root: Path, lock: str) -> None:
    log = root / "var" / "pip.log"
    log.unlink(missing_ok=True)
    command: list[str | Path] = [
        root / ".venv/bin/python",
        "-m",
        "pip",
        "install",
        "--require-hashes",
        "--no-input",
        "--quiet",
    ]
    command += ["--disable-pip-version-check", "--retries", "2", "--log", log, "-r", root / lock]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return
    said = log.read_text(errors="replace") if log.exists() else done.stderr
    if NO_NETWORK.search(said):
        raise BootstrapError("pip can't reach the package index: is there a network? Details are in var/pip.log.")
    raise BootstrapError(f"pip couldn't install {lock}: {last_line(done.stderr)} Details are in var/pip.log.")


def last_line(text: str) -> str:
    """The last line that names an error, or simply the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return ([line for line in lines if line.startswith("ERROR")] or lines or ["it said nothing."])[-1]


# --- The settings -----------------------------------------------------------------------------------------------------
def write_env(root: Path) -> None:
    """Writes `.env` with a secret key of its own; one that is there is left alone."""
    if (root / ".env").exists():
        return
    example = (root / ".env.example").read_text()
    text, found = re.subn(r"^SECRET_KEY=.*$", f"SECRET_KEY={secrets.token_urlsafe(50)}", example, flags=re.MULTILINE)
    if found != 1:
        raise BootstrapError(".env.example must have one line that begins with SECRET_KEY=.")
    write_whole(root / ".env", text)
    say("Wrote .env with a fresh SECRET_KEY.")


def write_whole(path: Path, text: str) -> None:
    """Writes all of it or nothing, readable by its owner alone (`mkstemp` makes it so)."""
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
