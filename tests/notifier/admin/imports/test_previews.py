"""Fields and tags of a file on their way through the pages."""

from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from notifier.fields import definitions, tags, values
from notifier.fields.applying import ChangeOrigin
from notifier.models import Client, ClientImport, Tag
from notifier.runtime import clock
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.imports.test_import_admin import agree_to, page, pending, upload
from tests.support.factories import a_client, a_field, a_tag

pytestmark = pytest.mark.both_engines

FILE = (
    b"Name,E-mail,Rooms,Member since,Labels\nAnn,ann@example.com,3,2025-12-31,VIP\nBob,bob@example.com,many,,Berlin\n"
)


@pytest.fixture(autouse=True)
def _fields(db: None) -> None:
    a_field(kind="WHOLE", label="Rooms", key="rooms")
    a_field(kind="DATE", label="Member since", key="member_since")
    a_tag("VIP")


def choose(browser: Browser, row: ClientImport, **chosen: str) -> Any:
    columns = browser.get(page("columns", row.pk)).context["columns"]
    answers = {column.field_id: chosen.get(column.name, column.chosen) for column in columns}
    return browser.post(page("columns", row.pk), answers)


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_columns_are_matched_previewed_and_imported(importer: Browser) -> None:
    row = pending(importer, FILE)

    html = importer.get(page("columns", row.pk)).content.decode()
    choose(importer, row, Labels="tags")
    preview = text_of(importer.get(page("preview", row.pk)))
    agree_to(importer, page("preview", row.pk))

    assert row.mapping == {
        "Name": "name",
        "E-mail": "email",
        "Rooms": "field:rooms",
        "Member since": "field:member_since",
        "Labels": "",
    }
    assert '<option value="field:member_since" selected>Member since (date)</option>' in " ".join(html.split())
    assert "Member since: 31 Dec 2025" in preview
    assert "“many” is not a number." in preview
    assert "There is no tag “Berlin”, and you may not add tags." in preview
    ann = Client.objects.get()
    assert [tag.name for tag in tags.of_client(ann.pk)] == ["VIP"]
    assert sorted(map(str, values.of_client(ann.pk, definitions.every()).values())) == ["2025-12-31", "3"]


def test_what_was_chosen_is_remembered(importer: Browser) -> None:
    choose(importer, pending(importer, FILE), Labels="tags", Rooms="")
    agree_to(importer, page("preview", ClientImport.objects.get().pk))

    upload(importer, FILE)

    assert ClientImport.objects.latest("pk").mapping == {
        "Name": "name",
        "E-mail": "email",
        "Rooms": "",
        "Member since": "field:member_since",
        "Labels": "tags",
    }


def test_a_field_that_was_retired_since_is_not_remembered(importer: Browser) -> None:
    choose(importer, pending(importer, FILE))
    agree_to(importer, page("preview", ClientImport.objects.get().pk))
    rooms = next(one for one in definitions.every() if one.key == "rooms")
    definitions.retire(field_id=rooms.id, now=clock.now())

    upload(importer, FILE)

    assert ClientImport.objects.latest("pk").mapping["Rooms"] == ""


def test_a_field_that_is_retired_while_the_file_waits_leads_back_to_the_columns(importer: Browser) -> None:
    row = pending(importer, FILE)
    rooms = next(one for one in definitions.every() if one.key == "rooms")
    definitions.retire(field_id=rooms.id, now=clock.now())

    answer = importer.get(page("preview", row.pk), follow=True)

    assert answer.redirect_chain == [(page("columns", row.pk), 302)]
    assert "There is no field “rooms”, or it was retired." in text_of(answer)


def test_new_tags_are_named_before_they_are_added(staff: LogIn) -> None:
    browser = staff("notifier.import_client", "notifier.add_tag")
    row = pending(browser, FILE.replace(b"many", b"4"))
    choose(browser, row, Labels="tags")

    preview = text_of(browser.get(page("preview", row.pk)))
    assert 'New tag: <span class="tag">Berlin</span>' in preview
    assert not Tag.objects.filter(name="Berlin").exists()
    agree_to(browser, page("preview", row.pk))

    assert [tag.name for tag in tags.of_client(Client.objects.get(name="Bob").pk)] == ["Berlin"]


def test_nothing_is_imported_where_a_value_was_changed_since(importer: Browser) -> None:
    ann = a_client(name="Ann", email="ann@example.com", phone=None)
    row = pending(importer, FILE)
    form = {"evidence": "x", "seen": importer.get(page("preview", row.pk)).context["seen"]}
    every = {one.key: one for one in definitions.every()}
    chosen = {every["rooms"]: 3, every["member_since"]: every["member_since"].type.read("2025-12-31")}
    values.set_values(client_id=ann.pk, values=chosen, origin=ChangeOrigin(), now=clock.now())

    answer = importer.post(page("preview", row.pk), form)

    assert "Nothing was imported" in text_of(answer)
    assert ClientImport.objects.get().state == "UPLOADED"


def test_an_export_offers_fields_and_tags_and_has_those_that_were_chosen(admin: Browser) -> None:
    a_client()
    address = reverse("admin:notifier_client_export", query={"list": ""})
    rooms = next(one for one in definitions.every() if one.key == "rooms")
    seen = admin.get(address).context["seen"]

    def header(**chosen: Any) -> str:
        answer: Any = admin.post(address, {"kind": "csv", "seen": seen, **chosen})
        return b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()[0]

    assert "Rooms" in header(field=[rooms.id])
    assert "Member since" not in header(field=[rooms.id, "x", "9" * 40])
    assert "Tags" not in header(field=[rooms.id])
    assert "Tags" in header(tags="1")
