from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client as Browser
from django.urls import reverse

from notifier.models import Brand
from tests.support.factories import a_brand, a_broadcast, a_notification, a_picture
from tests.support.forms import form_of

PAGE = reverse("admin:notifier_brand_change", args=[1])


def save(browser: Browser, **changes: Any) -> Any:
    return browser.post(PAGE, form_of(browser.get(PAGE).content.decode()) | changes, follow=True)


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().split())


def test_the_menu_leads_to_the_form_of_the_only_row(admin: Browser) -> None:
    Brand.objects.all().delete()

    menu = text_of(admin.get(reverse("admin:index")))
    page = admin.get(PAGE)

    assert f'<a href="{PAGE}"' in menu
    assert Brand.objects.count() == 1
    assert "keep the brand that they had" in text_of(page)


def test_what_is_saved_is_shown_from_then_on(admin: Browser) -> None:
    a_brand()
    logo = a_picture()

    save(
        admin,
        name=" Acme ",
        logo=logo.pk,
        colour="#0A6B4F",
        ink="#ffffff",
        postal_address=" 1 High Street \r\nLondon\r\n",
        reply_line="Call us",
    )

    look = Brand.objects.look()
    assert (look.name, look.colour, look.logo, look.reply_line) == ("Acme", "#0a6b4f", logo.name, "Call us")
    assert look.postal_address == "1 High Street\nLondon"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"colour": "#777777", "ink": "#ffffff"},
            "White text can’t be read well on #777777: the contrast is 4.4:1, and at least 4.5:1 is needed. "
            "Choose a darker colour, or dark text.",
        ),
        (
            {"colour": "#4a45c4", "ink": "#1b1c27"},
            "Dark text can’t be read well on #4a45c4: the contrast is 2.3:1, and at least 4.5:1 is needed. "
            "Choose a lighter colour, or white text.",
        ),
        ({"colour": "blue"}, "Write the colour as # and six digits, like #4a45c4."),
        ({"colour": "#fff"}, "Write the colour as # and six digits, like #4a45c4."),
        ({"name": "{{ name }}"}, "Placeholders don’t work here."),
        ({"postal_address": "a\n" * 7}, "An address has at most 6 lines."),
        ({"postal_address": "London\x08"}, "Write the address without tabs or other control characters."),
        ({"postal_address": "a" * 301}, "at most 300 characters"),
    ],
)
def test_what_can_t_be_read_is_refused_and_the_ratio_is_said(
    admin: Browser, changes: dict[str, Any], said: str
) -> None:
    a_brand()

    page = save(admin, **changes)

    assert said in text_of(page)
    assert Brand.objects.get().name == "Acme Homes"
    assert Brand.objects.look().colour == "#4a45c4"


def test_there_is_one_row(admin: Browser) -> None:
    with pytest.raises(IntegrityError, match="brand_is_one_row"):
        Brand.objects.create(pk=2)


def test_a_logo_can_t_be_deleted_nor_can_one_that_a_broadcast_keeps(admin: Browser) -> None:
    now, then = a_picture(alt="New logo"), a_picture(alt="Old logo")
    brand = a_brand(logo=then)
    broadcast = a_broadcast(notification=a_notification(subject="News"), brand=brand.look.as_json())
    a_brand(logo=now)

    said = [
        text_of(admin.post(reverse("admin:notifier_picture_delete", args=[one.pk]), {"post": "yes"}, follow=True))
        for one in (now, then)
    ]

    assert "“New logo” can’t be deleted, because it is used in the brand." in said[0]
    assert f"“Old logo” can’t be deleted, because it is used in broadcast #{broadcast.pk} News." in said[1]
    assert f'<a href="{PAGE}">Brand</a>' in text_of(admin.get(reverse("admin:notifier_picture_change", args=[now.pk])))
