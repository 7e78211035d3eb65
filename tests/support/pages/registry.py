"""All pages, each once, in the order in which their pictures are taken: whoever unsubscribes does so at the end."""

from tests.support.pages.page import Kind, Page, Rows
from tests.support.pages.subjects import (
    appearance,
    audiences,
    broadcasts,
    clients,
    consent,
    deliveries,
    everybody,
    fields,
    imports,
    notifications,
    operations,
    public,
    staff,
)

SUBJECTS = (
    everybody,
    clients,
    fields,
    audiences,
    imports,
    notifications,
    appearance,
    broadcasts,
    deliveries,
    consent,
    operations,
    staff,
    public,
)
PAGES: list[Page] = [page for subject in SUBJECTS for page in subject.PAGES]
OF_STAFF = [page for page in PAGES if page.kind != Kind.PUBLIC]
OPENED = [(page, view) for page in OF_STAFF for view in page.opens]
POSTED = [(page, post) for page in OF_STAFF for post in page.posts]
MODELS = [page.name.removesuffix("_changelist") for page in PAGES if page.name.endswith("_changelist")]


def shown_urls(rows: Rows) -> list[str]:
    """What a browser shows to staff, page by page."""
    return [page.url(view, rows) for page in OF_STAFF for view in page.seen()]
