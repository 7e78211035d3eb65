"""The second person's page, by direct requests: who may approve, and on which version of it."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from notifier.broadcasts import acts
from notifier.models import Broadcast
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.notifications.test_notification_admin import text_of
from tests.support.factories import a_broadcast, a_client, a_delivery, a_user
from tests.support.forms import form_of

pytestmark = pytest.mark.both_engines(only_full=True)


State = Broadcast.State
HOUR = timedelta(hours=1)
APPROVE, CONTROL, VIEW = "notifier.approve_broadcast", "notifier.control_broadcast", "notifier.view_broadcast"
SEND = "notifier.send_broadcast"


def waiting(**fields: Any) -> Broadcast:
    values: dict[str, Any] = {
        "state": State.AWAITING_APPROVAL,
        "needs_approval": True,
        "text_of": timezone.now(),
        "started_at": None,
        "audience_upto": 0,
    }
    return a_broadcast(**values | fields)


def page_of(broadcast: Broadcast, name: str = "approve") -> str:
    return reverse(f"admin:notifier_broadcast_{name}", args=[broadcast.pk])


def word(page: Any, **changes: str) -> dict[str, str]:
    """What the page posts when its button is pressed."""
    return {"seen": page.context["version"], "word": "approve"} | changes


def approve(browser: Browser, broadcast: Broadcast, **changes: str) -> Any:
    return browser.post(page_of(broadcast), word(browser.get(page_of(broadcast)), **changes), follow=True)


def fresh(broadcast: Broadcast) -> Broadcast:
    broadcast.refresh_from_db()
    return broadcast


# --- Approving --------------------------------------------------------------------------------------------------------
def test_the_page_shows_who_gets_what_and_when(staff: LogIn) -> None:
    a_client(name="Ann Example", listings="both")
    broadcast = waiting(
        created_by=a_user(username="ann"), scheduled_for=timezone.now() + HOUR, sms_body="Hi {{ name }}"
    )

    page = text_of(staff(VIEW, APPROVE).get(page_of(broadcast)))

    assert "Hi Ann Example" in page
    assert "1 e-mail and 1 SMS" in page
    assert "ann, " in page
    assert "Approve 1 e-mail and 1 SMS for" in page


def test_of_a_follow_up_only_those_are_counted_who_were_missed(staff: LogIn) -> None:
    original = a_broadcast(state=State.FINISHED, finished_at=timezone.now())
    for became in ("SENT", "SENT", "FAILED"):
        a_delivery(broadcast=original, client=a_client(listings="email"), state=became)
    broadcast = waiting(created_by=a_user(), notification=original.notification, follows=original)

    page = text_of(staff(VIEW, APPROVE, "notifier.view_client").get(page_of(broadcast)))

    assert "Approve and send 1 e-mail" in page
    assert f"#{original.pk}</a> again, only to those who want it now and missed it" in page
    # There is no list of exactly those.
    assert "E-mail, will get it" not in page


def test_a_word_starts_it(staff: LogIn) -> None:
    broadcast = waiting(created_by=a_user())

    page = approve(staff(VIEW, APPROVE), broadcast)

    assert fresh(broadcast).state == State.RUNNING
    assert "Approved: it is being sent." in text_of(page)
    assert "<dt>Approved by</dt>" in text_of(page)


@pytest.mark.parametrize(
    "permissions",
    [(), (VIEW,), (APPROVE,), (VIEW, SEND, CONTROL), (VIEW, "notifier.resolve_delivery")],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_who_lacks_either_permission_is_refused(staff: LogIn, method: str, permissions: tuple[str, ...]) -> None:
    broadcast = waiting(created_by=a_user())
    posted = {"seen": acts.version(broadcast), "word": "approve"}

    response = getattr(staff(*permissions), method)(page_of(broadcast), posted)

    assert response.status_code == 403
    assert fresh(broadcast).state == State.AWAITING_APPROVAL


@pytest.mark.parametrize("is_superuser", [False, True])
def test_nobody_approves_their_own_by_the_page_or_past_it(client: Browser, db: None, is_superuser: bool) -> None:
    ann = a_user(VIEW, APPROVE, SEND, username="ann", is_superuser=is_superuser)
    client.force_login(ann)
    broadcast = waiting(created_by=ann)

    page = client.get(page_of(broadcast))
    refused = client.post(page_of(broadcast), word(page), follow=True)

    assert 'id="approve-it"' not in text_of(page)
    assert "You created it, so someone else has to approve it" in text_of(page)
    assert "so someone else has to approve it" in text_of(refused)
    assert fresh(broadcast).state == State.AWAITING_APPROVAL


def test_one_person_in_both_groups_does_not_approve_the_text_that_they_put_in(client: Browser) -> None:
    eve = a_user(username="eve", group="Editors")
    eve.groups.add(*a_user(username="bob", group="Approvers").groups.all())
    broadcast = waiting(created_by=a_user(username="ann", group="Senders"))
    client.force_login(eve)
    change = reverse("admin:notifier_notification_change", args=[broadcast.notification_id])

    client.post(change, form_of(text_of(client.get(change))) | {"sms_body": "Eve’s own"})
    page = client.get(page_of(broadcast))
    refused = client.post(page_of(broadcast), word(page), follow=True)

    assert 'id="approve-it"' not in text_of(page)
    assert "eve, " in text_of(page).partition("Text changed by")[2].partition("</dd>")[0]
    assert "You changed its text or time, so someone else has to approve it" in text_of(page)
    assert "eve" not in text_of(page).partition("Who can approve")[2].partition("</dd>")[0]
    assert "You changed the text of " in text_of(refused)
    assert 'id="look-and-approve"' not in text_of(client.get(page_of(broadcast, "progress")))
    assert fresh(broadcast).state == State.AWAITING_APPROVAL

    client.force_login(User.objects.get(username="bob"))
    assert "eve, " in text_of(client.get(page_of(broadcast))).partition("Text changed by")[2]
    approve(client, broadcast)
    assert (fresh(broadcast).state, broadcast.sms_body) == (State.RUNNING, "Eve’s own")


def test_a_text_that_was_edited_meanwhile_is_shown_again(staff: LogIn) -> None:
    broadcast = waiting(created_by=a_user())
    browser = staff(VIEW, APPROVE)
    posted = word(browser.get(page_of(broadcast)))
    Broadcast.objects.update(text_of=timezone.now() + HOUR, sms_body="edited")

    page = browser.post(page_of(broadcast), posted, follow=True)

    assert page.redirect_chain[-1][0] == page_of(broadcast)
    assert "Check it again before you approve it." in text_of(page)
    assert "edited" in text_of(page)
    assert fresh(broadcast).state == State.AWAITING_APPROVAL


@pytest.mark.parametrize("seen", ["", "yesterday", "0123456789abcdef"])
def test_a_word_that_names_no_text_or_another_one_counts_for_nothing(staff: LogIn, seen: str) -> None:
    broadcast = waiting(created_by=a_user())

    approve(staff(VIEW, APPROVE), broadcast, seen=seen)

    assert fresh(broadcast).state == State.AWAITING_APPROVAL


def test_a_second_word_is_told_the_truth(staff: LogIn) -> None:
    broadcast = waiting(created_by=a_user())
    browser = staff(VIEW, APPROVE)
    posted = word(browser.get(page_of(broadcast)))
    browser.post(page_of(broadcast), posted)

    page = browser.post(page_of(broadcast), posted, follow=True)

    assert "is being sent: you can’t approve it now." in text_of(page)
    assert Broadcast.objects.count() == 1


def test_a_rejection_needs_a_reason_and_keeps_it(staff: LogIn) -> None:
    broadcast = waiting(created_by=a_user())
    browser = staff(VIEW, APPROVE)

    without = browser.post(page_of(broadcast), {"word": "reject", "why": " "})
    assert "Give a reason. It is recorded." in text_of(without)
    assert fresh(broadcast).state == State.AWAITING_APPROVAL

    rejection = {"word": "reject", "why": "the <b>price</b> is wrong", "seen": acts.version(broadcast)}
    page = browser.post(page_of(broadcast), rejection, follow=True)

    assert fresh(broadcast).state == State.REJECTED
    assert "the &lt;b&gt;price&lt;/b&gt; is wrong" in text_of(page)


def test_the_page_of_one_that_waits_for_nobody_leads_to_its_progress(admin: Browser) -> None:
    broadcast = a_broadcast(state=State.FINISHED)

    page = admin.get(page_of(broadcast), follow=True)

    assert page.redirect_chain[-1][0] == page_of(broadcast, "progress")
    assert "is finished: you can’t approve it now." in text_of(page)


def test_a_broadcast_that_is_not_there_is_not_found(admin: Browser) -> None:
    assert admin.get(reverse("admin:notifier_broadcast_approve", args=[4711])).status_code == 404


def test_approving_needs_the_csrf_token(admin: Browser) -> None:
    broadcast = waiting(created_by=a_user())
    posted = word(admin.get(page_of(broadcast)))
    admin.handler.enforce_csrf_checks = True

    assert admin.post(page_of(broadcast), posted).status_code == 403
    assert fresh(broadcast).state == State.AWAITING_APPROVAL


def test_the_approvers_page_costs_the_same_however_many_get_it(
    admin: Browser, django_assert_max_num_queries: Any
) -> None:
    broadcast = waiting(created_by=a_user())
    for _ in range(15):
        a_client(listings="both")

    with django_assert_max_num_queries(25):
        admin.get(page_of(broadcast))


# --- Critical ---------------------------------------------------------------------------------------------------------
CRITICAL = "notifier.send_critical"


def test_whoever_approves_reads_that_it_is_critical(staff: LogIn) -> None:
    broadcast = waiting(created_by=a_user(), is_critical=True)

    page = text_of(staff(VIEW, APPROVE).get(page_of(broadcast)))

    assert "It ignores quiet hours and frequency caps. Consent still applies." in page
    approve(staff(VIEW, APPROVE), broadcast)
    assert (fresh(broadcast).state, broadcast.is_critical) == (State.RUNNING, True)


def test_what_became_critical_after_it_was_read_is_not_approved(staff: LogIn) -> None:
    broadcast = waiting(created_by=a_user())
    browser = staff(VIEW, APPROVE)
    page = browser.get(page_of(broadcast))
    Broadcast.objects.update(is_critical=True)

    answer = browser.post(page_of(broadcast), word(page), follow=True)

    assert "has changed since you opened the page" in text_of(answer)
    assert fresh(broadcast).state == State.AWAITING_APPROVAL
