"""Saved audiences: their list, and the page on which one is built."""

from notifier.models import SavedAudience
from tests.support.pages.of_model import of_model
from tests.support.pages.page import Picture, Rows, at


def _seen(rows: Rows) -> str:
    return SavedAudience.objects.get(pk=rows["savedaudience"]).updated_at.isoformat()


CONDITION = {"do": "save", "0-join": "all", "0-0-about": "time_zone", "0-0-verb": "!known"}

PAGES = [
    *of_model(
        "notifier_savedaudience",
        view=("view_savedaudience",),
        add=("add_savedaudience",),
        change=("change_savedaudience",),
        delete=("delete_savedaudience",),
        added={**CONDITION, "name": "New"},
        changed={**CONDITION, "name": "Renamed", "seen": _seen},
        row_to_delete="spare_savedaudience",
        looks={"change": (at("{savedaudience}", query={"who": "#{client}"}),)},
        pictures={
            "changelist": (Picture(name="audiences"),),
            "add": (Picture(name="audience-add"),),
            "change": (
                Picture(
                    name="audience",
                    at=at("{savedaudience}", query={"who": "#{client}"}),
                    docs="audience",
                    docs_height=1240,
                ),
            ),
        },
    ),
]
