"""What `make run` does before it starts anything, in a copy of the project with a lock that costs pip nothing."""

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.servers.processes import PATIENCE_SECONDS

PROJECT = Path(__file__).resolve().parents[2]
UNREACHABLE = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_FIND_LINKS": ""}
Bootstrap = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    copy_project(tmp_path)
    return tmp_path


def copy_project(folder: Path) -> None:
    (folder / "config").mkdir()
    for name in ("config/bootstrap.py", ".env.example", "Makefile"):
        shutil.copy(PROJECT / name, folder / name)
    lock(folder)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which bootstrap ran, to be copied: making a virtual environment takes four seconds."""
    folder = tmp_path_factory.mktemp("prepared")
    copy_project(folder)
    subprocess.run([sys.executable, "-I", "config/bootstrap.py", "run"], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def done(root: Path, prepared: Path) -> Path:
    """`root`, where bootstrap ran before."""
    shutil.copytree(prepared, root, symlinks=True, dirs_exist_ok=True)
    return root


def lock(root: Path, text: str = "") -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        (root / name).write_text(f"# nothing\n{text}")


def wheel(folder: Path) -> str:
    """Puts a package into the folder, and returns its hash."""
    folder.mkdir()
    path = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "tiny.py,,\ntiny-1.0.dist-info/RECORD,,\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def bootstrap(root: Path) -> Bootstrap:
    def run(
        purpose: str = "run", *, python: str = sys.executable, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, "-I", "config/bootstrap.py", purpose],
            cwd=root,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    return run


def test_a_new_checkout_gets_its_environment_and_its_settings(root: Path, bootstrap: Bootstrap) -> None:
    result = bootstrap()

    assert result.returncode == 0, result.stderr
    assert subprocess.run([root / ".venv/bin/python", "-c", "import pip"]).returncode == 0
    assert (root / ".venv/installed").read_text().startswith("run ")
    assert not (root / ".venv/installing").exists()
    assert (root / ".env").exists()


def test_the_secret_key_is_fresh_and_the_owners_alone(done: Path, bootstrap: Bootstrap) -> None:
    root = done
    first = (root / ".env").read_text()
    (root / ".env").unlink()
    bootstrap()
    second = (root / ".env").read_text()

    keys = [next(line for line in text.splitlines() if line.startswith("SECRET_KEY=")) for text in (first, second)]
    assert keys[0] != keys[1]
    assert all(len(key) > 60 for key in keys)
    assert stat.S_IMODE((root / ".env").stat().st_mode) == 0o600
    # All else is the example, and nothing half-written is left.
    assert first.replace(keys[0], "SECRET_KEY=") == (root / ".env.example").read_text()
    assert [path.name for path in root.glob(".env*")].count(".env") == 1
    assert len(list(root.glob(".env*"))) == 2


def test_settings_that_are_there_are_left_alone(done: Path, bootstrap: Bootstrap) -> None:
    root = done
    (root / ".env").write_text("SECRET_KEY=mine\n")

    bootstrap()

    assert (root / ".env").read_text() == "SECRET_KEY=mine\n"


def test_a_lock_that_is_installed_is_not_installed_again(done: Path, bootstrap: Bootstrap) -> None:
    again = bootstrap(**UNREACHABLE)

    assert again.returncode == 0
    assert again.stdout == ""


def test_the_development_lock_serves_a_run_but_not_the_other_way_round(done: Path, bootstrap: Bootstrap) -> None:
    assert "requirements-dev.txt" in bootstrap("dev").stdout

    assert bootstrap("run").stdout == ""


def test_a_changed_lock_is_installed(done: Path, bootstrap: Bootstrap) -> None:
    root = done
    lock(root, "# changed\n")

    assert "Installing" in bootstrap().stdout
    assert bootstrap().stdout == ""


def test_an_install_that_was_cut_short_is_made_anew(done: Path, bootstrap: Bootstrap) -> None:
    root = done
    (root / ".venv/installing").touch()
    (root / ".venv/half-a-package").touch()

    result = bootstrap()

    assert result.returncode == 0, result.stderr
    assert "Making .venv" in result.stdout
    assert not (root / ".venv/half-a-package").exists()


def test_a_broken_python_is_replaced(done: Path, bootstrap: Bootstrap) -> None:
    root = done
    (root / ".venv/bin/python").unlink()
    (root / ".venv/bin/python").symlink_to("/nowhere/python")

    result = bootstrap()

    assert result.returncode == 0, result.stderr
    assert subprocess.run([root / ".venv/bin/python", "-c", "import pip"]).returncode == 0


def test_no_network_is_one_line_that_names_the_log(done: Path, bootstrap: Bootstrap) -> None:
    lock(done, f"tiny==1.0 --hash=sha256:{'0' * 64}\n")

    result = bootstrap(**UNREACHABLE)

    assert result.returncode == 1
    assert result.stderr == (
        "error: pip can't reach the package index: is there a network? Details are in var/pip.log.\n"
    )
    assert (done / "var/pip.log").stat().st_size
    assert not (done / ".venv/installed").exists()


def test_packages_are_installed_by_their_hashes(done: Path, bootstrap: Bootstrap) -> None:
    good = wheel(done / "wheels")
    local = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(done / "wheels")}

    lock(done, f"tiny==1.0 --hash=sha256:{'0' * 64}\n")
    wrong_hash = bootstrap(**local)
    lock(done, "tiny==1.0\n")
    no_hash = bootstrap(**local)
    lock(done, f"tiny==1.0 --hash=sha256:{good}\n")
    right = bootstrap(**local)

    for refused in (wrong_hash, no_hash):
        assert refused.returncode == 1
        assert len(refused.stderr.splitlines()) == 1
        assert "pip couldn't install requirements.txt: " in refused.stderr
        assert "var/pip.log" in refused.stderr
    assert right.returncode == 0, right.stderr
    assert subprocess.run([done / ".venv/bin/python", "-c", "import tiny"]).returncode == 0


def test_a_python_without_ensurepip_names_the_package_to_install(root: Path) -> None:
    program = (
        "import importlib.util, runpy, sys; find = importlib.util.find_spec; "
        "importlib.util.find_spec = lambda name, *rest: None if name == 'ensurepip' else find(name, *rest); "
        "sys.argv = ['bootstrap.py', 'run']; runpy.run_path('config/bootstrap.py', run_name='__main__')"
    )

    result = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True)

    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert f"apt install python3.{sys.version_info.minor}-venv" in result.stderr


def test_an_old_python_is_one_line(root: Path) -> None:
    program = "import runpy, sys; sys.version_info = (3, 10, 13, 'final', 0); runpy.run_path('config/bootstrap.py')"

    result = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True)

    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "needs Python 3.11 or newer; this is 3.10.13" in result.stderr


# --- make -------------------------------------------------------------------------------------------------------------
def make(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments],
        cwd=root,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_make_steps_over_names_that_are_not_a_working_python(root: Path) -> None:
    bin_folder = root / "bin"
    program(bin_folder, "python3.13", "echo 'shim: no such version' >&2; exit 127")
    program(bin_folder, "python3.12", "exit 1")
    program(bin_folder, "python3.11", f'exec {sys.executable} "$@"')

    result = make(root, "run", PATH=f"{bin_folder}:/usr/bin:/bin")

    assert (root / ".venv/bin/python").exists(), result.stderr
    assert "shim" not in result.stderr


def test_make_says_in_one_line_that_there_is_no_python(root: Path) -> None:
    result = make(root, "run", "PYTHON=no-such-python false")

    assert result.returncode != 0
    said = [line for line in result.stderr.splitlines() if not line.startswith("make")]
    assert len(said) == 1
    assert "no Python 3.11 or newer" in said[0]


def test_make_help_lists_every_target(root: Path) -> None:
    listed = {line.split()[1] for line in make(root, "help").stdout.splitlines()}

    assert listed >= {"help", "run", "test", "lint", "bench", "lock", "clean"}


def test_make_clean_keeps_settings_and_data(done: Path) -> None:
    root = done
    (root / "var/notifier.sqlite3").touch()

    result = make(root, "clean")

    assert result.returncode == 0, result.stderr
    assert not (root / ".venv").exists()
    assert (root / ".env").exists()
    assert (root / "var/notifier.sqlite3").exists()
