"""Every page of the back office opens, for those who may, at a cost that doesn't grow with its rows."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib import admin as django_admin
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

import notifier.admin.registry  # noqa: F401
from notifier.models import Broadcast, Client
from tests.notifier.admin.conftest import LogIn
from tests.support.datasets.one_of_each import MAKE
from tests.support.factories import a_broadcast, a_client, a_delivery, a_user
from tests.support.forms import agree_to
from tests.support.pages import registry
from tests.support.pages.page import NEVER, Needs

pytestmark = pytest.mark.both_engines

PAGES = sorted(f"{model._meta.app_label}_{model._meta.model_name}" for model in django_admin.site._registry)


def needed_to(kind: str, model: str) -> set[Needs]:
    """What the registry says that it takes to post to that page."""
    page = next(page for page in registry.PAGES if page.name == f"{model}_{kind}")
    return {page.needed(post) for post in page.posts}


NEVER_ADDED = [model for model in PAGES if needed_to("add", model) == {NEVER}]
#: Log-ins that failed may be deleted, to let somebody try again; a rate may be changed.
READ_ONLY = [model for model in NEVER_ADDED if needed_to("delete", model) | needed_to("change", model) == {NEVER}]


def url(model: str, kind: str, *args: Any) -> str:
    return reverse(f"admin:{model}_{kind}", args=args)


def queries_of(browser: Browser, address: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert browser.get(address).status_code == 200
    return len(captured)


def test_every_model_is_in_the_back_office() -> None:
    assert set(PAGES) == set(MAKE)


@pytest.mark.parametrize("model", PAGES)
def test_the_list_opens_and_searches(admin: Browser, model: str) -> None:
    row = MAKE[model]()

    response = admin.get(url(model, "changelist"))

    assert response.status_code == 200
    assert row in response.context["cl"].result_list
    for term in ("ann", "client1@ex", "+1 (201) 555", "é %_\\'"):
        assert admin.get(url(model, "changelist"), {"q": term}).status_code == 200


@pytest.mark.parametrize("model", PAGES)
def test_the_pages_of_one_row_open(admin: Browser, model: str) -> None:
    row = MAKE[model]()

    response = admin.get(url(model, "change", row.pk), follow=True)
    history = admin.get(url(model, "history", row.pk))
    added = admin.get(url(model, "add"))

    assert response.status_code == 200
    assert str(row.pk) in response.request["PATH_INFO"]
    assert history.status_code == 200
    assert added.status_code == (403 if model in NEVER_ADDED else 200)


@pytest.mark.parametrize("model", PAGES)
def test_no_page_shows_where_something_is_in_the_code(admin: Browser, model: str) -> None:
    row = MAKE[model]()

    for address in (url(model, "changelist"), url(model, "change", row.pk), url(model, "history", row.pk)):
        page = admin.get(address, follow=True).content.decode()
        shown = re.sub(r"<(?:script|style).*?</(?:script|style)>|<[^>]*>", " ", page, flags=re.DOTALL)
        assert not re.findall(r"\b(?:notifier|consumers|config|django|anymail)(?:\.\w+){2,}", shown)


@pytest.mark.parametrize("model", READ_ONLY)
def test_what_the_machinery_writes_can_be_neither_changed_nor_deleted(admin: Browser, model: str) -> None:
    row = MAKE[model]()

    assert admin.post(url(model, "add"), {}).status_code == 403
    assert admin.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    if model != "notifier_broadcast":
        assert admin.post(url(model, "change", row.pk), {"state": "SENT"}).status_code == 403
    assert type(row)._default_manager.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", PAGES)
def test_a_list_takes_as_many_queries_for_thirty_rows_as_for_three(admin: Browser, model: str) -> None:
    shown = url(model, "changelist")
    for _ in range(3):
        MAKE[model]()
    few = queries_of(admin, shown)

    for _ in range(27):
        MAKE[model]()

    assert queries_of(admin, shown) == few


#: Pages about one broadcast or one client, whose rows may be many.
OF_MANY: dict[str, Callable[[Any], str]] = {
    "progress": lambda broadcast: reverse("admin:notifier_broadcast_progress", args=[broadcast.pk]),
    "follow": lambda broadcast: reverse("admin:notifier_broadcast_follow", args=[broadcast.pk]),
    "confirm": lambda broadcast: reverse("admin:notifier_notification_broadcast") + f"?ids={broadcast.notification_id}",
    "deliveries": lambda broadcast: (
        reverse("admin:notifier_delivery_changelist") + f"?broadcast__id__exact={broadcast.pk}"
    ),
    "failed ones": lambda broadcast: (
        reverse("admin:notifier_delivery_changelist") + f"?broadcast__id__exact={broadcast.pk}&state__exact=FAILED"
    ),
    "those being sent": lambda broadcast: reverse("admin:notifier_delivery_changelist") + "?state__exact=SENDING",
    "export of clients": lambda broadcast: reverse("admin:notifier_client_export") + "?list=",
    "audience": lambda broadcast: (
        reverse("admin:notifier_client_changelist") + f"?reach={broadcast.topic.slug}.email.recipients"
    ),
}


@pytest.mark.parametrize("page", OF_MANY)
def test_a_page_about_many_takes_as_many_queries_for_thirty_as_for_three(admin: Browser, page: str) -> None:
    broadcast = a_broadcast(state="FINISHED", finished_at=timezone.now(), created_by=a_user(), audience_upto=0)
    address = OF_MANY[page](broadcast)
    _deliveries(broadcast, 3)
    # Django remembers it, until a test empties the tables.
    ContentType.objects.get_for_model(Client)
    few = queries_of(admin, address)

    _deliveries(broadcast, 27)

    assert queries_of(admin, address) == few


def _deliveries(broadcast: Broadcast, number: int) -> None:
    """In every state that a page may ask for, and one who has joined since."""
    for turn in range(number):
        state = ("SENT", "FAILED", "SENDING")[turn % 3]
        due = timezone.now() if state == "SENDING" else None
        a_delivery(broadcast=broadcast, client=a_client(listings="both"), state=state, due_at=due)
    a_client(listings="both")


@pytest.mark.parametrize("model", [model for model in PAGES if model.startswith("notifier")])
def test_no_list_counts_all_its_rows(admin: Browser, model: str) -> None:
    MAKE[model]()

    with CaptureQueriesContext(connection) as captured:
        admin.get(url(model, "changelist"))

    counts = [query["sql"] for query in captured if query["sql"].startswith("SELECT COUNT(*)")]
    assert counts
    assert all("LIMIT 10001" in sql for sql in counts)


@pytest.mark.parametrize("model", [model for model in PAGES if model.startswith("notifier")])
def test_no_list_deletes_in_bulk(admin: Browser, model: str) -> None:
    row = MAKE[model]()

    admin.post(url(model, "changelist"), {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})

    assert type(row)._default_manager.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", PAGES)
def test_without_a_permission_nothing_opens(staff: LogIn, model: str) -> None:
    row = MAKE[model]()
    browser = staff()

    assert browser.get(url(model, "changelist")).status_code == 403
    # A broadcast's own page sends on to the progress page, which refuses.
    assert browser.get(url(model, "change", row.pk), follow=True).status_code == 403


@pytest.mark.parametrize("model", PAGES)
def test_without_login_every_page_asks_for_it(client: Browser, db: None, model: str) -> None:
    response = client.get(url(model, "changelist"))

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("admin:login"))


def test_the_menu_shows_what_one_may_open(staff: LogIn) -> None:
    groups = staff("notifier.view_client").get(reverse("admin:index")).context["menu"]

    assert [(group["name"], [model["object_name"] for model in group["models"]]) for group in groups] == [
        ("Clients", ["Client"])
    ]


@pytest.mark.parametrize("kind", ["login", "index", "password_change"])
def test_no_page_has_inline_script_or_style(admin: Browser, kind: str) -> None:
    text = admin.get(reverse(f"admin:{kind}"), follow=True).content.decode()

    assert "<style" not in text
    assert " style=" not in text
    assert "<script>" not in text


# --- Nothing in a cell ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", PAGES)
def test_a_cell_with_nothing_in_it_has_one_sign_everywhere(admin: Browser, model: str) -> None:
    made = MAKE[model]()
    for page in (url(model, "changelist"), url(model, "change", made.pk)):
        text = " ".join(admin.get(page, follow=True).content.decode().split())
        assert not re.search(r">\s*[-—]\s*<", text), page


def test_what_a_delivery_has_not_got_is_a_dash(admin: Browser) -> None:
    delivery = a_delivery(broadcast=a_broadcast(), address="")

    listed = admin.get(url("notifier_delivery", "changelist")).content.decode()
    page = admin.get(url("notifier_delivery", "change", delivery.pk)).content.decode()

    assert re.findall(r'class="field-(\w+)[^"]*">–<', listed) == ["shown_address", "reason_shown", "settled"]
    assert page.count('<div class="readonly">–</div>') == 5  # address, language, reason, processed, provider's id


# --- Pages that are stock underneath ----------------------------------------------------------------------------------
def test_a_permission_is_called_by_what_it_allows(admin: Browser) -> None:
    for page in (url("auth_group", "add"), url("auth_user", "change", a_user().pk)):
        text = admin.get(page).content.decode()
        assert "Send broadcasts" in text
        assert "Notifier | " not in text


def test_deleting_asks_with_the_name_and_what_goes_with_it(admin: Browser) -> None:
    client = a_client(name="Ann <Example>", listings="both")
    page = url("notifier_client", "delete", client.pk)

    text = " ".join(admin.get(page).content.decode().split())

    assert "<h1> Delete Ann &lt;Example&gt;? </h1>" in text
    assert "With it: preferences (1)" in text
    assert "Delete the client</button>" in text
    assert f'href="{url("notifier_client", "change", client.pk)}">Back</a>' in text
    agree_to(admin, page)
    assert not Client.objects.exists()


def test_letting_somebody_try_again_says_what_it_comes_to(admin: Browser) -> None:
    tried = AccessAttempt.objects.create(username="tom", ip_address="192.0.2.7", failures_since_start=5)
    page = url("axes_accessattempt", "delete", tried.pk)

    text = " ".join(admin.get(page).content.decode().split())

    assert "<h1>Unblock tom from 192.0.2.7?</h1>" in text
    agree_to(admin, page)
    assert not AccessAttempt.objects.exists()


def test_the_page_of_the_password_has_the_links_of_every_page(admin: Browser) -> None:
    text = admin.get(reverse("admin:password_change")).content.decode()

    assert f'<a href="{reverse("admin:password_change")}">Change password</a>' in text


def test_a_list_without_rows_says_so_in_the_words_of_the_menu(admin: Browser) -> None:
    assert "No failed log-ins yet." in admin.get(url("axes_accessattempt", "changelist")).content.decode()
