"""The fields that staff define for clients, and tags."""

from tests.support.pages.of_model import of_model
from tests.support.pages.page import Needs, Page, Picture, Post, at

MERGE: Needs = ("view_tag", "change_tag")

PAGES = [
    *of_model(
        "notifier_clientfield",
        view=("view_clientfield",),
        add=("add_clientfield",),
        change=("change_clientfield",),
        delete=("delete_clientfield",),
        added={"label": "Member since", "kind": "DATE"},
        changed={"label": "Renamed"},
        row_to_delete="spare_clientfield",
        pictures={
            "changelist": (Picture(name="client-fields"),),
            "change": (Picture(name="client-field"),),
            "add": (Picture(name="client-field-add"),),
        },
    ),
    *of_model(
        "notifier_tag",
        view=("view_tag",),
        add=("add_tag",),
        change=("change_tag",),
        delete=("delete_tag",),
        added={"name": "New"},
        changed={"name": "Renamed"},
        row_to_delete="spare_tag",
        pictures={"changelist": (Picture(name="tags"),), "change": (Picture(name="tag"),)},
    ),
    Page(
        name="notifier_tag_merge",
        needs=MERGE,
        opens=(at("{tag}"),),
        posts=(Post(at=at("{tag}"), data={"into": "{spare_tag}"}, has_form=True),),
        pictures=(Picture(name="tag-merge"),),
        timed=(at("{tag}"),),
    ),
]
