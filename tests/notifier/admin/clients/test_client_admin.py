import re
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from notifier.admin.lists.search import matching
from notifier.clients import erasure
from notifier.models import Client, Preference, Suppression, Topic
from notifier.runtime import clock
from tests.notifier.admin.broadcasts.test_broadcast_admin import text_of
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_client, a_delivery, a_notification, a_topic
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines

ADD = "admin:notifier_client_add"


def page_of(client: Client, kind: str = "change") -> str:
    return reverse(f"admin:notifier_client_{kind}", args=[client.pk])


def filled_in(page: Any, **changes: str) -> dict[str, str]:
    """What a browser posts: the form and the matrix as they were shown, with `changes` (unticked where empty).

    Where consent comes from is said, unless the test says otherwise.
    """
    form = page.context["adminform"].form
    formset = page.context["inline_admin_formsets"][0].formset
    boxes = [form, formset.management_form, *formset.forms]
    shown = {field.html_name: field.value() for box in boxes for field in box}
    shown |= {
        field.html_initial_name: field.value() for box in boxes for field in box if field.field.show_hidden_initial
    }
    data = {
        name: "on" if value is True else str(value)
        for name, value in shown.items()
        if value is not None and value is not False
    }
    posted = data | {"evidence": "asked by phone"} | changes
    return {name: value for name, value in posted.items() if value or name in ("email", "phone")}


def errors_of(page: Any) -> dict[str, list[str]]:
    return dict(page.context["adminform"].form.errors)


# --- Addresses --------------------------------------------------------------------------------------------------------
def test_an_absent_address_is_stored_as_null(admin: Browser) -> None:
    page = admin.get(reverse(ADD))

    admin.post(reverse(ADD), filled_in(page, name="Ann", email="", phone="+46 70 174 06 05"))
    admin.post(reverse(ADD), filled_in(page, name="Bob", email="Bob@Example.com", phone=""))

    assert list(Client.objects.order_by("name").values_list("name", "email", "phone")) == [
        ("Ann", None, "+46701740605"),
        ("Bob", "bob@example.com", None),
    ]


def test_any_number_of_clients_have_no_email_address(admin: Browser) -> None:
    for number in ("+46 70 174 06 05", "+46 70 174 06 06"):
        admin.post(reverse(ADD), filled_in(admin.get(reverse(ADD)), name="Ann", email="", phone=number))

    assert list(Client.objects.values_list("email", flat=True)) == [None, None]


def test_an_address_that_differs_in_case_alone_is_refused_at_its_field(admin: Browser) -> None:
    a_client(email="ann@example.com")

    page = admin.post(reverse(ADD), filled_in(admin.get(reverse(ADD)), name="Ann", email="ANN@Example.com", phone=""))

    assert list(errors_of(page)) == ["email"]
    assert Client.objects.count() == 1


def test_a_phone_that_differs_in_writing_alone_is_refused_at_its_field(admin: Browser) -> None:
    a_client(phone="+46701740605")

    page = admin.post(
        reverse(ADD), filled_in(admin.get(reverse(ADD)), name="Ann", email="", phone="+46 (0)70-174 06 05")
    )

    assert list(errors_of(page)) == ["phone"]
    assert Client.objects.count() == 1


@pytest.mark.parametrize("phone", ["12", "no number", "+44"])
def test_what_is_no_phone_number_is_refused_at_its_field(admin: Browser, phone: str) -> None:
    page = admin.post(reverse(ADD), filled_in(admin.get(reverse(ADD)), name="Ann", email="a@example.com", phone=phone))

    assert list(errors_of(page)) == ["phone"]


def test_a_client_without_any_address_is_refused_at_the_fields(admin: Browser) -> None:
    page = admin.post(reverse(ADD), filled_in(admin.get(reverse(ADD)), name="Ann", email="", phone=""))

    assert list(errors_of(page)) == ["email"]
    # Beside its field, and linked from the top.
    assert page.content.decode().count("Enter an e-mail address, a phone number, or both.") == 2


