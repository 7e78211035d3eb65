"""What is offered once a broadcast has ended."""

from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.utils import timezone

from notifier.models import Broadcast
from tests.notifier.admin.broadcasts.test_broadcast_admin import a_told_broadcast, page_of, text_of
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.deliveries.test_results import an_ended

pytestmark = pytest.mark.both_engines

LIST, EXPORT = "notifier.view_delivery", "notifier.export_delivery"


def steps_of(browser: Browser, broadcast: Broadcast) -> dict[str, str]:
    return {step.name: step.label for step in browser.get(page_of(broadcast)).context["steps"]}


def test_what_has_ended_says_what_to_do_next_with_numbers(admin: Browser) -> None:
    assert steps_of(admin, an_ended()) == {
        "resolve": "Resolve 3 unknown…",
        "retry": "Retry failed…",
        "follow": "Look who of the 30 can still get it…",
        "export": "Export 1,998 deliveries",
    }


@pytest.mark.parametrize(
    ("counts", "tone", "label"),
    [
        ({"SENT": 9, "FAILED": 1}, "primary", "Look whether the one can still get it…"),
        ({"SENT": 9, "SKIPPED": 63}, "secondary", "Look who of the 63 can still get it…"),
        ({"FAILED": 2, "SKIPPED": 61}, "primary", "Look who of the 63 can still get it…"),
    ],
)
def test_the_way_to_those_who_were_missed_stands_out_only_where_some_had_failed(
    admin: Browser, counts: dict[str, int], tone: str, label: str
) -> None:
    broadcast = an_ended(tally={"audience": sum(counts.values()), "counts": {"email": counts}})

    step = next(s for s in admin.get(page_of(broadcast)).context["steps"] if s.name == "follow")

    assert (step.tone, step.label) == (tone, label)


def test_nothing_is_offered_while_it_runs_nor_on_the_wall(admin: Browser) -> None:
    assert steps_of(admin, a_told_broadcast()) == {}
    assert "What next" not in text_of(admin.get(page_of(an_ended()), {"wall": "1"}))


def test_each_step_is_offered_to_those_who_may_take_it(staff: LogIn) -> None:
    broadcast = an_ended()
    see = "notifier.view_broadcast"

    assert steps_of(staff(see), broadcast) == {}
    assert steps_of(staff(see, "notifier.control_broadcast"), broadcast) == {}
    assert list(steps_of(staff(see, "notifier.send_broadcast"), broadcast)) == ["follow"]
    assert list(steps_of(staff(see, LIST, "notifier.resolve_delivery"), broadcast)) == ["resolve", "retry"]
    assert list(steps_of(staff(see, LIST, EXPORT), broadcast)) == ["export"]


def test_an_expired_one_offers_no_retry_and_says_why(admin: Browser) -> None:
    broadcast = an_ended(expires_at=timezone.now())

    page = admin.get(page_of(broadcast))

    assert list(steps_of(admin, broadcast)) == ["resolve", "follow", "export"]
    assert page.context["buttons"] == []
    assert "so nothing of it is retried any more" in text_of(page)


def test_one_that_has_not_expired_yet_is_retried(admin: Browser) -> None:
    broadcast = an_ended(expires_at=timezone.now() + timedelta(hours=1))

    page = admin.get(page_of(broadcast))

    assert "retry" in steps_of(admin, broadcast)
    assert [order.name for order, _ in page.context["buttons"]] == ["retry"]
    assert "so nothing of it is retried any more" not in text_of(page)


def test_a_broadcast_that_everybody_got_says_so(admin: Browser) -> None:
    got = an_ended(tally={"audience": 2, "counts": {"email": {"SENT": 2}}})

    assert steps_of(admin, got) == {"follow": "Send to those who joined since…", "export": "Export 2 deliveries"}
    assert "Everybody in it got it: nothing is left to do." in text_of(admin.get(page_of(got)))


def test_one_that_was_followed_leads_on_and_is_neither_retried_nor_followed_again(admin: Browser) -> None:
    original = an_ended()
    follower = a_told_broadcast(notification=original.notification, follows=original)

    page = admin.get(page_of(original))

    assert list(steps_of(admin, original)) == ["resolve", "export"]
    assert [order.name for order, _ in page.context["buttons"]] == []
    assert page_of(follower) in text_of(page)
    assert page_of(original) in text_of(admin.get(page_of(follower)))
