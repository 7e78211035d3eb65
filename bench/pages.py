"""How fast every page of the admin answers at size, and with how many queries. `bench.__main__` makes the settings."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import django

django.setup()

from django.contrib import admin  # noqa: E402
from django.contrib.admin import ModelAdmin  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.models import Model  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.test import Client as Browser  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.urls import URLPattern, reverse  # noqa: E402

from bench.bare import timed  # noqa: E402
from bench.house import Sizes, build  # noqa: E402
from notifier.admin.broadcasts import ORDERS  # noqa: E402
from notifier.admin.recovery import DECISIONS  # noqa: E402
from notifier.models import Broadcast, Channel, Client, Notification, Topic  # noqa: E402

#: Milliseconds in which every page has to answer, in the median.
BUDGET = 300
#: What is looked for in a list: by its search it may be a name, a subject, or the beginning of an address.
TERMS = ("Ann Example 12345", "client12345", "+99900012345", "week 3", "zzz")
#: Arguments in the pages' addresses whose values the address itself does not tell.
NAMES = {
    "notifier_broadcast_order": tuple(ORDERS),
    "notifier_delivery_resolve": tuple(DECISIONS),
    "try_again": tuple(Channel.values),
}
#: Where a page needs to be told by its query what it is about.
QUERIES = {
    "notifier_notification_broadcast": lambda: f"ids={Notification.objects.latest('pk').pk}",
    "notifier_delivery_resolve": lambda: f"list=broadcast__id__exact={Broadcast.objects.earliest('pk').pk}",
}
STOCK = ("changelist", "add", "history", "delete", "change")


@dataclass(frozen=True, slots=True)
class Page:
    what: str
    url: str


@dataclass(frozen=True, slots=True)
class Timing:
    page: Page
    status: int
    #: Milliseconds, in order.
    views: list[float]
    queries: int

    @property
    def median(self) -> float:
        return self.views[len(self.views) // 2]

    def __str__(self) -> str:
        mark = "" if self.median <= BUDGET else f"  over {BUDGET} ms"
        status = "" if self.status == 200 else f"  answered {self.status}"
        numbers = f"{self.median:>8,.0f} {self.views[-1]:>8,.0f} {self.queries:>8}"
        return f"{self.page.what[:70]:<70} {numbers}{mark}{status}"


def main() -> None:
    given = json.loads(sys.argv[1])
    logging.getLogger("django.request").setLevel(logging.CRITICAL)  # what a page answered stands in the table
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)  # pages name their files by what is in them
    with timed() as seconds:
        user = build(Sizes(clients=given["large"], deliveries=given["deliveries"], broadcasts=given["broadcasts"]))
    print(f"{given['large']:,} clients, {given['deliveries']:,} deliveries; built in {seconds():,.0f} s", flush=True)
    browser = Browser(headers={"host": "localhost"})
    browser.force_login(user)
    print(f"{'page':<70} {'median':>8} {'worst':>8} {'queries':>8}", flush=True)
    timings = []
    for page in pages(browser):
        timing = measure(browser, page, views=given["views"])
        if timing.status != HTTPStatus.METHOD_NOT_ALLOWED:  # an order, and no page
            timings.append(timing)
            print(timing, flush=True)
    late = sum(timing.median > BUDGET for timing in timings)
    print(f"{len(timings)} pages, {late} of them over {BUDGET} ms", flush=True)


def measure(browser: Browser, page: Page, *, views: int) -> Timing:
    with CaptureQueriesContext(connection) as captured:
        answer = browser.get(page.url)  # the first one warms the caches, and is not measured
    queries = len(captured)  # before the next request empties the log
    took = []
    for _ in range(views):
        with timed() as seconds:
            browser.get(page.url)
        took.append(seconds() * 1000)
    return Timing(page, answer.status_code, sorted(took), queries)


# --- Every page that there is -----------------------------------------------------------------------------------------
def pages(browser: Browser) -> Iterator[Page]:
    """As the admin site itself knows them, so that a new page is measured without a word said here."""
    yield Page("overview", reverse("admin:index"))
    for model, model_admin in admin.site._registry.items():
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        request = browser.get(reverse("admin:index")).wsgi_request
        if model_admin.has_view_permission(request):
            yield from _lists(browser, name, model_admin)
            yield from _rows(name, model)
        if model_admin.has_add_permission(request):
            yield Page(f"{name} add", reverse(f"admin:{name}_add"))
        own = [p for p in model_admin.get_urls() if isinstance(p, URLPattern) and _is_own(p, name)]
        for pattern in own:
            yield from _own(pattern, model)
    yield from _deliveries_of_one()


def _lists(browser: Browser, name: str, model_admin: ModelAdmin) -> Iterator[Page]:
    """The first page, the second, each filter's every choice, each way to sort, and what is searched for."""
    url = reverse(f"admin:{name}_changelist")
    queries = ["", "?p=2"]
    if model_admin.search_fields:
        queries += [f"?q={term.replace(' ', '+').replace('+9', '%2B9')}" for term in TERMS]
    queries += [f"?o={number + 1}" for number in range(len(model_admin.sortable_by or ()))]
    first: HttpResponse = browser.get(url)
    change_list = getattr(first, "context_data", None) and first.context_data.get("cl")  # type: ignore[attr-defined]
    for spec in change_list.filter_specs if change_list else ():
        queries += [choice["query_string"] for choice in spec.choices(change_list) if not choice["selected"]]
    for query in queries:
        yield Page(f"{name} list {query}", url + query)


