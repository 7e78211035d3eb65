import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.suite import rewriting
from tests.support.suite.runner import PROJECT

SUITE = "def test_wrong():\n    one = 1\n    assert one == 2\n"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "test_suite.py"
    path.write_text(SUITE)
    return path


def test_pytest_takes_what_is_written(suite: Path) -> None:
    rewriting.write([suite])
    written = rewriting.bytecode_of(suite).stat()

    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", str(suite.parent)]
    spared = ["playwright", "base_url", "hypothesispytest", "django", "xdist", "randomly", "cacheprovider"]
    options = [part for plugin in spared for part in ("-p", f"no:{plugin}")]
    done = subprocess.run([*command, *options, str(suite)], capture_output=True, text=True)

    assert "assert 1 == 2" in done.stdout, done.stdout + done.stderr
    # Otherwise it would have put its own in this place.
    assert (rewriting.bytecode_of(suite).stat().st_ino, list(suite.parent.glob("__pycache__/*"))) == (
        written.st_ino,
        [rewriting.bytecode_of(suite)],
    )


def test_what_is_up_to_date_stays_and_what_changed_is_written_anew(suite: Path) -> None:
    rewriting.write([suite])
    first = rewriting.bytecode_of(suite).stat().st_ino

    rewriting.write([suite])
    same = rewriting.bytecode_of(suite).stat().st_ino
    suite.write_text(SUITE.replace("2", "3"))
    rewriting.write([suite])

    assert same == first
    assert rewriting.bytecode_of(suite).stat().st_ino != first


def test_a_file_that_can_t_be_compiled_is_left_to_whoever_loads_it(suite: Path, tmp_path: Path) -> None:
    suite.write_text("def test_wrong(:")
    module = tmp_path / "module.py"
    module.write_text("def wrong(:")

    rewriting.write([suite, module])

    assert not rewriting.bytecode_of(suite).exists()


def test_the_tests_and_the_product_are_among_them() -> None:
    found = rewriting.everything()

    assert Path(__file__) in found
    assert PROJECT / "notifier" / "checks.py" in found
    assert [path.name for path in found if rewriting.is_rewritten(path)].count("conftest.py") > 3