# --- Archiving and deleting -------------------------------------------------------------------------------------------
def act(browser: Browser, action: str, *clients: Client, **answer: str) -> Any:
    """Ticks them, chooses the action, and agrees to what the page asks."""
    chosen = {"action": action, "_selected_action": [client.pk for client in clients]}
    asked = browser.post(reverse("admin:notifier_client_changelist"), chosen)
    return agree_to(browser, asked["Location"], follow=True, **answer) if asked.status_code == 302 else asked


def test_selected_clients_are_archived_and_return(admin: Browser) -> None:
    first, second, other = a_client(), a_client(), a_client()

    page = act(admin, "archive_selected", first, second)

    assert set(Client.objects.archived()) == {first, second}
    assert "2 clients archived" in page.content.decode()

    act(admin, "return_selected", first)

    assert set(Client.objects.archived()) == {second}
    assert other.is_active


def test_archiving_needs_the_permission_to_change(staff: LogIn) -> None:
    client = a_client()

    act(staff("notifier.view_client"), "archive_selected", client)

    client.refresh_from_db()
    assert client.is_active


def test_the_page_of_an_archived_client_says_so(admin: Browser) -> None:
    archived = admin.get(page_of(a_client(is_active=False))).content.decode()
    active = admin.get(page_of(a_client())).content.decode()

    assert "Nothing is sent to this client" in archived
    assert "Nothing is sent to this client" not in active


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_client_with_deliveries_is_not_deleted(admin: Browser, method: str) -> None:
    client = a_client()
    a_delivery(client=client)

    page = getattr(admin, method)(page_of(client, "delete"), {"post": "yes"}, follow=True)

    assert Client.objects.filter(pk=client.pk).exists()
    assert "Archive the client instead" in page.content.decode()


def test_a_client_without_deliveries_is_deleted_with_the_preferences(admin: Browser) -> None:
    client = a_client(listings="both")

    agree_to(admin, page_of(client, "delete"))

    assert not Client.objects.filter(pk=client.pk).exists()
    assert not Preference.objects.exists()


def test_deleting_needs_its_permission(staff: LogIn) -> None:
    client = a_client()

    response = staff("notifier.view_client", "notifier.change_client").post(page_of(client, "delete"), {"post": "yes"})

    assert response.status_code == 403
    assert Client.objects.filter(pk=client.pk).exists()


def test_a_topic_in_use_is_not_deleted(admin: Browser) -> None:
    written, wanted, unused = a_topic(slug="written"), a_topic(slug="wanted"), a_topic(slug="unused")
    a_notification(topic=written)
    a_client(wanted="email")

    for topic in (written, wanted, unused):
        agree_to(admin, reverse("admin:notifier_topic_delete", args=[topic.pk]))

    assert set(Topic.objects.filter(pk__in=[written.pk, wanted.pk, unused.pk])) == {written, wanted}


# --- Finding ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "term",
    ["svensson", "åsa sven", "ASA.S@exam", "+46 70-174", "0046 70", "4670174", "070-174", "(070)"],
)
def test_a_client_is_found_by_name_and_by_the_beginning_of_an_address(db: None, settings: Any, term: str) -> None:
    settings.PHONE_DEFAULT_REGION = "SE"
    client = a_client(name="Åsa Svensson", email="asa.s@example.com", phone="+46701740605")
    a_client(name="Ann Example")

    # SQLite knows upper and lower case of ASCII letters only.
    found = list(Client.objects.filter(matching(term.replace("åsa", "Åsa"))))

    assert found == [client]


@pytest.mark.parametrize("term", ["@example.com", "1740605", "Åsa Ann", "%", "_"])
def test_nobody_is_found_by_the_middle_of_an_address_or_by_wildcards(db: None, term: str) -> None:
    a_client(name="Åsa Svensson", email="asa.s@example.com", phone="+46701740605")

    assert not Client.objects.filter(matching(term)).exists()


