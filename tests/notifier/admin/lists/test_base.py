"""What all lists and forms have in common: by which columns an address may filter, and where a save leads."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin as registry
from django.contrib.auth.models import User
from django.db.models import BinaryField, CharField, Field, JSONField, Model, TextField
from django.test import Client as Browser
from django.test import RequestFactory
from django.urls import reverse

import notifier.admin.registry  # noqa: F401
from notifier.models import ClientImport, ClientTag, Tag, Topic
from tests.notifier.admin.conftest import LogIn
from tests.support.datasets.one_of_each import MAKE, an_import
from tests.support.factories import a_broadcast, a_client, a_topic, a_user
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines

MODELS = sorted(registry.site._registry, key=lambda model: model._meta.label)
LOOKUPS = ("", "__exact", "__contains", "__icontains", "__startswith", "__regex", "__in", "__gte", "__isnull")
REFUSED = 400


def list_of(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def text_fields(model: type[Model], *, levels: int = 2) -> Iterator[str]:
    """Every path to a column with text in it: of the model, of rows that it refers to, and of rows that refer to it."""
    for field in model._meta.get_fields():
        if isinstance(field, Field) and not field.is_relation:
            if isinstance(field, CharField | TextField | JSONField | BinaryField):
                yield field.name
        elif levels and field.related_model:
            below: Any = field.related_model
            yield from (f"{field.name}__{path}" for path in text_fields(below, levels=levels - 1))


def offered(browser: Browser, model: type[Model]) -> dict[str, str]:
    """The address of each choice of each filter, by its parameter."""
    shown = browser.get(list_of(model)).context["cl"]
    choices = [choice["query_string"] for spec in shown.filter_specs for choice in spec.choices(shown)]
    return {query.removeprefix("?").partition("=")[0]: query for query in choices if query != "?"}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.model_name)
def test_no_column_with_text_can_be_guessed_at_by_the_address(
    admin: Browser, rf: RequestFactory, model: type[Model]
) -> None:
    MAKE[f"{model._meta.app_label}_{model._meta.model_name}"]()
    paths = list(text_fields(model))
    filters = offered(admin, model)

    taken = {
        name
        for path in paths
        for name in (f"{path}{lookup}" for lookup in LOOKUPS)
        if registry.site._registry[model].lookup_allowed(name, "a", rf.get("/"))
    }

    assert paths
    # A state or a channel that the list shows, and one of its own choices.
    assert {name for name in taken if name not in filters and not name.endswith("__isnull")} == set()
    for path in [path for path in paths if path.count("__") < 2]:
        answer = admin.get(list_of(model), {f"{path}__startswith": "a"})
        assert answer.status_code == REFUSED, path


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.model_name)
def test_every_filter_that_a_list_offers_works(admin: Browser, model: type[Model]) -> None:
    MAKE[f"{model._meta.app_label}_{model._meta.model_name}"]()

    for query in offered(admin, model).values():
        answer = admin.get(list_of(model) + query)
        assert (answer.status_code, "cl" in (answer.context or {})) == (200, True), query


def test_what_is_in_a_file_of_clients_can_not_be_found_out_letter_by_letter(admin: Browser) -> None:
    an_import(content=b"name\nann", failed_rows="bob@", created_by=a_user())
    parameters = ("content__contains", "failed_rows__contains", "created_by__password__startswith", "pk", "id__gte")

    answers = {name: admin.get(list_of(ClientImport), {name: "bob"}).status_code for name in parameters}

    assert set(answers.values()) == {REFUSED}


def test_nor_by_the_list_that_an_act_is_about(admin: Browser) -> None:
    """The pages that ask about all that a list finds take its query from their own address."""
    for name, query in (
        ("notifier_client_export", "list=email__startswith%3Dann"),
        ("notifier_client_export", "list=history__history_user__password__startswith%3Da"),
        ("notifier_suppression_lift", "list=reason__startswith%3Da"),
    ):
        answer = admin.get(f"{reverse(f'admin:{name}')}?{query}")
        assert (answer.status_code, answer["Location"]) == (302, list_of_page(name)), query


def list_of_page(name: str) -> str:
    return reverse(f"admin:{name.rpartition('_')[0]}_changelist")


def test_our_own_links_lead_to_their_rows(admin: Browser) -> None:
    broadcast, other = a_broadcast(), a_broadcast()
    links: list[dict[str, Any]] = [{"notification__id__exact": broadcast.notification_id}, {"id__in": broadcast.pk}]

    for query in links:
        found = list(admin.get(reverse("admin:notifier_broadcast_changelist"), query).context["cl"].result_list)
        assert found == [broadcast]
    assert other.pk != broadcast.pk


def test_a_member_of_staff_is_not_found_by_the_beginning_of_a_password(admin: Browser) -> None:
    a_user()

    assert admin.get(list_of(User), {"password__startswith": "md5"}).status_code == REFUSED


# --- After a save -----------------------------------------------------------------------------------------------------
def test_after_a_save_one_stays_and_the_way_back_leads_to_the_list_as_it_was(admin: Browser) -> None:
    topic = a_topic()
    filtered = "_changelist_filters=q%3Dlist"
    page = reverse("admin:notifier_topic_change", args=[topic.pk])

    saved = agree_to(admin, f"{page}?{filtered}", name="Renamed", _save="Save")

    assert saved["Location"] == f"{page}?{filtered}"
    shown = admin.get(saved["Location"]).content.decode()
    assert f'<a href="{reverse("admin:notifier_topic_changelist")}?q=list">Topics</a>' in shown
    assert "Save and continue editing" not in shown


def test_after_adding_one_stays_with_what_was_added(admin: Browser) -> None:
    added = admin.post(reverse("admin:notifier_topic_add"), {"name": "New", "slug": "new", "_save": "Save"})

    assert added["Location"] == reverse("admin:notifier_topic_change", args=[Topic.objects.get(slug="new").pk])


def test_who_may_only_add_is_not_sent_to_a_page_that_they_may_not_open(staff: LogIn) -> None:
    browser = staff("notifier.add_topic")

    added = browser.post(reverse("admin:notifier_topic_add"), {"name": "New", "slug": "new", "_save": "Save"})

    assert added["Location"] == reverse("admin:index")


def said(browser: Browser) -> str:
    page = browser.get(reverse("admin:index")).content.decode()
    return " ".join(re.findall(r'<li class="(?:success|warning)">\s*(.*?)\s*</li>', page, re.DOTALL))


def test_what_was_saved_is_told_in_the_words_of_the_product(admin: Browser) -> None:
    add = reverse("admin:notifier_topic_add")
    another = admin.post(add, {"name": "New", "slug": "new", "_addanother": "1"})
    assert another["Location"] == add
    assert said(admin) == "The topic “New” has been added."

    topic = Topic.objects.get(slug="new")
    page = reverse("admin:notifier_topic_change", args=[topic.pk])
    seen = admin.get(page).context["adminform"].form.initial["seen"]
    admin.post(page, {"name": "Newer", "slug": "new", "seen": seen})
    assert said(admin) == "The topic “Newer” has been saved."

    delete = reverse("admin:notifier_topic_delete", args=[topic.pk])
    gone = admin.post(delete, {"post": "yes", "seen": admin.get(delete).context["seen"]})
    assert gone["Location"] == reverse("admin:notifier_topic_changelist")
    assert said(admin) == "The topic “Newer” has been deleted."


def test_a_row_that_is_not_there_is_not_named_by_its_key(admin: Browser) -> None:
    admin.get(reverse("admin:notifier_topic_change", args=[999999]))

    assert said(admin) == "This topic doesn’t exist. It may have been deleted."


def test_staff_read_of_a_topic_s_short_name_and_no_menu_begins_with_dashes(admin: Browser) -> None:
    assert "Short name" in admin.get(reverse("admin:notifier_topic_add")).content.decode()
    assert "Slug" not in admin.get(reverse("admin:notifier_topic_changelist")).content.decode()
    for name in ("notifier_notification_add", "notifier_clientfield_add", "notifier_suppression_add"):
        page = admin.get(reverse(f"admin:{name}")).content.decode()
        assert ">Choose…</option>" in page, name
        assert "-----</option>" not in page, name


def test_what_goes_with_a_deleted_client_is_told_in_numbers_and_not_by_keys(admin: Browser) -> None:
    client = a_client(listings="email")
    ClientTag.objects.create(client=client, tag=Tag.objects.create(name="VIP"))

    page = admin.get(reverse("admin:notifier_client_delete", args=[client.pk])).content.decode()

    assert "With it: preferences (1), tags (1)" in page or "With it: tags (1), preferences (1)" in page
    assert "client tag" not in page.lower()
