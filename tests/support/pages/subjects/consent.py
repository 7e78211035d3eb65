"""Who must not be written to, and what clients answered."""

from tests.support.pages.of_model import action, of_model
from tests.support.pages.page import Kind, Needs, Page, Picture, Post, at

READ: Needs = ("view_inboundmessage", "change_inboundmessage")
#: What bounced or staff entered, and what clients asked for themselves.
LIFTED: dict[str, Needs] = {
    "suppression": ("view_suppression", "lift_suppression"),
    "refusal": ("view_suppression", "lift_refusal"),
}

PAGES = [
    *of_model(
        "notifier_suppression",
        view=("view_suppression",),
        add=("add_suppression",),
        added={"channel": "email", "address": "new@example.com", "reason": "asked"},
        actions=[
            action("lift_selected", "suppression", LIFTED["suppression"], leads_to="notifier_suppression_lift"),
        ],
        pictures={
            "changelist": (Picture(name="suppressions"),),
            "change": (Picture(name="suppression"),),
            "add": (Picture(name="suppression-add"),),
        },
    ),
    Page(
        name="notifier_suppression_lift",
        opens=tuple(at(query={"ids": f"{{{row}}}"}, label=row, needs=needs) for row, needs in LIFTED.items()),
        posts=tuple(
            Post(at=at(query={"ids": f"{{{row}}}"}), label=row, needs=needs, data={"why": "asked"}, has_form=True)
            for row, needs in LIFTED.items()
        ),
        pictures=(Picture(name="suppression-lift"),),
        timed=(at(query={"ids": "{newest_suppression}"}),),
    ),
    *of_model(
        "notifier_inboundmessage",
        view=("view_inboundmessage",),
        actions=[action("mark_as_read", "inboundmessage", READ)],
        pictures={"changelist": (Picture(name="inbox", docs="inbox"),), "change": (Picture(name="answer"),)},
    ),
    Page(
        name="notifier_inboundmessage_read",
        needs=READ,
        kind=Kind.ACTION,
        posts=(Post(at=at("{inboundmessage}")),),
    ),
]
