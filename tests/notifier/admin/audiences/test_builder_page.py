"""The page of a saved audience, as it works without JavaScript: every button posts the whole form."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from notifier.models import Broadcast, ClientTag, SavedAudience
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import freezing
from notifier.saved_audiences.document import Document, Group, Line
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_broadcast, a_client, a_field, a_saved_audience, a_tag, a_user
from tests.support.forms import form_of

pytestmark = pytest.mark.both_engines(only_full=True)

ADD = "admin:notifier_savedaudience_add"


def url_of(audience: SavedAudience) -> str:
    return reverse("admin:notifier_savedaudience_change", args=[audience.pk])


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def fields_of(page: Any) -> dict[str, list[str]]:
    return form_of(page.content.decode())


def press(browser: Browser, page: Any, do: str, **changes: Any) -> Any:
    """Posts what the page's form holds, with what is typed into it, by the button of that value."""
    posted = fields_of(page) | changes | {"do": do}
    return browser.post(page.request["PATH_INFO"], posted)


def test_conditions_are_added_one_by_one_and_saved(admin: Browser) -> None:
    town, tag = a_field(kind="TEXT", label="Town"), a_tag("VIP")
    page = admin.get(reverse(ADD))

    page = press(admin, page, "add:0", name="Bonn", **{"0-new": f"field:{town.pk}"})
    page = press(admin, page, "group", **{"0-0-text": "Bonn; Köln"})
    page = press(admin, page, "add:1", **{"1-new": "tag"})
    page = press(admin, page, "add:1", **{"1-new": "created", "1-0-row": str(tag.pk), "1-0-verb": "!has"})
    page = press(admin, page, "save", **{"1-join": "!any", "1-1-verb": "less", "1-1-text": "2026-12-31"})

    saved = SavedAudience.objects.get()
    assert page["Location"] == url_of(saved)
    assert documents.parse(saved.document) == Document(
        (
            Line("field", "one_of", town.pk, ("Bonn", "Köln")),
            Group((Line("tag", "has", tag.pk, (), True), Line("created", "less", 0, (20261231,))), "any", True),
        )
    )
    assert saved.name == "Bonn"


def test_what_was_typed_stays_when_a_line_is_removed(admin: Browser) -> None:
    fields = [a_field(kind="WHOLE") for _ in range(3)]
    page = admin.get(reverse(ADD))
    for place, field in enumerate(fields):
        page = press(admin, page, "add:0", **{"0-new": f"field:{field.pk}"})
        page = press(admin, page, "count", **{f"0-{place}-text": str(100 + place)})

    page = press(admin, page, "remove:0-1")

    posted = fields_of(page)
    assert [posted[f"0-{place}-text"] for place in (0, 1)] == [["100"], ["102"]]
    assert [posted[f"0-{place}-about"] for place in (0, 1)] == [[f"field:{fields[n].pk}"] for n in (0, 2)]
    assert "0-2-about" not in posted


def test_a_saved_one_is_shown_as_it_was_entered(admin: Browser) -> None:
    plan = a_field(kind="CHOICE", options=["Small", "Large"])
    when, sent = a_field(kind="DATE"), a_broadcast()
    lines = (
        Line("field", "one_of", plan.pk, (2,), True),
        Line("field", "less", when.pk, (20261231,), True),
        Line("broadcast", "missed", sent.pk),
        Line("messages", "none_for", 0, (30,)),
    )
    audience = a_saved_audience(*lines)

    page = admin.get(url_of(audience))
    press(admin, page, "save", name="Renamed")

    audience.refresh_from_db()
    assert audience.name == "Renamed"
    assert documents.parse(audience.document) == Document(lines)


