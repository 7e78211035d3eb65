"""Clients, what staff decide about them, and why somebody got a broadcast."""

from tests.support.pages.of_model import action, of_model
from tests.support.pages.page import Kind, Needs, Page, Picture, Post, View, at
from tests.support.pages.steps import open_filters

EXPORT: Needs = ("view_client", "export_client")
CHANGE: Needs = ("view_client", "change_client")
BOTH = {"ids": "{client},{erased}"}
#: The form in the place of the profile.
EDIT = {"edit": "1"}


#: By decision: the action of the list that leads to it, whom it is about, and the permission.
DECISIONS = {
    "archive": ("archive_selected", "client", "change_client"),
    "restore": ("return_selected", "archived", "change_client"),
    "export": ("export_all_data", "client", "export_client"),
    "erase": ("erase_selected", "spare_client", "erase_client"),
}


def _decide(name: str) -> tuple[Post, View, Post]:
    """The action, the page, which is looked at about a client and another who was erased, and its button."""
    list_action, row, permission = DECISIONS[name]
    needs = ("view_client", permission)
    return (
        action(list_action, row, needs, leads_to="notifier_client_decide"),
        at(name, query=BOTH, label=name, needs=needs),
        Post(
            at=at(name, query={"ids": f"{{{row}}}"}),
            needs=needs,
            label=name,
            data={"why": "asked", "sure": "on"},
            answers=name == "export",
            has_form=True,
        ),
    )


ACTIONS, OPENS, POSTS = zip(*map(_decide, DECISIONS), strict=True)
LONG_LISTS = ({"ids": "{newest_client}"}, {"list": "q=Ann"}, {"list": ""})

PAGES = [
    *of_model(
        "notifier_client",
        view=("view_client",),
        add=("add_client",),
        change=("change_client",),
        delete=("delete_client",),
        added={"name": "New", "email": "new@example.com"},
        changed={"name": "Renamed"},
        row_to_delete="spare_client",
        actions=[
            *ACTIONS,
            action("add_to_selected", "client", CHANGE, leads_to="notifier_client_tag"),
            action("remove_from_selected", "client", CHANGE, leads_to="notifier_client_tag"),
            action("export_selected", "client", EXPORT, leads_to="notifier_client_export"),
        ],
        edit_query=EDIT,
        looks={
            "changelist": (
                at(query={"state": "active", "q": "zzz"}),
                at(query={"tag": "{tag}"}),
                at(query={"f.gone": "any"}),
            ),
            "change": (at("{erased}"), at("{client}", query=EDIT)),
        },
        pictures={
            "changelist": (
                Picture(name="clients", docs="clients", docs_height=640),
                Picture(name="clients-filters", prepare=open_filters),
                Picture(name="clients-none-found", at=at(query={"q": "nobody-is-called-that"})),
            ),
            "add": (Picture(name="client-add"),),
            "change": (
                Picture(name="client", docs="client"),
                Picture(name="client-edit", at=at("{client}", query=EDIT)),
                Picture(name="not-found", at=at("999999")),
            ),
            "history": (Picture(name="client-history"),),
            "delete": (Picture(name="client-delete"),),
        },
    ),
    Page(
        name="notifier_client_decide",
        opens=OPENS,
        posts=POSTS,
        pictures=(
            Picture(name="client-archive", at=at("archive", query={"ids": "{client}"})),
            Picture(name="client-export", at=at("export", query={"ids": "{client}"})),
            Picture(name="client-erase", at=at("erase", query={"ids": "{client}"}), docs="erase"),
        ),
        timed=tuple(at(name, query=query) for name in DECISIONS for query in LONG_LISTS),
    ),
    Page(
        name="notifier_client_tag",
        needs=CHANGE,
        opens=(
            at("add", query={"ids": "{client}"}, label="add"),
            at("add", query={"ids": "{client}", "tag": "{spare_tag}"}, label="add, counted"),
            at("remove", query={"ids": "{client}", "tag": "{tag}"}, label="remove, counted"),
        ),
        looks=(at("remove", query={"ids": "{client}", "tag": "{spare_tag}"}, label="nothing to do"),),
        posts=(
            Post(at=at("add", query={"ids": "{client}", "tag": "{spare_tag}"}), label="add", has_form=True),
            Post(at=at("remove", query={"ids": "{client}", "tag": "{tag}"}), label="remove", has_form=True),
        ),
        pictures=(
            Picture(name="client-tags", at=at("add", query={"ids": "{client}"})),
            Picture(name="client-tags-add", at=at("add", query={"ids": "{client}", "tag": "{spare_tag}"})),
        ),
        timed=tuple(at(name, query={**query, "tag": "{tag}"}) for name in ("add", "remove") for query in LONG_LISTS),
    ),
    Page(
        name="notifier_client_send",
        needs=("view_client", "send_broadcast", "use_savedaudience", "view_notification"),
        opens=(at(query={"tag": "{tag}"}),),
        looks=(at(query={"language": "de"}),),
        pictures=(Picture(name="client-send", at=at(query={"tag": "{tag}"})),),
    ),
    Page(
        name="notifier_client_save_audience",
        needs=("view_client", "add_savedaudience"),
        kind=Kind.REDIRECT,
        opens=(at(query={"tag": "{tag}"}),),
    ),
    Page(
        name="notifier_client_columns",
        needs=("view_client",),
        kind=Kind.ACTION,
        posts=(Post(data={"column": "tags"}),),
    ),
    Page(
        name="notifier_client_phone",
        needs=("view_client",),
        kind=Kind.ACTION,
        posts=(Post(data={"phone": "+44 20 7946 0018"}, answers=True, changes=False),),
    ),
    Page(
        name="notifier_client_export",
        needs=EXPORT,
        opens=(at(query={"ids": "{client}"}),),
        looks=(at(query={"list": ""}),),
        posts=(Post(at=at(query={"ids": "{client}"}), data={"kind": "csv"}, answers=True, has_form=True),),
        pictures=(Picture(name="export"),),
        timed=tuple(at(query=query) for query in (*LONG_LISTS, {"list": "state=active"})),
    ),
    Page(
        name="notifier_client_why",
        needs=("view_client", "view_delivery"),
        opens=(at("{client}"),),
        looks=(
            at("{client}", query={"broadcast": "{finished}"}),
            at("{client}", query={"q": "{long}zzz"}),
        ),
        pictures=(
            Picture(name="client-why", at=at("{client}", query={"broadcast": "{finished}"}), docs="why"),
            Picture(name="client-why-none", at=at("{spare_client}")),
        ),
        timed=(
            at("{client}"),
            *(
                at("{client}", query={"broadcast": f"{{{row}}}"})
                for row in ("finished", "newest_broadcast", "broadcast")
            ),
            at("{client}", query={"q": "week"}),
            at("{client}", query={"q": "zzz"}),
        ),
    ),
]
