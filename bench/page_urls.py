"""What is asked for: every page of the registry, and each list in all the ways in which it is looked through."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.test import Client as Browser
from django.urls import reverse

from notifier.admin.clients import audience_lists
from notifier.audience.standings import Standing
from notifier.models import Channel, Delivery, Topic
from tests.support.pages.page import Rows
from tests.support.pages.registry import OF_STAFF
from tests.support.pages.subjects.deliveries import OWNER
from tests.support.pages.subjects.notifications import TERMS


@dataclass(frozen=True, slots=True)
class PageUrl:
    what: str
    url: str


def page_urls(browser: Browser, rows: Rows, *, ways: int | None = None) -> Iterator[PageUrl]:
    """Each list in so many ways, or in all. Raises `KeyError` for a page about a row that is not among these."""
    for page in OF_STAFF:
        for view in page.measured():
            if not page.name.endswith("_changelist"):
                yield PageUrl(f"{page.name} {re.sub('[{}]', '', str(view))}".rstrip(), page.url(view, rows))
    for model_admin in admin.site._registry.values():
        yield from islice(_lists(browser, model_admin), ways)
    for lists in (_reach_lists(), _deliveries_of_one(rows)):
        yield from islice(lists, ways)


def _lists(browser: Browser, model_admin: ModelAdmin) -> Iterator[PageUrl]:
    """The first page, the second, each filter's every choice, each way to sort, and what is searched for."""
    name = f"{model_admin.opts.app_label}_{model_admin.opts.model_name}"
    url = reverse(f"admin:{name}_changelist")
    queries = ["", "?p=2", "?p=101"]
    if model_admin.search_fields:
        queries += [f"?{urlencode({'q': term})}" for term in TERMS]
    sortable = [model_admin.list_display.index(name) + 1 for name in model_admin.sortable_by or ()]
    queries += [f"?o={sign}{number}" for number in sortable for sign in ("", "-")]
    context = getattr(browser.get(url), "context_data", None) or {}
    change_list = context.get("cl")
    for spec in change_list.filter_specs if change_list else ():
        # One that is a form has no links.
        queries += [one["query_string"] for one in spec.choices(change_list) if not one.get("selected", True)]
    for query in queries:
        yield PageUrl(f"{name} list {query}", url + query)


def _reach_lists() -> Iterator[PageUrl]:
    """Behind the counts of the confirm page, as they come, searched, sorted, and filtered once more."""
    topic = Topic.objects.earliest("pk")
    for channel, standing in product(Channel, Standing):
        url = audience_lists.list_url(topic=topic, channel=channel, standing=standing)
        for more in ("", "&p=2", "&o=-1", "&o=2", "&q=Ann+Example+12", "&q=asa", "&q=zzz", "&state=active"):
            yield PageUrl(f"clients {channel.value} {standing.value} {more}", url + more)


def _deliveries_of_one(rows: Rows) -> Iterator[PageUrl]:
    url = reverse("admin:notifier_delivery_changelist")
    states = [f"&state__exact={state.value}" for state in Delivery.State]
    more = ["", "&p=2", "&state__exact=SENT&p=2", "&channel__exact=sms", "&reason=none"]
    more += [f"&q={term}" for term in ("Ann+Example+12", "asa+example+99", "client1", "zzz")]
    for which, row in (("first", "finished"), ("running", "broadcast")):
        for query in more + states:
            yield PageUrl(f"deliveries of the {which} broadcast {query}", f"{url}?{OWNER}={rows[row]}{query}")
    for query in ("state__exact=FAILED&q=client12", "state__exact=FAILED&q=client1", "state__exact=SENDING&q=zzz"):
        yield PageUrl(f"deliveries {query}", f"{url}?{query}")
    yield PageUrl("deliveries of a client", f"{url}?client__id__exact={rows['client']}")
