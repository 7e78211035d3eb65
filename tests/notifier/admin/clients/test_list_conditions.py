"""The filters of the client list as conditions: they choose whom the list shows, or are refused with a reason."""

from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client as Browser
from django.test import RequestFactory
from django.urls import reverse

from notifier.admin.clients import list_conditions
from notifier.admin.clients.list_conditions import NoConditions
from notifier.admin.lists import selection
from notifier.models import Client, ClientTag
from notifier.runtime import clock
from notifier.saved_audiences import compiling
from notifier.saved_audiences.document import BrokenAudience, Document
from tests.notifier.admin.clients.test_field_filters import LIST, give
from tests.support.factories import a_client, a_field, a_tag

pytestmark = pytest.mark.both_engines

FILTERS = [
    {"f.role": "1"},
    {"f.role": ["1", "2"]},
    {"f.role": ["2", "none"]},
    {"f.role": "any"},
    {"f.rooms": "none"},
    {"f.rooms.from": "3"},
    {"f.rooms.from": "3", "f.rooms.to": "4", "state": "active"},
    {"f.town.begins": "BO"},
    {"f.town.contains": "nn"},
    {"f.likes": ["1", "3"]},
    {"f.owner": "no"},
    {"language": "de"},
    {"language": "en"},
    {"language": "none"},
    {"wants": "listings.email"},
    {"tag": "{tag}"},
    {"tag": "{tag}", "f.role": "1", "language": "de", "wants": "listings.sms"},
]


@pytest.fixture
def tag(db: None) -> str:
    """Its number; six clients have this and that."""
    a_field(kind="CHOICE", key="role", options=["Buyer", "Seller"])
    a_field(kind="WHOLE", key="rooms")
    a_field(kind="TEXT", key="town")
    a_field(kind="CHOICES", key="likes", options=["Flats", "Houses", "Land"])
    a_field(kind="YES_NO", key="owner")
    tag = a_tag("VIP")
    give(a_client(name="Ann", listings="both", language="de"), role=1, rooms=3, town="Bonn", likes=(1,), owner=True)
    give(a_client(name="Bob", listings="email", language="en"), role=2, rooms=5, town="Köln", owner=False)
    give(a_client(name="Cyd", listings="sms"), role=1, rooms=4, town="bonn", likes=(2, 3))
    give(a_client(name="Dot", language="de"), rooms=1, town="Bad Honnef")
    a_client(name="Eve", listings="both")
    give(a_client(name="Gus", is_active=False, listings="both", language="de"), role=1, rooms=3, town="Bonn")
    ClientTag.objects.bulk_create(
        ClientTag(client=client, tag=tag) for client in Client.objects.filter(name__in=["Ann", "Bob", "Gus"])
    )
    return str(tag.pk)


def conditions(query: dict[str, Any]) -> Document:
    request = RequestFactory().get(LIST, query)
    return list_conditions.of_query(request, request.GET)


@pytest.mark.parametrize("query", FILTERS, ids=str)
def test_they_choose_the_active_clients_whom_the_list_shows(
    admin: Browser, tag: str, query: dict[str, str | list[str]]
) -> None:
    query = {name: tag if value == "{tag}" else value for name, value in query.items()}
    shown = admin.get(LIST, query).context["cl"].result_list

    chosen = compiling.members(conditions(query), now=clock.now()).clients()

    assert sorted(one.name for one in chosen) == sorted(one.name for one in shown if one.is_active)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"q": "Ann"}, "a search"),
        ({"landline": "yes"}, "landlines"),
        ({"audience": "1"}, "an audience"),
        ({"reach": "listings.email.recipients"}, "who would get something"),
        ({"id__in": "1,2"}, "“id__in”"),
        ({"state": "archived"}, "Archived clients"),
        ({"tag": "none"}, "“No tag”"),
        ({"tag": "999"}, "a tag that was deleted"),
        ({"wants": "gone.email"}, "a topic that there is not"),
        ({"language": "xx"}, "a language"),
        ({"f.gone": "any"}, "a field that there is not"),
        ({"f.rooms.from": "many"}, "many"),
        ({"f.rooms.begins": "1"}, "a field that there is not"),
        ({"f.role": "x"}, "something that a field can’t be"),
    ],
)
def test_what_no_condition_says_is_refused_and_never_left_out(tag: str, query: dict[str, str], says: str) -> None:
    with pytest.raises(NoConditions, match=says):
        conditions({"f.role": "1"} | query)


@pytest.mark.parametrize("query", [{}, {"state": "active"}, {"o": "1"}, {"f.role": "9"}])
def test_without_a_condition_it_is_not_everybody(tag: str, query: dict[str, str]) -> None:
    with pytest.raises(BrokenAudience):
        conditions(query)


def test_more_than_an_address_holds_is_refused(tag: str) -> None:
    many = {f"f.town_{number}.contains": "ü" * 100 for number in range(6)}
    for name in many:
        a_field(kind="TEXT", key=name.split(".")[1])

    with pytest.raises(NoConditions, match="too many filters"):
        conditions(many)


def test_a_record_of_an_act_holds_no_conditions(tag: str) -> None:
    assert selection.in_words(QueryDict('conditions={"secret":1}&state=active')) == "conditions, state=active"


# --- From the list to where they are used -----------------------------------------------------------------------------
def test_the_list_leads_to_both_pages_where_it_has_such_a_filter(admin: Browser, tag: str) -> None:
    filtered, plain = admin.get(LIST, {"tag": tag}), admin.get(LIST, {"state": "active"})

    assert filtered.context["send_url"] == f"{reverse('admin:notifier_client_send')}?tag={tag}"
    assert 'id="save-as-audience"' in filtered.content.decode()
    assert "send_url" not in plain.context


def test_a_filter_that_is_no_condition_leads_back_with_the_reason(admin: Browser, tag: str) -> None:
    for page in ("send", "save_audience"):
        back = admin.get(reverse(f"admin:notifier_client_{page}"), {"tag": tag, "q": "Ann"}, follow=True)

        assert back.redirect_chain[0][0] == f"{LIST}?tag={tag}&q=Ann"
        assert "filtered by a search" in back.content.decode()


def test_a_new_audience_begins_with_them(admin: Browser, tag: str) -> None:
    page = admin.get(reverse("admin:notifier_client_save_audience"), {"tag": tag, "language": "de"}, follow=True)

    assert "Has the tag “VIP”" in page.content.decode()
    assert page.context["number"] == 1
