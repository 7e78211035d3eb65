from decimal import Decimal
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from notifier.fields import definitions, values
from notifier.fields.applying import ChangeOrigin
from notifier.models import ClientField, FieldOption, Notification
from notifier.runtime import clock
from tests.support.factories import a_client, a_field, a_notification
from tests.support.forms import agree_to, form_of

pytestmark = pytest.mark.both_engines(only_full=True)

ADD = "admin:notifier_clientfield_add"


def page_of(field: ClientField, kind: str = "change") -> str:
    return reverse(f"admin:notifier_clientfield_{kind}", args=[field.pk])


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().replace("&#x27;", "'").split())


def labels(field: ClientField) -> list[str]:
    return list(FieldOption.objects.filter(field=field).order_by("position").values_list("label", flat=True))


def use(field: ClientField, value: Any) -> None:
    (definition,) = definitions.of(field)
    values.set_values(client_id=a_client().pk, values={definition: value}, origin=ChangeOrigin(), now=clock.now())


def test_a_field_is_defined_with_a_key_made_of_its_label(admin: Browser) -> None:
    agree_to(admin, reverse(ADD), label="Member since", kind="DATE")
    agree_to(admin, reverse(ADD), label="Balance", key="money", kind="MONEY", currency="CHF")
    agree_to(admin, reverse(ADD), label="Size", kind="CHOICE", new_options=" Small \r\n\r\nLarge")

    found = ClientField.objects.in_order().values_list("label", "key", "kind", "currency", "column")
    assert list(found) == [
        ("Member since", "member_since", "DATE", "", "n1"),
        ("Balance", "money", "MONEY", "CHF", "n2"),
        ("Size", "size", "CHOICE", "", "n3"),
    ]
    assert labels(ClientField.objects.get(key="size")) == ["Small", "Large"]


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"label": "Name", "key": "name"}, "“name” means something else already"),
        ({"label": "City", "key": "City!"}, "small letters a to z"),
        ({"label": "город"}, "None can be made from the label"),
        ({"label": "TAKEN"}, "There is a field “TAKEN” already"),
        ({"label": "Balance", "kind": "MONEY"}, "Choose the currency"),
        ({"label": "Size", "kind": "CHOICE"}, "Enter the options, one per line"),
        ({"label": "Size", "kind": "CHOICES", "new_options": "A\nB\na"}, "“a” is there twice"),
        ({"label": "Size", "kind": "CHOICE", "new_options": "A;B"}, "can’t have ; or |"),
        ({"label": "Size", "kind": "DATE", "new_options": "A"}, "Only a list has options"),
    ],
)
def test_what_no_field_can_be_is_refused_with_the_reason(typed: dict[str, str], why: str, admin: Browser) -> None:
    a_field(label="Taken")

    page = agree_to(admin, reverse(ADD), **{"kind": "TEXT", **typed})

    assert why in text_of(page)
    assert ClientField.objects.count() == 1


def test_what_is_used_keeps_its_key_and_currency_and_takes_another_label(admin: Browser) -> None:
    field = a_field(kind="MONEY", key="balance", label="Balance")
    use(field, Decimal(5))

    agree_to(admin, page_of(field), label="Credit", key="credit", currency="USD", kind="DATE")

    field.refresh_from_db()
    assert (field.label, field.key, field.currency, field.kind) == ("Credit", "balance", "EUR", "MONEY")
    assert "1 client" in text_of(admin.get(page_of(field)))


def test_the_currency_and_key_of_what_nobody_uses_can_be_changed(admin: Browser) -> None:
    field = a_field(kind="MONEY", key="balance", label="Balance")

    agree_to(admin, page_of(field), key="credit", currency="USD")

    field.refresh_from_db()
    assert (field.label, field.key, field.currency) == ("Balance", "credit", "USD")


def test_options_are_renamed_put_in_order_retired_and_added(admin: Browser) -> None:
    field = a_field(kind="CHOICE", options=["Small", "Large"])

    agree_to(
        admin,
        page_of(field),
        option_1="Little",
        order_1="9",
        retired_2="on",
        new_options="Huge",
    )

    assert labels(field) == ["Large", "Little", "Huge"]
    rows = FieldOption.objects.filter(field=field).order_by("number")
    assert [(one.number, one.label, one.retired_at is not None) for one in rows] == [
        (1, "Little", False),
        (2, "Large", True),
        (3, "Huge", False),
    ]


def test_a_field_is_retired_and_restored(admin: Browser) -> None:
    field = a_field(label="City")

    agree_to(admin, page_of(field), is_retired="on")
    field.refresh_from_db()
    assert field.retired_at is not None
    form = form_of(admin.get(page_of(field)).content.decode())
    assert form.pop("is_retired") == ["on"]
    admin.post(page_of(field), form)

    field.refresh_from_db()
    assert field.retired_at is None


def test_retiring_says_which_texts_have_the_field(admin: Browser) -> None:
    field = a_field(label="City", key="city")
    a_notification(subject="Homes", email_body="In {{ city }}")

    assert "the notification “Homes”" in text_of(admin.get(page_of(field)))
    agree_to(admin, page_of(field), is_retired="on")

    said = text_of(admin.get(page_of(field)))
    assert "{{ city }} is in the notification “Homes”. Broadcasts that were requested go on with it" in said
    confirm = admin.get(reverse("admin:notifier_notification_broadcast"), {"ids": str(Notification.objects.get().pk)})
    assert "{{ city }} can’t be used any more, because the field was retired." in text_of(confirm)


def test_what_a_colleague_changed_since_is_not_overwritten(admin: Browser) -> None:
    field = a_field(label="City", kind="CHOICE", options=["Bonn"])
    form = form_of(admin.get(page_of(field)).content.decode())
    renamed = [definitions.OptionChange(1, "Köln")]
    definitions.set_options(field=field, options=renamed, now=clock.now())

    page = admin.post(page_of(field), form | {"label": "Town"})

    assert "This has changed since you opened the page: option 1" in text_of(page)
    assert (ClientField.objects.get().label, labels(field)) == ("City", ["Köln"])


def test_what_is_used_is_not_deleted_and_the_page_says_by_what(admin: Browser) -> None:
    used, unused = a_field(label="City"), a_field(label="Town")
    use(used, "Bonn")

    said = text_of(admin.get(page_of(used, "delete"), follow=True))
    agree_to(admin, page_of(unused, "delete"))

    assert "“City” can’t be deleted, because it is used by 1 client. You can retire it instead." in said
    assert [field.label for field in ClientField.objects.all()] == ["City"]
