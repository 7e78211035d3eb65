"""Lifting suppressions."""

from datetime import datetime

import pytest
from django.test import Client as Browser

from notifier.consent.suppressions import Source
from notifier.models import Suppression, SuppressionChange
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.consent.test_suppressions import ANN, BOB, LIFT, LIST, SEES, lift, page_of, suppress
from tests.support.forms import form_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines(only_full=True)]


def test_a_lifting_is_asked_about_and_kept_with_who_and_why(staff: LogIn, now: datetime) -> None:
    row = suppress(ANN, Source.BOUNCE, now)
    browser = staff(SEES, "notifier.lift_suppression")

    asked = browser.get(f"{LIFT}?ids={row.pk}").content.decode()
    assert ANN in asked
    assert "Lift 1 suppression" in asked
    assert Suppression.objects.exists()
    lift(browser, row)

    assert not Suppression.objects.exists()
    change = SuppressionChange.objects.latest("pk")
    assert (change.action, change.reason) == ("LIFTED", "it is back")
    assert change.by is not None


def test_without_a_reason_nothing_is_lifted(admin: Browser, now: datetime) -> None:
    page = lift(admin, suppress(ANN, Source.BOUNCE, now), why=" ")

    assert "Give a reason" in page.content.decode()
    assert Suppression.objects.exists()


@pytest.mark.parametrize("source", Suppression.CLIENT_REQUESTED)
def test_the_clients_own_word_wants_a_right_of_its_own(staff: LogIn, now: datetime, source: Source) -> None:
    row = suppress(ANN, source, now)
    other = suppress(BOB, Source.BOUNCE, now)

    browser = staff(SEES, "notifier.lift_suppression")
    assert "Lift…" not in browser.get(page_of(row)).content.decode()
    assert lift(browser, row).status_code == 403
    assert "1 unchanged: you don’t have permission" in " ".join(
        browser.get(f"{LIFT}?ids={row.pk},{other.pk}").content.decode().split()
    )
    lift(browser, row, other)
    assert [s.address for s in Suppression.objects.all()] == [ANN]

    browser = staff(SEES, "notifier.lift_refusal")
    assert "Lift…" in browser.get(page_of(row)).content.decode()
    lift(browser, row)
    assert not Suppression.objects.exists()


def test_several_that_were_ticked_are_lifted_and_never_all_of_a_list(admin: Browser, now: datetime) -> None:
    rows = [suppress(ANN, Source.BOUNCE, now), suppress(BOB, Source.STAFF, now)]
    chosen = {"action": "lift_selected", "_selected_action": [row.pk for row in rows]}

    everything = admin.post(LIST, chosen | {"select_across": "1"}, follow=True)
    asked = admin.post(LIST, chosen, follow=True)

    assert "tick the suppressions one by one" in everything.content.decode()
    assert "Lift 2 suppressions" in asked.content.decode()
    lift(admin, *rows)
    assert not Suppression.objects.exists()


def test_an_address_without_a_choice_leads_back_to_the_list(admin: Browser) -> None:
    assert admin.get(LIFT).status_code == admin.get(f"{LIFT}?list=q").status_code == 302


# --- Since the page was shown -----------------------------------------------------------------------------------------
def test_what_the_client_said_since_is_not_lifted(staff: LogIn, now: datetime) -> None:
    row = suppress(ANN, Source.STAFF, now)
    browser = staff(SEES, "notifier.lift_suppression", "notifier.lift_refusal")
    address = f"{LIFT}?ids={row.pk}"
    form = form_of(browser.get(address).content.decode())
    suppress(ANN, Source.CLIENT, now)

    page = browser.post(address, form | {"why": "ticket 4711"})

    assert Suppression.objects.get().source == Source.CLIENT
    text = page.content.decode()
    assert "Nothing was lifted: the suppressions have changed" in text
    assert "Client request" in text
    assert form_of(text)["why"] == ["ticket 4711"]
    browser.post(address, form_of(text))
    assert not Suppression.objects.exists()


def test_what_was_lifted_and_suppressed_again_is_another_suppression(admin: Browser, now: datetime) -> None:
    rows = [suppress(ANN, Source.STAFF, now), suppress(BOB, Source.STAFF, now)]
    address = f"{LIFT}?ids={rows[0].pk},{rows[1].pk}"
    form = form_of(admin.get(address).content.decode())
    Suppression.objects.filter(pk=rows[1].pk).update(reason="threatened to sue")

    admin.post(address, form | {"why": "ticket 4711"})
    admin.post(address, {"why": "ticket 4711"})

    assert Suppression.objects.count() == 2


def test_whoever_may_not_lift_what_it_is_by_now_is_refused(staff: LogIn, now: datetime) -> None:
    row = suppress(ANN, Source.STAFF, now)
    browser = staff(SEES, "notifier.lift_suppression")
    form = form_of(browser.get(f"{LIFT}?ids={row.pk}").content.decode())
    suppress(ANN, Source.CLIENT, now)

    assert browser.post(f"{LIFT}?ids={row.pk}", form | {"why": "ticket 4711"}).status_code == 403
    assert Suppression.objects.exists()