def _rows(name: str, model: type[Model]) -> Iterator[Page]:
    newest = model._default_manager.order_by("-pk").first()
    oldest = model._default_manager.order_by("pk").first()
    for which, row in (("newest", newest), ("oldest", oldest)):
        if row is not None:
            for kind in ("change", "history"):
                yield Page(f"{name} {kind}, {which}", reverse(f"admin:{name}_{kind}", args=[row.pk]))


def _is_own(pattern: URLPattern, name: str) -> bool:
    """Not one of the stock pages, nor the stock's redirect for old addresses."""
    return bool(pattern.name) and pattern.name not in [f"{name}_{kind}" for kind in STOCK]


def _own(pattern: URLPattern, model: type[Model]) -> Iterator[Page]:
    assert pattern.name
    query = f"?{QUERIES[pattern.name]()}" if pattern.name in QUERIES else ""
    arguments = dict.fromkeys(pattern.pattern.converters)
    for argument in arguments:
        arguments[argument] = _value(argument, model)
    free = [argument for argument, value in arguments.items() if value is None]
    for name in NAMES.get(pattern.name, ("",)):
        filled = arguments | dict.fromkeys(free, name)
        if "" in filled.values():
            print(f"{pattern.name}: left out, nothing is known for {', '.join(free)}", flush=True)
            return
        yield Page(f"{pattern.name} {name}".strip(), reverse(f"admin:{pattern.name}", kwargs=filled) + query)


def _value(argument: str, model: type[Model]) -> Any:
    """`broadcast_id` is a broadcast's; `object_id`, or plain `pk`, is one of the model that the page belongs to."""
    of: dict[str, type[Model]] = {
        "broadcast": Broadcast,
        "client": Client,
        "notification": Notification,
        "topic": Topic,
    }
    owner = of.get(re.sub(r"_(id|pk)$", "", argument), model if argument in ("object_id", "id", "pk") else None)
    row = owner._default_manager.order_by("pk").first() if owner else None
    return row.pk if row else None


def _deliveries_of_one() -> Iterator[Page]:
    url = reverse("admin:notifier_delivery_changelist")
    broadcast = Broadcast.objects.earliest("pk").pk
    for query in ("", "&state__exact=UNKNOWN", "&state__exact=SENT&p=2", "&channel__exact=sms", "&q=Ann+Example+12"):
        yield Page(f"deliveries of a broadcast {query}", f"{url}?broadcast__id__exact={broadcast}{query}")
    client = Client.objects.earliest("pk").pk
    yield Page("deliveries of a client", f"{url}?client__id__exact={client}")


if __name__ == "__main__":
    main()