@pytest.mark.parametrize(
    ("kind", "typed", "says"),
    [
        ("WHOLE", "many", "is not a number"),
        ("DATE", "31/12/20", "is not a date"),
        ("WHOLE", "", "Enter a value."),
        ("TEXT", "x" * 501, "longer than 500"),
    ],
)
def test_a_mistake_stands_beside_its_condition_and_nothing_is_saved(
    admin: Browser, kind: str, typed: str, says: str
) -> None:
    field = a_field(kind=kind)
    page = press(admin, admin.get(reverse(ADD)), "add:0", **{"0-new": f"field:{field.pk}"})

    page = press(admin, page, "save", name="Wrong", **{"0-0-text": typed})

    assert says in text_of(page)
    assert "Nothing was saved." in text_of(page)
    assert fields_of(page)["0-0-text"] == [typed]
    assert not SavedAudience.objects.exists()


def test_each_condition_has_its_count_and_the_whole_its_own_with_ten_of_them(admin: Browser) -> None:
    one, other = a_tag("One"), a_tag("Other")
    clients = [a_client(name=f"Client {number:02}") for number in range(15)]
    ClientTag.objects.bulk_create(ClientTag(client=client, tag=one) for client in clients[:13])
    ClientTag.objects.bulk_create(ClientTag(client=client, tag=other) for client in clients[1:])
    audience = a_saved_audience(Line("tag", "has", one.pk), Line("tag", "has", other.pk))

    page = admin.get(url_of(audience))

    context = page.context
    assert [line.count for line in context["draft"].lines()] == ["13", "14"]
    assert context["number"] == 12
    assert [client.name for client in context["samples"]] == [client.name for client in clients[1:11]]
    listed = admin.get(f"{reverse('admin:notifier_client_changelist')}?audience={audience.pk}")
    assert listed.context["cl"].result_count == 12


def test_is_this_client_in_it_is_answered_condition_by_condition(admin: Browser) -> None:
    one, other = a_tag("One"), a_tag("Other")
    client = a_client(email="bea@example.com")
    ClientTag.objects.create(client=client, tag=one)
    audience = a_saved_audience(Line("tag", "has", one.pk), Line("tag", "has", other.pk))

    for who in (f"#{client.pk}", "BEA@example.com"):
        context = admin.get(url_of(audience), {"who": who}).context
        assert (context["asked"], context["is_in"]) == (client, False)
        assert [(answer.words, answer.holds) for answer in context["answers"]] == [
            ("Has the tag “One”", True),
            ("Has the tag “Other”", False),
        ]
    assert "There is no client" in text_of(admin.get(url_of(audience), {"who": "#999999"}))


def test_something_that_was_deleted_is_told_at_once_and_can_be_removed(admin: Browser) -> None:
    one, other = a_tag("One"), a_tag("Other")
    audience = a_saved_audience(Line("tag", "has", one.pk), Line("tag", "has", other.pk))
    one.delete()

    page = admin.get(url_of(audience))
    assert "about a tag that was deleted" in text_of(page)
    assert "number" not in page.context

    press(admin, press(admin, page, "remove:0-0"), "save")
    audience.refresh_from_db()
    assert documents.parse(audience.document) == Document((Line("tag", "has", other.pk),))


def test_an_unknown_version_is_told_at_once(admin: Browser) -> None:
    audience = a_saved_audience(Line("time_zone", "known"))
    SavedAudience.objects.update(document={"version": 7})

    assert "was saved in version 7" in text_of(admin.get(url_of(audience)))


def test_broadcasts_that_wait_are_told_of(admin: Browser) -> None:
    audience = a_saved_audience(Line("time_zone", "known"))
    a_broadcast(state=Broadcast.State.SCHEDULED, started_at=None, saved_audience=audience)
    page = admin.get(url_of(audience))

    saved = press(admin, page, "save", **{"0-0-verb": "!known"})

    assert "1 broadcast that had not started will go to it" in text_of(admin.get(saved["Location"]))


def test_an_edit_meanwhile_is_not_overwritten(admin: Browser) -> None:
    audience = a_saved_audience(Line("time_zone", "known"), name="Mine")
    page = admin.get(url_of(audience))
    press(admin, admin.get(url_of(audience)), "save", name="Theirs")

    assert "has changed since you opened the page" in text_of(press(admin, page, "save", name="Mine again"))

    audience.refresh_from_db()
    assert audience.name == "Theirs"


