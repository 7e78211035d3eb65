"""The pages that each model has: its list, and those that show, change, add and delete one row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.support.pages.page import NEVER, Kind, Needs, Page, Picture, Post, Rows, View, at

Data = Mapping[str, str | Callable[[Rows], Any]]
KINDS = ("changelist", "change", "history", "add", "delete")


def of_model(
    name: str,
    *,
    view: Needs,
    add: Needs = NEVER,
    change: Needs = NEVER,
    delete: Needs = NEVER,
    added: Data | None = None,
    changed: Data | None = None,
    row_to_delete: str = "",
    actions: Sequence[Post] = (),
    looks: Mapping[str, tuple[View, ...]] | None = None,
    pictures: Mapping[str, tuple[Picture, ...]] | None = None,
    sends_on: str = "",
    edit_query: Mapping[str, str] | None = None,
    writes: Sequence[str] = (),
) -> Iterator[Page]:
    """`added` and `changed` are what their forms get. Looks and pictures are by the kind of page, of `KINDS`.

    `edit_query` leads to the form where the row's page shows something else. `writes`: the kinds of page on which
    texts with placeholders are written or compared.
    """
    model = name.partition("_")[2]
    row, to_delete = at(f"{{{model}}}"), at(f"{{{row_to_delete or model}}}")
    form = at(*row.args, query=edit_query)
    both = (row, at(f"{{newest_{model}}}"))
    parts: dict[str, dict[str, Any]] = {
        "changelist": {"needs": view, "opens": (at(),), "posts": tuple(actions)},
        "change": {"needs": view, "opens": (row,), "posts": (_change(form, change, changed or {}),), "timed": both},
        "history": {"needs": view, "opens": (row,), "timed": both},
        "add": {"needs": add, "opens": (at(),), "posts": (Post(data=added or {}, has_form=add != NEVER),)},
        "delete": {
            "needs": delete,
            "opens": (to_delete,),
            "posts": (Post(at=to_delete, data={"post": "yes"}, has_form=delete != NEVER),),
            "timed": (),
        },
    }
    if sends_on == "change":  # whatever is posted to it
        parts["change"]["posts"] = ()
    for kind in KINDS:
        yield Page(
            name=f"{name}_{kind}",
            kind=Kind.REDIRECT if kind == sends_on else Kind.PAGE,
            looks=(looks or {}).get(kind, ()),
            pictures=(pictures or {}).get(kind, ()),
            shows_placeholders=kind in writes,
            **parts[kind],
        )


def _change(row: View, needs: Needs, data: Data) -> Post:
    return Post(at=row, needs=needs, data=data, has_form=needs != NEVER)


def action(name: str, row: str, needs: Needs, *, leads_to: str = "") -> Post:
    """What a list posts for one ticked row."""
    data = {"action": name, "_selected_action": f"{{{row}}}", "index": "0"}
    return Post(needs=needs, label=name, data=data, leads_to=leads_to, is_action=True)