def test_the_list_shows_and_sorts_by_the_address(admin: Browser) -> None:
    for email in ("<b>ann@x.example.com", "cleo@example.com"):
        a_client(email=email)
    a_client(email=None)
    url = reverse("admin:notifier_client_changelist")

    page = admin.get(url).content.decode()

    assert '<td class="field-shown_email">&lt;b&gt;ann@<wbr>x<wbr>.example<wbr>.com</td>' in page
    assert '<td class="field-shown_email">–</td>' in page
    found = admin.get(url, {"o": "-2"}).context["cl"].result_list
    assert [client.email for client in found if client.email] == ["cleo@example.com", "<b>ann@x.example.com"]


def test_the_list_writes_numbers_in_groups_and_topics_by_the_same_channels_together(admin: Browser) -> None:
    a_client(name="Ann", phone="+46701740605", listings="both", offerings="both")
    a_client(name="Bob", phone=None, listings="email", offerings="sms")
    a_client(name="Cleo")

    page = re.sub(r"<[^>]+>", "", admin.get(reverse("admin:notifier_client_changelist")).content.decode())

    assert "+46 70 174 06 05" in page
    assert "Listings, Offerings: e-mail, SMS" in page
    assert "Listings: e-mail · Offerings: SMS" in page
    assert "nothing" in page


def test_an_empty_list_offers_what_to_do_next(admin: Browser, staff: LogIn) -> None:
    url = reverse("admin:notifier_client_changelist")

    def says(browser: Browser) -> str:
        page = browser.get(url).content.decode()
        return " ".join(re.sub(r"<[^>]+>", "", page.partition('<div class="empty">')[2].partition("</div>")[0]).split())

    assert says(admin) == "No clients yet. Add a client or import a file."
    assert says(staff("notifier.view_client", "notifier.add_client")) == "No clients yet. Add a client."
    assert says(staff("notifier.view_client", "notifier.import_client")) == "No clients yet. Import a file."
    assert says(staff("notifier.view_client")) == "No clients yet."


def test_clients_are_filtered_by_state_and_by_consent(admin: Browser) -> None:
    both, sms, archived = a_client(listings="both"), a_client(listings="sms"), a_client(is_active=False)

    def listed(**filters: str) -> set[Client]:
        page = admin.get(reverse("admin:notifier_client_changelist"), filters)
        return set(page.context["cl"].result_list)

    assert listed() == {both, sms, archived}
    assert listed(state="archived") == {archived}
    assert listed(wants="listings.email") == {both}
    assert listed(wants="listings.sms") == {both, sms}
    assert listed(wants="offerings.sms") == set()


# --- Suppressions -----------------------------------------------------------------------------------------------------
def test_a_suppressed_address_is_kept_in_the_shape_of_the_clients_and_found_by_its_beginning(admin: Browser) -> None:
    add, listed = reverse("admin:notifier_suppression_add"), reverse("admin:notifier_suppression_changelist")

    admin.post(add, {"channel": "sms", "address": "+46 70 174 06 05", "reason": "asked us to"})
    page = admin.get(listed, {"q": "+46 70-174"})

    assert [row.address for row in page.context["cl"].result_list] == ["+46701740605"]


# --- Language ---------------------------------------------------------------------------------------------------------
def test_a_language_is_chosen_taken_away_and_kept_in_the_history(admin: Browser) -> None:
    client = a_client()

    admin.post(page_of(client), filled_in(admin.get(page_of(client)), language="de"))
    admin.post(page_of(client), filled_in(admin.get(page_of(client)), language="tlh"))
    assert Client.objects.get().language == "de"
    assert "German" in text_of(admin.get(page_of(client)))
    admin.post(page_of(client), filled_in(admin.get(page_of(client)), language=""))

    assert Client.objects.get().language is None
    assert list(client.history.order_by("history_id").values_list("language", flat=True)) == [None, "de", None]
    assert "Language" in admin.get(page_of(client, "history")).content.decode()


def test_a_language_that_is_no_longer_offered_stays_and_counts_as_the_default(admin: Browser, settings: Any) -> None:
    client = a_client()
    Client.objects.update(language="de")
    settings.CLIENT_LANGUAGES = ("en", "fr")

    admin.post(page_of(client), filled_in(admin.get(page_of(client)), name="Renamed"))

    client.refresh_from_db()
    assert (client.name, client.language) == ("Renamed", "de")
    profile = admin.get(reverse("admin:notifier_client_change", args=[client.pk]))
    assert (profile.context["language"], profile.context["is_default_language"]) == ("English", True)


