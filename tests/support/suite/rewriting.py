"""Writes the bytecode of everything here once, before several processes load it at the same moment.

    python -m tests.support.suite.rewriting 0 2

does every second file, from the first on. pytest rewrites the assertions of each test file that it finds no bytecode
of: in a fresh clone every worker would do so for itself, eight seconds long, and compile the product as well.
"""

import compileall
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from _pytest.assertion import rewrite
from _pytest.config import get_config

PROJECT = Path(__file__).resolve().parents[3]
FOLDERS = ("config", "notifier", "consumers", "tests", "bench")


def everything() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (PROJECT / folder).rglob("*.py"))


def write(paths: Iterable[Path]) -> None:
    """Whatever is up to date stays as it is; a file that can't be compiled is left to whoever loads it."""
    config = get_config()
    # All that it is asked for is where to write what it does.
    state: Any = SimpleNamespace(trace=lambda message: None)
    for path in paths:
        if not is_rewritten(path):
            compileall.compile_file(path, quiet=2)
        elif rewrite._read_pyc(path, bytecode_of(path)) is None:
            try:
                source, code = rewrite._rewrite_test(path, config)
            except (SyntaxError, ValueError):
                continue
            bytecode_of(path).parent.mkdir(exist_ok=True)
            rewrite._write_pyc(state, code, source, bytecode_of(path))


def is_rewritten(path: Path) -> bool:
    """Whether pytest does: it rewrites test files and their fixtures."""
    return path.name == "conftest.py" or path.match("test_*.py")


def bytecode_of(path: Path) -> Path:
    return rewrite.get_cache_dir(path) / f"{path.stem}{rewrite.PYC_TAIL}"


if __name__ == "__main__":
    first, step = map(int, sys.argv[1:])
    write(everything()[first::step])
