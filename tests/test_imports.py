"""No module of the product imports itself by way of others. The layers of pyproject.toml hold packages alone."""

import graphlib

import grimp
import pytest

PACKAGES = ("config", "consumers", "notifier")


def circle_in(imports: dict[str, set[str]]) -> list[str]:
    """The modules of one circle, each imported by the one after it; empty where there is none."""
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_one_another_in_a_circle() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}

    assert len(imports) > 200
    assert circle_in(imports) == []


@pytest.mark.parametrize(
    ("imports", "is_circle"),
    [
        ({"approvals": {"lifecycle"}, "lifecycle": {"acts"}}, False),
        ({"approvals": {"lifecycle"}, "lifecycle": {"approvals"}}, True),
        ({"approvals": {"lifecycle"}, "lifecycle": {"acts"}, "acts": {"approvals"}}, True),
    ],
)
def test_what_counts_as_a_circle(imports: dict[str, set[str]], is_circle: bool) -> None:
    assert bool(circle_in(imports)) == is_circle
