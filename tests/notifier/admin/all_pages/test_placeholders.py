"""No page shows the placeholders of a text as they are typed, but those where it is written."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser

from tests.support.datasets.everything import build_with_history
from tests.support.pages.page import NEVER, Kind, Rows
from tests.support.pages.registry import OF_STAFF

pytestmark = pytest.mark.both_engines(only_full=True)

SUBJECT = "Homes for {{ first_name }}"
#: How a text has to be written is said as it is typed.
ADVICE = re.compile(r"add a fallback to the text: \{\{.*?\}\}")
#: What nobody sees of a page: its scripts, and what is written in tags, but for the names of what is in them.
UNSEEN = re.compile(r"<(?:script|style).*?</(?:script|style)>|<(?!title)[^>]*>", re.DOTALL)
NAMES = re.compile(r'(?:aria-label|title|alt|value|content)="([^"]*\{\{[^"]*)"')


def seen(answer: Any) -> list[str]:
    """The words on the page, and around each placeholder some of them."""
    html = ADVICE.sub("", answer.content.decode())
    return [*NAMES.findall(html), *re.findall(r".{0,40}\{\{.{0,40}", UNSEEN.sub(" ", html))]


def urls(rows: Rows, *, written: bool) -> list[str]:
    kinds = (Kind.PAGE, Kind.FRAGMENT)
    pages = [page for page in OF_STAFF if page.kind in kinds and page.shows_placeholders == written]
    return [
        page.url(view, rows)
        for page in pages
        for view in dict.fromkeys((*page.opens, *page.looks))
        if page.needed(view) != NEVER
    ]


def test_only_where_texts_are_written_placeholders_stand_as_they_are_typed(admin: Browser, superuser: User) -> None:
    rows = build_with_history(staff=superuser, text="Spring", subject=SUBJECT)

    shown = {url: found for url in urls(rows, written=False) if (found := seen(admin.get(url)))}

    assert shown == {}
    # On the others it is found: it would be here, too.
    assert all(seen(admin.get(url)) for url in urls(rows, written=True) if "/add/" not in url)
