"""What clients open from their messages, without a log-in."""

from tests.support.pages.page import Kind, Page, Picture, at
from tests.support.pages.steps import unsubscribe

PAGES = [
    Page(
        name="unsubscribe",
        kind=Kind.PUBLIC,
        looks=(
            at("{link}"),
            at("{long_link}", label="long"),
            at("{test_link}", label="test"),
            at("x", label="unknown"),
        ),
        pictures=(
            Picture(name="unsubscribe", at=at("{link}"), docs="unsubscribe", docs_from="main"),
            Picture(name="unsubscribed", at=at("{link}"), prepare=unsubscribe),
            Picture(name="bad-link", at=at("cut-off")),
        ),
    ),
    Page(
        name="preferences",
        kind=Kind.PUBLIC,
        looks=(
            at("{link}"),
            at("{link}", query={"saved": ""}, label="saved"),
            at("{link}", query={"same": ""}, label="same"),
            at("{stopped_link}", query={"stopped": ""}, label="stopped"),
            at("{long_link}", label="long"),
            at("{test_link}", label="test"),
            at("{link_of_nobody}", label="nothing-left"),
        ),
        pictures=(
            Picture(name="preferences", at=at("{link}"), docs="preferences", docs_from="main"),
            Picture(name="preferences-saved", at=at("{link}", query={"saved": ""})),
        ),
    ),
]