def test_whoever_may_only_look_reads_the_conditions_and_changes_nothing(staff: LogIn) -> None:
    audience = a_saved_audience(Line("time_zone", "known"))
    browser = staff("notifier.view_savedaudience")

    page = browser.get(url_of(audience))

    assert "Time zone has a value" in text_of(page)
    assert 'id="save-it"' not in text_of(page)
    assert "samples" not in page.context
    assert browser.post(url_of(audience), {"do": "save", "name": "Other"}).status_code == 403
    assert browser.get(reverse(ADD)).status_code == 403


@pytest.mark.parametrize(
    "posted", [{}, {"do": "save"}, {"do": "add:9"}, {"do": "remove:x"}, {"0-0-about": "field:999"}]
)
def test_what_no_page_of_ours_posts_saves_nothing(admin: Browser, posted: dict[str, str]) -> None:
    audience = a_saved_audience(Line("time_zone", "known"))

    for url in (reverse(ADD), url_of(audience)):
        assert admin.post(url, {"name": "X", "do": "save", **posted}).status_code == 200

    audience.refresh_from_db()
    assert documents.parse(audience.document) == Document((Line("time_zone", "known"),))
    assert SavedAudience.objects.count() == 1


def test_a_confirmed_delete_is_refused_while_something_waits(admin: Browser) -> None:
    audience = a_saved_audience(Line("time_zone", "known"))
    a_broadcast(state=Broadcast.State.SCHEDULED, started_at=None, saved_audience=audience, created_by=a_user())

    page = admin.get(reverse("admin:notifier_savedaudience_delete", args=[audience.pk]), follow=True)

    assert "is still to go to it" in text_of(page)


# --- Broadcasts whose audience nobody can read any more ---------------------------------------------------------------
@pytest.mark.parametrize(
    ("state", "page", "args"),
    [
        (Broadcast.State.AWAITING_APPROVAL, "approve", []),
        (Broadcast.State.SCHEDULED, "schedule", []),
        (Broadcast.State.SCHEDULED, "act", ["start-now"]),
        (Broadcast.State.FINISHED, "follow", []),
    ],
)
def test_each_page_that_counts_says_why_it_cannot(
    admin: Browser, now: datetime, state: str, page: str, args: list[str]
) -> None:
    tag = a_tag("VIP")
    ended = now if state == Broadcast.State.FINISHED else None
    broadcast = a_broadcast(
        **freezing.columns(a_saved_audience(Line("tag", "has", tag.pk))),
        state=state,
        started_at=ended,
        finished_at=ended,
        created_by=a_user(),
        needs_approval=state == Broadcast.State.AWAITING_APPROVAL,
    )
    tag.delete()

    answer = admin.get(reverse(f"admin:notifier_broadcast_{page}", args=[broadcast.pk, *args]), follow=True)

    assert answer.redirect_chain[0][0] == reverse("admin:notifier_broadcast_progress", args=[broadcast.pk])
    assert "about a tag that was deleted" in text_of(answer)
    assert answer.status_code == 200


def test_more_fields_and_tags_take_no_more_queries(
    admin: Browser, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    town, tag = a_field(kind="TEXT", key="town"), a_tag("VIP")
    a_field(kind="CHOICE", key="role", options=["Buyer", "Seller"])
    audience = a_saved_audience(Line("field", "known", town.pk), Line("tag", "has", tag.pk))
    client = a_client()
    admin.get(url_of(audience), {"who": f"#{client.pk}"})
    with django_assert_max_num_queries(40) as few:
        admin.get(url_of(audience), {"who": f"#{client.pk}"})
    for number in range(6):
        a_field(kind="CHOICES", key=f"list_{number}", options=["One", "Two"])
    for number in range(19):
        a_tag(f"Tag {number}")

    with django_assert_max_num_queries(len(few)):
        page = admin.get(url_of(audience), {"who": f"#{client.pk}"})

    assert "list_5" in {one.definition.field.key for one in page.context["offered"] if one.definition}