def test_a_language_that_somebody_else_has_changed_meanwhile_is_not_overwritten(admin: Browser) -> None:
    client = a_client()
    page = admin.get(page_of(client))
    Client.objects.update(language="fr")

    answer = admin.post(page_of(client), filled_in(page, language="de"))

    assert Client.objects.get().language == "fr"
    assert "Someone else has changed this" in text_of(answer)


def test_the_list_is_filtered_by_language(admin: Browser) -> None:
    for name, language in (("Ann", "de"), ("Bob", None), ("Cleo", "fr")):
        Client.objects.filter(pk=a_client(name=name).pk).update(language=language)

    def listed_with(**query: str) -> list[str]:
        page = admin.get(reverse("admin:notifier_client_changelist"), query)
        return [client.name for client in page.context["cl"].result_list]

    assert listed_with(language="de") == ["Ann"]
    assert listed_with(language="none") == ["Bob"]
    assert listed_with(language="tlh") == listed_with() == ["Ann", "Bob", "Cleo"]


# --- Time zone --------------------------------------------------------------------------------------------------------
def test_a_time_zone_is_chosen_and_kept_in_the_history(admin: Browser) -> None:
    client = a_client(phone=None)

    admin.post(page_of(client), filled_in(admin.get(page_of(client)), time_zone="Europe/London"))
    admin.post(page_of(client), filled_in(admin.get(page_of(client)), time_zone="Mars/Olympus"))

    client.refresh_from_db()
    assert client.time_zone == "Europe/London"
    newest = client.history.latest("history_id")
    assert newest.time_zone == "Europe/London"
    assert "Time zone" in admin.get(page_of(client, "history")).content.decode()


def test_a_zone_that_came_with_a_file_stays_though_the_list_does_not_have_it(admin: Browser) -> None:
    client = a_client()
    Client.objects.update(time_zone="US/Eastern")

    admin.post(page_of(client), filled_in(admin.get(page_of(client)), name="Renamed"))

    client.refresh_from_db()
    assert (client.name, client.time_zone) == ("Renamed", "US/Eastern")


# --- Who was erased ---------------------------------------------------------------------------------------------------
def test_an_erased_address_that_is_entered_again_stays_silent(admin: Browser) -> None:
    gone = a_client(email="ann@example.com", phone="+46701740605")
    erasure.erase(client_id=gone.pk, by=None, why="asked", now=clock.now())
    page = admin.get(reverse(ADD))

    admin.post(reverse(ADD), filled_in(page, name="Ann", email="Ann@Example.com", phone=""))
    ann = Client.objects.get(email="ann@example.com")
    page = admin.get(page_of(ann))
    admin.post(page_of(ann), filled_in(page, phone="+46 70 174 06 05"))

    silent = Suppression.objects.values_list("address", "source")
    assert set(silent) == {("ann@example.com", "ERASED"), ("+46701740605", "ERASED")}


@pytest.mark.parametrize("term", ["ann@example.com", "+46 70 174 06 05"])
def test_who_was_erased_is_found_by_the_address_they_had(staff: LogIn, term: str) -> None:
    gone = a_client(email="ann@example.com", phone="+46701740605")
    a_delivery(client=gone, state="SENT")
    erasure.erase(client_id=gone.pk, by=None, why="asked", now=clock.now())
    a_client(email="ann@example.com.invalid")
    seen = ("notifier.view_client", "notifier.view_delivery")

    for rights, found in (((*seen, "notifier.view_erasedaddress"), True), (seen, False)):
        browser = staff(*rights)
        clients = browser.get(reverse("admin:notifier_client_changelist"), {"q": term}).content.decode()
        deliveries = browser.get(reverse("admin:notifier_delivery_changelist"), {"q": term}).content.decode()

        assert (f"Erased client {gone.pk}" in clients, f"Erased client {gone.pk}" in deliveries) == (found, found)
