"""Every page of the admin, as the site itself knows them: a new one is measured without a word said here.

Only what a page has to be told by its address, and can't be guessed from it, stands here by the page's name.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.db.models import Model
from django.test import Client as Browser
from django.urls import URLPattern, reverse

from notifier.admin.broadcasts.acts.buttons import BUTTONS
from notifier.admin.clients import acts, audience_lists
from notifier.admin.deliveries import recovery, results
from notifier.broadcasts.audience import Standing
from notifier.models import Broadcast, Channel, Client, ClientImport, Delivery, Notification, Suppression, Topic

#: What is looked for in a list: by its search it may be a name, a subject, or the beginning of an address.
TERMS = ("Ann Example 12345", "Ann", "client12345@", "client1", "+99900012345", "week 3", "zzz", "zzz@")
STOCK = ("changelist", "add", "history", "delete", "change")


@dataclass(frozen=True, slots=True)
class Page:
    what: str
    url: str


def first(model: type[Model], **wanted: Any) -> Any:
    found = model._default_manager.filter(**wanted).order_by("pk").first()
    return found.pk if found else None


def last(model: type[Model], **wanted: Any) -> Any:
    found = model._default_manager.filter(**wanted).order_by("-pk").first()
    return found.pk if found else None


#: The row that a page is about, where the oldest of its model would not have the page.
ROWS: dict[str, Callable[[], Any]] = {
    "notifier_broadcast_approve": lambda: last(Broadcast, state="AWAITING_APPROVAL"),
    "notifier_broadcast_schedule": lambda: last(Broadcast, state="SCHEDULED"),
}
#: Arguments whose values the address itself does not tell.
NAMES: dict[str, Sequence[str]] = {
    "notifier_broadcast_order": [button.name for button in BUTTONS.values() if button.asks],
    "notifier_delivery_resolve": list(recovery.DECISIONS),
    "notifier_delivery_export": list(results.EXPORTS),
    "notifier_client_decide": list(acts.ACTS),
}


def _of_broadcast() -> str:
    return urlencode({results.OWNER: first(Broadcast)})


#: What a page is told by its query: each one is a page.
QUERIES: dict[str, Callable[[], list[str]]] = {
    "notifier_notification_broadcast": lambda: [
        f"ids={last(Notification)}",
        "ids=" + ",".join(str(pk) for pk in Notification.objects.values_list("pk", flat=True)[:5]),
    ],
    "notifier_delivery_resolve": lambda: [urlencode({"list": _of_broadcast()}), f"ids={last(Delivery)}", "list="],
    "notifier_delivery_export": lambda: [_of_broadcast()],
    "notifier_client_export": lambda: ["list=", "list=q%3DAnn", "list=state%3Dactive", f"ids={last(Client)}"],
    "notifier_client_decide": lambda: [f"ids={last(Client)}", "list=q%3DAnn", "list="],
    "notifier_suppression_lift": lambda: [f"ids={last(Suppression)}"],
    "notifier_client_why": lambda: [
        "",
        *(f"broadcast={pk}" for pk in (first(Broadcast), last(Broadcast), last(Broadcast, state="RUNNING"))),
        "q=week",
        "q=zzz",
    ],
    "notifier_notification_preview": lambda: [
        f"notification={last(Notification)}",
        f"notification={last(Notification)}&reader={last(Client)}",
    ],
    "notifier_notification_readers": lambda: [urlencode({"reader": term}) for term in TERMS],
}
#: They only take orders: a GET is refused, or makes a file.
ORDERS_ONLY = (
    "notifier_notification_check",
    "notifier_notification_test",
    "notifier_clientimport_discard",
    "notifier_inboundmessage_read",
)


def pages(browser: Browser) -> Iterator[Page]:
    yield Page("overview", reverse("admin:index"))
    for model, model_admin in admin.site._registry.items():
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        request = browser.get(reverse("admin:index")).wsgi_request
        if model_admin.has_view_permission(request):
            yield from _lists(browser, name, model_admin)
            yield from _rows(name, model)
        if model_admin.has_add_permission(request):
            yield Page(f"{name} add", reverse(f"admin:{name}_add"))
        for pattern in model_admin.get_urls():
            if isinstance(pattern, URLPattern) and _is_own(pattern, name):
                yield from _own(pattern, model)
    yield from _reach_lists()
    yield from _deliveries_of_one()


def _lists(browser: Browser, name: str, model_admin: ModelAdmin) -> Iterator[Page]:
    """The first page, the second, each filter's every choice, each way to sort, and what is searched for."""
    url = reverse(f"admin:{name}_changelist")
    queries = ["", "?p=2", "?p=101"]
    if model_admin.search_fields:
        queries += [f"?{urlencode({'q': term})}" for term in TERMS]
    queries += [f"?o={sign}{number + 1}" for number in range(len(model_admin.sortable_by or ())) for sign in ("", "-")]
    context = getattr(browser.get(url), "context_data", None) or {}
    change_list = context.get("cl")
    for spec in change_list.filter_specs if change_list else ():
        queries += [choice["query_string"] for choice in spec.choices(change_list) if not choice["selected"]]
    for query in queries:
        yield Page(f"{name} list {query}", url + query)


