"""What a list finds is looked for once, counted no further than it has to be, and shown in the order of the list."""

from typing import Any

import pytest
from django.contrib import admin as registry
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifier.admin.lists import base, change_list, paginator
from notifier.admin.lists.change_list import BoundedChangeList
from notifier.admin.lists.paginator import BoundedPaginator
from notifier.audience.standings import Standing
from notifier.models import Channel, Delivery
from tests.support.factories import a_broadcast, a_client, a_delivery

pytestmark = pytest.mark.both_engines

CLIENTS = reverse("admin:notifier_client_changelist")
DELIVERIES = reverse("admin:notifier_delivery_changelist")


def names(page: Any) -> list[str]:
    return [client.name for client in page.context["cl"].result_list]


@pytest.fixture
def _three_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (base, change_list, paginator):
        monkeypatch.setattr(module, "MAX_COUNTED", 4)
    monkeypatch.setattr("notifier.admin.clients.client_admin.ClientAdmin.list_per_page", 2)


@pytest.mark.parametrize("model", registry.site._registry.values(), ids=str)
def test_no_list_counts_all_that_there_is(model: Any, rf: Any, superuser: Any) -> None:
    request = rf.get("/")
    request.user = superuser

    assert model.show_full_result_count is False
    assert issubclass(model.paginator, BoundedPaginator)
    assert issubclass(model.get_changelist(request), BoundedChangeList)


@pytest.mark.parametrize("model", registry.site._registry.values(), ids=str)
def test_a_list_is_sorted_by_the_columns_that_it_offers_alone(model: Any, rf: Any, superuser: Any) -> None:
    def order_of(query: str) -> Any:
        request = rf.get("/", {"o": query})
        request.user = superuser
        found = model.get_changelist_instance(request)
        return [str(one) for one in found.queryset.query.order_by], found.params.get("o"), found

    own, _, shown = order_of("")
    for number, name in enumerate(shown.list_display):
        for sign in ("", "-"):
            order, address, _ = order_of(f"{sign}{number}")
            if name in model.get_sortable_by(None):
                assert address == f"{sign}{number}"
            else:
                assert (order, address) == (own, None), name
    several = ".".join(str(number) for number in range(len(shown.list_display)))
    offered = [str(number) for number, name in enumerate(shown.list_display) if name in model.get_sortable_by(None)]
    assert order_of(f"{several}.{several}.x.-.--1.99.{'9' * 5_000}.²")[1] == (".".join(offered) or None)


@pytest.mark.parametrize("found", [0, 1, 3])
def test_a_search_is_made_once(admin: Browser, found: int) -> None:
    for _ in range(found):
        a_client(name="Bea Example")
    a_client(name="Ann Example")

    with CaptureQueriesContext(connection) as captured:
        page = admin.get(CLIENTS, {"q": "bea"})

    searches = [query["sql"] for query in captured.captured_queries if "bea" in query["sql"].lower().split("where")[-1]]
    assert len(searches) == 1, searches
    assert len(names(page)) == page.context["cl"].result_count == found


@pytest.mark.usefixtures("_three_at_most")
@pytest.mark.parametrize("number", [3, 4, 5])
def test_pages_and_order_are_those_of_the_list_however_many_it_finds(admin: Browser, number: int) -> None:
    for letter in "EDCBA"[-number:]:
        a_client(name=f"{letter} Example")
    a_client(name="Nobody", is_active=False)
    expected = [f"{letter} Example" for letter in "ABCDE"[:number]]

    pages = [admin.get(CLIENTS, {"state": "active", "p": page}) for page in (1, 2)]
    backwards = admin.get(CLIENTS, {"state": "active", "o": "-1"})

    assert names(pages[0]) == expected[:2]
    assert names(pages[1]) == expected[2:4]
    assert names(backwards) == expected[::-1][:2]
    assert pages[0].context["cl"].result_count == min(number, 4)


@pytest.mark.usefixtures("_three_at_most")
@pytest.mark.parametrize("number", [3, 5])
def test_a_search_that_finds_very_many_lists_some_of_them_in_order_and_says_so(admin: Browser, number: int) -> None:
    for letter in "EDCBA"[-number:]:
        a_client(name=f"{letter} Example")
    a_client(name="Nobody")

    pages = [admin.get(CLIENTS, {"q": "example", "p": page}) for page in (1, 2)]
    backwards = admin.get(CLIENTS, {"q": "example", "o": "-1"})

    listed = names(pages[0]) + names(pages[1])
    assert listed == sorted(set(listed))
    assert len(listed) == min(number, 4)
    assert all(name.endswith("Example") for name in listed)
    assert names(backwards) == listed[::-1][:2]
    said = "More than 3 clients match, and only 3 of them are listed. Type more" in pages[0].content.decode()
    assert said is (number > 3)


@pytest.mark.usefixtures("_three_at_most")
def test_what_is_done_to_all_that_a_search_finds_is_done_to_those_too_that_are_not_listed(admin: Browser) -> None:
    for letter in "EDCBA":
        a_client(name=f"{letter} Example")
    a_client(name="Nobody")

    asked = {"list": "q=example", "counted": "1"}
    page = admin.get(reverse("admin:notifier_client_decide", args=["archive"]), asked)

    assert "Archive 5 clients" in page.content.decode()


@pytest.mark.usefixtures("_three_at_most")
@pytest.mark.parametrize(("name", "said"), [("archive", "Archive 4 clients"), ("restore", "Restore 1 client")])
def test_what_would_be_done_to_all_that_a_search_finds_is_counted_by_one_search(
    admin: Browser, name: str, said: str
) -> None:
    for letter in "EDCBA":
        a_client(name=f"{letter} Example", is_active=letter != "E")

    with CaptureQueriesContext(connection) as captured:
        page = admin.get(
            reverse("admin:notifier_client_decide", args=[name]), {"list": "q=example", "counted": "1"}
        ).content.decode()

    assert said in page
    assert len([query for query in captured if "COUNT" in query["sql"] and "LIKE" in query["sql"]]) == 1


def test_the_number_of_queries_does_not_grow_with_what_is_found(admin: Browser) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            for url in (f"{CLIENTS}?q=example", f"{DELIVERIES}?channel__exact=email"):
                assert admin.get(url).context["cl"].result_count
        return len(captured)

    def more(number: int) -> None:
        for _ in range(number):
            a_delivery(client=a_client(name="Bea Example", listings="both"))

    more(1)
    queries()  # what is kept between requests
    few = queries()
    more(5)

    assert queries() == few


@pytest.mark.parametrize("state", Delivery.OPEN)
def test_what_is_under_way_is_found_by_its_state(admin: Browser, state: Delivery.State) -> None:
    broadcast = a_broadcast()
    for each in Delivery.State:
        a_delivery(broadcast=broadcast, state=each)

    page = admin.get(DELIVERIES, {"state__exact": state})

    assert [row.state for row in page.context["cl"].result_list] == [state]


@pytest.mark.usefixtures("only_postgresql")
def test_what_the_planner_was_told_for_a_list_of_the_audience_does_not_last(admin: Browser) -> None:
    a_client(listings="both")
    for standing in Standing:
        admin.get(CLIENTS, {"reach": f"listings.{Channel.EMAIL}.{standing}"})

    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('enable_hashjoin'), current_setting('enable_seqscan')")
        assert cursor.fetchone() == ("on", "on")
