"""How fast every page of the admin answers at size, and with how many queries. `bench.__main__` makes the settings.

What a page fetches by itself once it is shown, and files, are no pages, and are listed apart.
"""

import html
import json
import logging
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client as Browser  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from bench.bare import timed  # noqa: E402
from bench.page_urls import PageUrl, page_urls  # noqa: E402
from notifier.admin.lists import deferred_counts  # noqa: E402
from tests.support.datasets import large  # noqa: E402

#: Milliseconds in which every page has to answer, in the median.
BUDGET = 300
#: Where a page says what it fetches as soon as it is there.
FETCHES = re.compile(r'hx-get="([^"]+)"\s+hx-trigger="load"')


@dataclass(frozen=True, slots=True)
class Timing:
    page: PageUrl
    status: int
    #: Milliseconds, in order.
    views: list[float]
    queries: int
    #: The page's answer is a file to keep.
    is_file: bool
    #: The URL of what it fetches once it is shown; empty where it is complete.
    fetches: str

    @property
    def median(self) -> float:
        return self.views[len(self.views) // 2]

    def __str__(self) -> str:
        mark = "" if self.median <= BUDGET else f"  over {BUDGET} ms"
        mark += "  (a file)" if self.is_file else ""
        status = "" if self.status == 200 else f"  answered {self.status}"
        numbers = f"{self.median:>8,.0f} {self.views[-1]:>8,.0f} {self.queries:>8}"
        return f"{self.page.what[:70]:<70} {numbers}{mark}{status}"


def main() -> None:
    given = json.loads(sys.argv[1])
    logging.getLogger("django.request").setLevel(logging.CRITICAL)  # what a page answered stands in the table
    call_command("migrate", verbosity=0)
    # In a smaller database, too, counts come later where a tenth of the clients has to be counted.
    deferred_counts.AT_ONCE = min(deferred_counts.AT_ONCE, given["large"] // 10)
    with timed() as seconds:
        user = large.build(
            large.Sizes(clients=given["large"], deliveries=given["deliveries"], broadcasts=given["broadcasts"])
        )
    print(f"{given['large']:,} clients, {given['deliveries']:,} deliveries; built in {seconds():,.0f} s", flush=True)
    browser = Browser(headers={"host": "localhost"})
    browser.force_login(user)
    print(f"{'page':<70} {'median':>8} {'worst':>8} {'queries':>8}", flush=True)
    timings = table(browser, page_urls(browser, large.rows(), ways=given["ways"]), views=given["views"])
    shown = [timing for timing in timings if not timing.is_file]
    late = sum(timing.median > BUDGET for timing in shown)
    print(f"{len(shown)} pages, {late} of them over {BUDGET} ms; {len(timings) - len(shown)} files", flush=True)
    print("Fetched by pages that are shown already:", flush=True)
    table(browser, [PageUrl(one.page.what, one.fetches) for one in timings if one.fetches], views=given["views"])


def table(browser: Browser, found: Iterable[PageUrl], *, views: int) -> list[Timing]:
    """Prints a line for each as it is measured."""
    timings = []
    for page in found:
        timing = measure(browser, page, views=views)
        if timing.status != HTTPStatus.METHOD_NOT_ALLOWED:  # an act, and no page
            timings.append(timing)
            print(timing, flush=True)
    return timings


def measure(browser: Browser, page: PageUrl, *, views: int) -> Timing:
    with CaptureQueriesContext(connection) as captured, timed() as first:
        answer = browser.get(page.url)  # warms the caches, and counts only where it is the only one
    queries = len(captured)  # before the next request empties the log
    took = []
    for _ in range(views):
        with timed() as seconds:
            browser.get(page.url)
        took.append(seconds() * 1000)
    took = took or [first() * 1000]
    is_file = "attachment" in answer.get("Content-Disposition", "")
    found = None if answer.streaming else FETCHES.search(answer.content.decode())
    return Timing(page, answer.status_code, sorted(took), queries, is_file, html.unescape(found[1]) if found else "")


if __name__ == "__main__":
    main()