def _rows(name: str, model: type[Model]) -> Iterator[Page]:
    for which, row in (("newest", last(model)), ("oldest", first(model))):
        for kind in ("change", "history") if row is not None else ():
            yield Page(f"{name} {kind}, {which}", reverse(f"admin:{name}_{kind}", args=[row]))


def _is_own(pattern: URLPattern, name: str) -> bool:
    """Not one of the stock pages, nor the stock's redirect for old addresses."""
    return bool(pattern.name) and pattern.name not in [*ORDERS_ONLY, *(f"{name}_{kind}" for kind in STOCK)]


def _own(pattern: URLPattern, model: type[Model]) -> Iterator[Page]:
    assert pattern.name
    if pattern.name.endswith("_simple_history"):
        yield from _version(pattern.name, model)
        return
    known = {argument: _value(argument, model, pattern.name) for argument in pattern.pattern.converters}
    free = [argument for argument, value in known.items() if value is None]
    names = NAMES.get(pattern.name, ()) if free else ("",)
    if not names:
        raise LookupError(f"{pattern.name} takes {', '.join(free)}: say in {__name__} what it is.")
    for name, query in product(names, QUERIES.get(pattern.name, lambda: [""])()):
        url = reverse(f"admin:{pattern.name}", kwargs=known | dict.fromkeys(free, name))
        yield Page(f"{pattern.name} {name} {query}", f"{url}?{query}".rstrip("?"))


def _version(name: str, model: type[Model]) -> Iterator[Page]:
    """How a row was before."""
    history = getattr(model, "history").order_by("pk").first()  # noqa: B009  (simple_history gives it to some models)
    if history is not None:
        yield Page(name, reverse(f"admin:{name}", args=[history.id, history.history_id]))


def _value(argument: str, model: type[Model], name: str) -> Any:
    """`broadcast_id` is a broadcast's; `object_id`, or plain `pk`, is one of the model that the page belongs to."""
    if name in ROWS:
        return ROWS[name]()
    owners: dict[str, type[Model]] = {
        "broadcast": Broadcast,
        "client": Client,
        "clientimport": ClientImport,
        "notification": Notification,
        "topic": Topic,
    }
    plain = argument in ("object_id", "id", "pk")
    owner = model if plain else owners.get(re.sub(r"_(id|pk)$", "", argument))
    return first(owner) if owner else None


def _reach_lists() -> Iterator[Page]:
    """Behind the counts of the confirm page, as they come, searched, sorted, and filtered once more."""
    topic = Topic.objects.earliest("pk")
    for channel, standing in product(Channel, Standing):
        url = audience_lists.list_url(topic=topic, channel=channel, standing=standing)
        for more in ("", "&p=2", "&o=-1", "&o=2", "&q=Ann+Example+12", "&q=zzz", "&state=active"):
            yield Page(f"clients {channel.value} {standing.value} {more}", url + more)


def _deliveries_of_one() -> Iterator[Page]:
    url = reverse("admin:notifier_delivery_changelist")
    states = [f"&state__exact={state.value}" for state in Delivery.State]
    more = ["", "&p=2", "&state__exact=SENT&p=2", "&channel__exact=sms", "&q=Ann+Example+12", "&q=zzz", "&reason=none"]
    for which, broadcast in (("first", first(Broadcast)), ("running", last(Broadcast, state="RUNNING"))):
        for query in more + states:
            yield Page(f"deliveries of the {which} broadcast {query}", f"{url}?{results.OWNER}={broadcast}{query}")
    yield Page("deliveries of a client", f"{url}?client__id__exact={first(Client)}")
