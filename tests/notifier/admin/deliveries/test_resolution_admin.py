"""The record of what staff decided about deliveries."""

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.urls import reverse

from notifier.delivery import recovery
from notifier.models import Delivery, Resolution
from notifier.runtime import clock
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.deliveries.test_resolve_page import answer, asking, page_of, states, text_of
from tests.support.factories import a_delivery

pytestmark = pytest.mark.both_engines

LIST = "admin:notifier_delivery_changelist"
VIEW, RESOLVE = "notifier.view_delivery", "notifier.resolve_delivery"


def a_resolution(*rows: Delivery, by: User | None = None) -> Resolution:
    chosen = Delivery.objects.filter(pk__in=[row.pk for row in rows])
    recovery.mark_as_sent(deliveries=chosen, by=by, why="in their log", now=clock.now())
    return Resolution.objects.latest("pk")


def test_the_list_of_decisions_says_who_when_why_and_how_many(admin: Browser, superuser: User) -> None:
    a_resolution(a_delivery(state="FAILED"), a_delivery(state="FAILED"), by=superuser)
    a_resolution(a_delivery(state="FAILED"))

    text = text_of(admin.get(reverse("admin:notifier_resolution_changelist")))

    assert "root" in text
    assert "the command line" in text
    assert "in their log" in text
    assert '<td class="field-shown_number">2</td>' in text


def test_the_deliveries_of_a_decision_are_one_click_away(admin: Browser) -> None:
    row = a_delivery(state="FAILED")
    resolution = a_resolution(row)
    a_resolution(a_delivery(state="FAILED"))
    url = f"{reverse(LIST)}?resolution={resolution.pk}"

    page = admin.get(url)

    assert url in text_of(admin.get(reverse("admin:notifier_resolution_change", args=[resolution.pk])))
    assert list(page.context["cl"].result_list) == [row]
    assert f"Messages of decision #{resolution.pk}" in text_of(page)
    for nobody in ("x", "99999999999999999999"):
        assert not admin.get(f"{reverse(LIST)}?resolution={nobody}").context["cl"].result_list


def test_the_deliveries_of_a_decision_can_be_decided_on_again(admin: Browser) -> None:
    row, other = a_delivery(state="FAILED"), a_delivery(state="UNKNOWN")
    resolution = a_resolution(row)
    Delivery.objects.filter(pk=row.pk).update(state="UNKNOWN")

    admin.post(asking("send-again", list=f"resolution={resolution.pk}"), answer())

    assert states(row, other) == ["PENDING", "UNKNOWN"]


def test_a_delivery_s_page_tells_its_decisions_to_those_who_may_not_see_the_record_too(staff: LogIn) -> None:
    row = a_delivery(state="UNKNOWN")
    resolution = a_resolution(row)

    text = text_of(staff(VIEW).get(page_of(row)))

    assert "by the command line" in text
    assert reverse("admin:notifier_resolution_change", args=[resolution.pk]) not in text
