"""Every page, each piece of one, and the e-mail are well-formed HTML: no browser has to guess what was meant."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.urls import reverse

from tests.support.checks.markup import faults
from tests.support.datasets.everything import build_with_history, links_of_clients
from tests.support.pages.page import NEVER, Kind
from tests.support.pages.registry import PAGES

pytestmark = pytest.mark.both_engines(only_full=True)

#: Each part of the pages is a test of its own, so that all workers have something to do.
PARTS = 4
ODD = 'O’Brien & "Sons" <b>'


#: What Django's own templates do, by the page.
OF_DJANGO = {
    # Whatever has several fields, or none, gets no id for its help.
    "auth_user_change": "_helptext”, which is not there",
}


def addresses(staff: User) -> Iterator[tuple[str, str, Kind]]:
    """The name of each page, the address of each view of it, and its kind."""
    rows = build_with_history(staff=staff, text=ODD) | links_of_clients(text=f"Another {ODD}")
    yield "login", reverse("admin:login"), Kind.PAGE
    for page in PAGES:
        if page.kind in (Kind.PAGE, Kind.FRAGMENT, Kind.FRAME, Kind.PUBLIC):
            views = dict.fromkeys(view for view in (*page.opens, *page.looks) if page.needed(view) != NEVER)
            yield from ((page.name, page.url(view, rows), page.kind) for view in views)


@pytest.mark.parametrize("part", range(PARTS))
def test_every_page_is_well_formed(admin: Browser, superuser: User, part: int) -> None:
    stranger = Browser()
    looked, wrong = 0, []
    for name, address, kind in list(addresses(superuser))[part::PARTS]:
        answer: Any = (stranger if kind == Kind.PUBLIC or name == "login" else admin).get(address)
        if not answer.headers["Content-Type"].startswith("text/html") or answer.status_code >= 300:
            continue
        looked += 1
        html = _text(answer)
        # Some pieces are whole pages for whoever opens them without script.
        is_fragment = kind == Kind.FRAGMENT and not html.lstrip().startswith("<!DOCTYPE")
        found = [fault for fault in faults(html, is_fragment=is_fragment) if OF_DJANGO.get(name, "\n") not in fault]
        wrong += [f"{address}: {fault}" for fault in found]

    assert not wrong, "\n".join(wrong)
    assert looked > 20


def test_a_poll_of_a_broadcast_is_well_formed(admin: Browser, superuser: User) -> None:
    rows = build_with_history(staff=superuser, text=ODD)

    for row in ("broadcast", "paused", "scheduled", "finished", "rejected"):
        address = reverse("admin:notifier_broadcast_progress", args=[rows[row]])
        for query in ({"controls": "other"}, {"wall": "1"}):
            assert faults(_text(admin.get(address, query, headers={"HX-Request": "true"})), is_fragment=True) == []


def _text(answer: Any) -> str:
    return str(answer.content, "utf-8")
