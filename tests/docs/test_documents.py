"""What the documents name is there: files, folders, headings, and the functions that a step goes through."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*PROJECT.glob("docs/*.md"), PROJECT / "README.md", PROJECT / "CONTRIBUTING.md"])
#: Folders at the top of which a document may name something. What begins otherwise, such as `50/s`, is no path.
ROOTS = ("notifier/", "consumers/", "config/", "tests/", "templates/", "docs/", "bench/")
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
DEFINED = r"^\s*(?:def|class)\s+{name}\b|^\s*{name}\s*(?::|=)"


@cache
def text_of(path: Path) -> str:
    """A file's text, or that of all the modules in a folder and below it."""
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return "\n".join(file.read_text() for file in files)


def paths_in(text: str) -> list[str]:
    """The paths of the project that stand in backticks; `…` and `<name>` in one of them make it an example."""
    return [name for name in CODE.findall(text) if name.startswith(ROOTS) and not re.search(r"[…<>*\s]", name)]


def anchors_of(document: Path) -> set[str]:
    """The anchors of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def steps_in(text: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Of each table with the columns "where" and "function": a row, its paths, and the names it goes through."""
    head: list[str] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            head = []
        elif not head:
            head = cells_of(line)
        elif {"where", "function"} <= set(head) and not line.startswith("|---"):
            row = dict(zip(head, cells_of(line), strict=True))
            yield line, CODE.findall(row["where"]), CODE.findall(row["function"])


def is_defined(name: str, paths: list[str]) -> bool:
    text = "\n".join(text_of(PROJECT / path) for path in paths)
    return re.search(DEFINED.format(name=re.escape(name)), text, re.MULTILINE) is not None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_that_a_document_names_is_there(document: Path) -> None:
    gone = [path for path in paths_in(document.read_text()) if not (PROJECT / path).exists()]

    assert gone == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    dead = []
    for link in LINK.findall(document.read_text()):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if re.match(r"https?:|mailto:", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            dead.append(link)

    assert dead == []


def test_every_step_of_the_tour_names_functions_that_are_there() -> None:
    steps = list(steps_in((PROJECT / "docs/architecture.md").read_text()))
    wrong = [(line, name) for line, paths, names in steps for name in names if not is_defined(name, paths)]

    assert len(steps) > 20
    assert wrong == []


def test_the_tour_names_every_folder_of_the_product() -> None:
    named = "\n".join(paths_in((PROJECT / "docs/architecture.md").read_text()))
    folders = [path.name for path in (PROJECT / "notifier").iterdir() if path.is_dir() and any(path.glob("*.py"))]
    missing = [name for name in folders if f"notifier/{name}/" not in named]

    assert len(folders) > 20
    assert missing == []


def test_the_tour_shows_the_layers_that_are_enforced() -> None:
    contract = (
        (PROJECT / "pyproject.toml").read_text().split('containers = ["notifier"]', 1)[1].split("]\nlayers = [", 1)[1]
    )
    layers = re.findall(r'"([^"]+)"', contract.split("]", 1)[0])
    tour = (PROJECT / "docs/architecture.md").read_text()
    shown = [re.split(r"\s{2,}", line.strip())[0] for line in tour.splitlines() if line.startswith("    ")]

    assert shown == layers
