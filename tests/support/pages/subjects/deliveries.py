"""Deliveries, what staff decide about those that were not sent, and the records of it."""

from tests.support.pages.of_model import action, of_model
from tests.support.pages.page import Kind, Needs, Page, Picture, Post, at
from tests.support.pages.steps import open_filters

RESOLVE: Needs = ("view_delivery", "resolve_delivery")
OWNER = "broadcast__id__exact"
ALL_OF_ONE = {"list": f"{OWNER}={{finished}}"}
DECISIONS = ("mark-as-sent", "send-again")

PAGES = [
    *of_model(
        "notifier_delivery",
        view=("view_delivery",),
        actions=[
            action(name, "failed", RESOLVE, leads_to="notifier_delivery_resolve")
            for name in ("mark_as_sent", "send_again")
        ],
        looks={"changelist": (at(query={OWNER: "{finished}", "state__exact": "FAILED"}),)},
        pictures={
            "changelist": (
                Picture(name="deliveries"),
                Picture(name="deliveries-of-one", at=at(query={OWNER: "{finished}"})),
                Picture(name="deliveries-filters", at=at(query={OWNER: "{finished}"}), prepare=open_filters),
            ),
            "change": (Picture(name="delivery"),),
        },
    ),
    Page(
        name="notifier_delivery_resolve",
        needs=RESOLVE,
        opens=(
            at("mark-as-sent", query={"ids": "{unknown}"}, label="mark-as-sent"),
            at("send-again", query={"ids": "{failed}"}, label="send-again"),
        ),
        looks=(at("send-again", query={"list": ""}),),
        posts=tuple(
            Post(at=at(name, query={"ids": "{failed}"}), label=name, data={"why": "asked"}, has_form=True)
            for name in DECISIONS
        ),
        pictures=(
            Picture(name="resolve", at=at("mark-as-sent", query={"ids": "{failed}"})),
            Picture(name="send-again", at=at("send-again", query={"ids": "{failed}"})),
        ),
        timed=tuple(
            at(name, query=query)
            for name in DECISIONS
            for query in (ALL_OF_ONE, {"ids": "{newest_delivery}"}, {"list": ""}, {"list": "q=Ann+Example+12345"})
        ),
    ),
    Page(
        name="notifier_delivery_export",
        needs=("view_delivery", "export_delivery"),
        kind=Kind.FILE,
        opens=tuple(at(kind, query={OWNER: "{finished}"}, label=kind) for kind in ("csv", "xlsx")),
    ),
    *of_model(
        "notifier_resolution", view=("view_resolution",), pictures={"changelist": (Picture(name="resolutions"),)}
    ),
]
