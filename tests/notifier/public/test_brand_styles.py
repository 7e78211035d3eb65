from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from notifier.messages import signed_links
from notifier.models import Brand
from tests.support.factories import a_brand, a_client, a_picture, a_topic

pytestmark = pytest.mark.django_db


def page(name: str = "unsubscribe") -> str:
    token = signed_links.token(signed_links.Link(a_client(listings="both").pk, a_topic().pk, 1))
    return " ".join(Browser().get(reverse(name, args=[token])).content.decode().split())


@pytest.mark.parametrize("name", ["unsubscribe", "preferences"])
def test_clients_see_the_brand_on_the_pages_that_their_mails_lead_to(name: str) -> None:
    a_brand(name="Acme <Homes>", postal_address="1 High Street\nLondon", reply_line="Call 020 7946 0123")

    shown = page(name)

    assert '<p class="sender">Acme &lt;Homes&gt;</p>' in shown
    assert "1 High Street <br> London <br>" in shown
    assert "Call 020 7946 0123" in shown
    assert "brand.css" not in shown


def test_a_logo_stands_in_place_of_the_name() -> None:
    logo = a_picture(alt="Acme Homes", size=(480, 144))
    a_brand(name="", logo=logo)

    assert f'<img src="/pictures/{logo.name}" alt="Acme Homes" width="240" height="72">' in page()


def test_without_a_brand_the_sender_is_named_as_before() -> None:
    Brand.objects.all().delete()

    shown = page()

    assert '<p class="sender">Notifier</p>' in shown
    assert "<footer>" not in shown
    assert "brand.css" not in shown


def test_its_colours_are_a_style_sheet_of_our_own() -> None:
    a_brand(colour="#ffcc00", ink=Brand.Ink.DARK)
    shown = page()
    address = f"{reverse('brand_styles')}?v="
    assert f'<link rel="stylesheet" href="{address}' in shown

    answer: Any = Browser().get(reverse("brand_styles"))

    styles = answer.content.decode()
    assert answer["Content-Type"] == "text/css; charset=utf-8"
    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "--button: #ffcc00; --on-button: #1b1c27;" in styles
    # On white nobody could read a link in that yellow.
    assert "--brand: #1b1c27;" in styles
    a_brand(colour="#ffcc11", ink=Brand.Ink.DARK)
    assert shown.partition(address)[2][:16] not in page()
