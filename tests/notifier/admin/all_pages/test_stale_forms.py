"""Forms that were opened before somebody else changed the row: nothing newer is overwritten, nothing typed is lost."""

import threading
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection, connections
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from notifier.admin.clients.client_admin import ClientAdmin
from notifier.clients import archiving, erasure
from notifier.consent import preference_center
from notifier.consent.consents import Origin
from notifier.models import Channel, Client, ConsentChange, Notification, Preference, Profile, Throttle
from notifier.notifications import duplicates
from notifier.staff import profiles
from tests.support.factories import a_client, a_notification, a_topic, a_user
from tests.support.forms import form_of
from tests.support.servers.processes import PATIENCE_SECONDS

pytestmark = pytest.mark.both_engines


def page_of(row: Any, kind: str = "change") -> str:
    """With the form of a client, whose page shows the profile without being asked for it."""
    query = {"edit": "1"} if isinstance(row, Client) and kind == "change" else None
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{kind}", args=[row.pk], query=query)


def opened(browser: Browser, address: str) -> dict[str, Any]:
    """What the page of this address posts, were nothing touched."""
    return form_of(browser.get(address).content.decode())


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().replace("&#x27;", "'").split())


def somebody_else(*permissions: str, username: str = "bob") -> Browser:
    browser = Browser()
    browser.force_login(a_user(*permissions, username=username, is_superuser=not permissions))
    return browser


def save(browser: Browser, row: Any, **changes: Any) -> Any:
    return browser.post(page_of(row), opened(browser, page_of(row)) | changes)


# --- Clients ----------------------------------------------------------------------------------------------------------
def test_what_a_colleague_has_changed_since_is_not_overwritten_and_said_with_their_name(admin: Browser) -> None:
    client = a_client(name="Ann Before", email="ann@example.com", phone="+46701740605")
    form = opened(admin, page_of(client))
    save(somebody_else(), client, email="new@example.com")

    page = admin.post(page_of(client), form | {"name": "Ann After"})

    client.refresh_from_db()
    assert (client.name, client.email) == ("Ann Before", "new@example.com")
    text = text_of(page)
    assert "Nothing was saved. This has changed since you opened the page: e-mail (bob, " in text
    assert "E-mail: “new@example.com” now." in text
    # What was typed stays; what was left alone is as it is now.
    again = form_of(page.content.decode())
    assert (again["name"], again["email"]) == (["Ann After"], ["new@example.com"])

    assert admin.post(page_of(client), again).status_code == 302

    client.refresh_from_db()
    assert (client.name, client.email) == ("Ann After", "new@example.com")


def test_what_both_have_changed_is_decided_by_whoever_saves_last_and_sees_both(admin: Browser) -> None:
    client = a_client(name="Ann Before")
    form = opened(admin, page_of(client))
    save(somebody_else(), client, name="Ann Theirs")

    page = admin.post(page_of(client), form | {"name": "Ann Mine"})

    assert Client.objects.get().name == "Ann Theirs"
    assert "Someone else has changed this to “Ann Theirs”." in text_of(page)
    again = form_of(page.content.decode())
    assert again["name"] == ["Ann Mine"]

    admin.post(page_of(client), again)

    assert Client.objects.get().name == "Ann Mine"


def test_who_was_archived_meanwhile_stays_so(admin: Browser, superuser: User) -> None:
    client = a_client(name="Ann Before")
    form = opened(admin, page_of(client))
    archiving.archive(clients=Client.objects.all(), by=a_user(username="bob"), now=timezone.now())

    page = admin.post(page_of(client), form | {"name": "Ann After", "is_active": "on"})

    client.refresh_from_db()
    assert (client.name, client.is_active) == ("Ann Before", False)
    assert "This has changed since you opened the page: whether the client is archived (bob, " in text_of(page)
    again = form_of(page.content.decode())

    assert admin.post(page_of(client), again).status_code == 302

    client.refresh_from_db()
    assert (client.name, client.is_active) == ("Ann After", False)


def test_no_form_archives_a_client_or_brings_one_back(admin: Browser) -> None:
    active, archived = a_client(), a_client(is_active=False)

    save(admin, active, is_active="", name="Renamed")
    save(admin, archived, is_active="on", name="Renamed")

    assert list(Client.objects.order_by("pk").values_list("name", "is_active")) == [
        ("Renamed", True),
        ("Renamed", False),
    ]


def test_who_stopped_everything_meanwhile_has_stopped_everything(admin: Browser) -> None:
    client = a_client(name="Ann Before", listings="both")
    form = opened(admin, page_of(client))
    origin = Origin(ConsentChange.Source.PAGE)
    preference_center.stop_everything(client_id=client.pk, origin=origin, now=timezone.now())

    page = admin.post(page_of(client), form | {"name": "Ann After"})

    client.refresh_from_db()
    assert (client.name, client.stopped_at is not None) == ("Ann Before", True)
    assert (
        "This has changed since you opened the page: the client unsubscribed from everything (by the client)"
        in text_of(page)
    )
    assert admin.post(page_of(client), form_of(page.content.decode())).status_code == 302
    client.refresh_from_db()
    assert (client.name, client.stopped_at is not None) == ("Ann After", True)
    assert not Preference.objects.filter(email=True).exists()


def test_who_was_erased_meanwhile_does_not_come_back(admin: Browser) -> None:
    client = a_client(name="Ann Before")
    form = opened(admin, page_of(client))
    erasure.erase(client_id=client.pk, by=a_user(username="bob"), why="asked", now=timezone.now())

    page = admin.post(page_of(client), form | {"name": "Ann After"}, follow=True)

    client.refresh_from_db()
    assert (client.name, client.email, client.phone) == (f"Erased client {client.pk}", None, None)
    text = text_of(page)
    assert "Nothing was saved: the personal data of this client was erased by bob on" in text
    assert "Ann" not in text.replace("Anniv", "")


def test_a_consent_that_the_client_has_just_ended_is_not_given_again_by_an_old_page(admin: Browser) -> None:
    client = a_client(name="Ann", listings="email")
    origin, sms = Origin(ConsentChange.Source.PAGE), [(a_topic().pk, Channel.SMS)]
    form = opened(admin, page_of(client))
    for on, off in ((sms, []), ([], sms)):
        preference_center.choose(client_id=client.pk, on=on, off=off, origin=origin, now=timezone.now())
    ticked = next(name for name, value in form.items() if name.endswith("-topic") and value == [str(a_topic().pk)])
    ticks = {ticked.replace("-topic", "-sms"): "on", "evidence": "asked by phone"}

    page = admin.post(page_of(client), form | ticks)

    assert not Preference.objects.filter(sms=True).exists()
    assert "The client or someone else has changed this consent" in text_of(page)
    # Looked at again, it is a decision.
    admin.post(page_of(client), form_of(page.content.decode()) | ticks)
    assert Preference.objects.filter(sms=True).exists()


def test_only_changed_columns_are_written(admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    client = a_client(name="Ann Before")
    written: list[Any] = []
    save_of_model = Client.save

    def spy(self: Client, *args: Any, **kwargs: Any) -> None:
        written.append(kwargs.get("update_fields"))
        save_of_model(self, *args, **kwargs)

    monkeypatch.setattr(Client, "save", spy)

    save(admin, client, name="Ann After")
    save(admin, client)

    assert written == [["name", "updated_at"]]
    assert Client.history.filter(id=client.pk).count() == 2


def test_a_form_that_does_not_say_what_it_showed_saves_nothing_and_keeps_what_was_typed(admin: Browser) -> None:
    client = a_client(name="Ann Before")
    form = opened(admin, page_of(client))

    for seen in ("", "x", "[]", "{}", '{"at":"yesterday"}', '{"at":"2026-01-01T00:00:00"}'):
        page = admin.post(page_of(client), form | {"name": "Ann After", "seen": seen})

        assert "Nothing was saved: the form was incomplete." in text_of(page)
        assert form_of(page.content.decode())["name"] == ["Ann After"]
    assert Client.objects.get().name == "Ann Before"


# --- Users ------------------------------------------------------------------------------------------------------------
def test_a_leaver_who_was_deactivated_meanwhile_does_not_come_back_with_their_groups(admin: Browser) -> None:
    leaver = a_user(username="leaver", group="Senders")
    form = opened(admin, page_of(leaver))
    other = opened(bob := somebody_else(), page_of(leaver))
    del other["is_active"], other["groups"]
    bob.post(page_of(leaver), other)
    leaver.refresh_from_db()
    assert (leaver.is_active, leaver.groups.count()) == (False, 0)

    page = admin.post(page_of(leaver), form | {"first_name": "Lee"})

    leaver.refresh_from_db()
    assert (leaver.first_name, leaver.is_active, leaver.groups.count()) == ("", False, 0)
    text = text_of(page)
    assert "This has changed since you opened the page: active, groups (bob, " in text
    assert "Active: not ticked now." in text
    admin.post(page_of(leaver), form_of(page.content.decode()))
    leaver.refresh_from_db()
    assert (leaver.first_name, leaver.is_active, leaver.groups.count()) == ("Lee", False, 0)


def test_a_log_in_meanwhile_is_no_reason_to_refuse_and_is_kept(admin: Browser) -> None:
    user = a_user(username="ann")
    form = opened(admin, page_of(user))
    User.objects.filter(pk=user.pk).update(last_login=timezone.now(), password="another")

    assert admin.post(page_of(user), form | {"first_name": "Ann"}).status_code == 302

    user.refresh_from_db()
    assert (user.first_name, user.password, user.last_login is not None) == ("Ann", "another", True)


def test_what_a_user_changed_about_themselves_is_not_overwritten(admin: Browser) -> None:
    user = a_user(username="ann")
    Profile.objects.create(user=user, time_zone="Europe/Vienna")
    form = opened(admin, page_of(user))
    profiles.change(user=user, names=("", ""), email="", phone=None, time_zone="Asia/Tokyo")

    page = admin.post(page_of(user), form | {"first_name": "Ann"})

    assert Profile.objects.get(user=user).time_zone == "Asia/Tokyo"
    assert "Time zone: “Asia/Tokyo” now." in text_of(page)
    assert admin.post(page_of(user), form_of(page.content.decode())).status_code == 302
    user.refresh_from_db()
    assert (user.first_name, user.profile.time_zone) == ("Ann", "Asia/Tokyo")


def test_the_own_account_does_not_overwrite_what_an_administrator_has_changed(client: Browser) -> None:
    user = a_user(username="ann")
    client.force_login(user)
    account = reverse("admin:account")
    form = opened(client, account)
    User.objects.filter(pk=user.pk).update(email="new@example.com")

    page = client.post(account, form | {"first_name": "Ann"})

    user.refresh_from_db()
    assert (user.first_name, user.email) == ("", "new@example.com")
    assert "This has changed since you opened the page: e-mail" in text_of(page)
    assert client.post(account, form_of(page.content.decode())).status_code == 302
    user.refresh_from_db()
    assert (user.first_name, user.email) == ("Ann", "new@example.com")


# --- Others -----------------------------------------------------------------------------------------------------------
def test_of_two_editors_the_first_text_is_not_lost(admin: Browser) -> None:
    notification = a_notification(subject="Homes", email_body="Hello\n\nthere", sms_body="Hi")
    form = opened(admin, page_of(notification))
    save(somebody_else(), notification, email_body="Theirs")

    page = admin.post(page_of(notification), form | {"email_body": "Mine", "sms_body": "Mine too"})

    notification.refresh_from_db()
    assert (notification.email_body, notification.sms_body) == ("Theirs", "Hi")
    text = text_of(page)
    assert "This has changed since you opened the page: e-mail text (bob, " in text
    assert "Someone else has changed this to “Theirs”." in text
    again = form_of(page.content.decode())
    assert (again["email_body"], again["sms_body"]) == (["\nMine"], ["\nMine too"])


def test_an_earlier_version_is_not_brought_back_over_a_text_that_was_not_shown(admin: Browser) -> None:
    notification = a_notification(subject="First")
    save(admin, notification, subject="Second")
    first = notification.history.order_by("history_id")[0]
    url = f"{page_of(notification, 'history')}{first.history_id}/"
    form = opened(admin, url)
    save(somebody_else(), notification, subject="Third")

    page = admin.post(url, form)

    notification.refresh_from_db()
    assert notification.subject == "Third"
    assert "Someone else has changed this to “Third”." in text_of(page)
    admin.post(url, form_of(page.content.decode()))
    notification.refresh_from_db()
    assert notification.subject == "First"


def test_a_group_does_not_get_rights_back_that_were_taken_meanwhile(admin: Browser) -> None:
    group = Group.objects.get_or_create(name="Temps")[0]
    group.permissions.set(Permission.objects.order_by("pk")[:3])
    form = opened(admin, page_of(group))
    group.permissions.clear()

    page = admin.post(page_of(group), form | {"name": "Renamed"})

    group.refresh_from_db()
    assert (group.name, group.permissions.count()) == ("Temps", 0)
    assert "This has changed since you opened the page: permissions" in text_of(page)


def test_of_two_rates_the_first_is_not_lost(admin: Browser) -> None:
    throttle = Throttle.objects.create(channel="email", provider="smtp://x", filled_at=timezone.now())
    form = opened(admin, page_of(throttle))
    Throttle.objects.filter(pk=throttle.pk).update(rate=5.0)

    page = admin.post(page_of(throttle), form | {"rate": "20/s"})

    assert Throttle.objects.get().rate == 5.0
    assert "Someone else has changed this to “5" in text_of(page)


def test_a_page_that_asks_to_delete_deletes_only_what_it_showed(admin: Browser) -> None:
    notification = duplicates.duplicate(notification=a_notification(subject="Draft"))
    form = opened(admin, page_of(notification, "delete"))
    save(somebody_else(), notification, subject="Worth keeping")

    page = admin.post(page_of(notification, "delete"), form, follow=True)

    assert Notification.objects.filter(pk=notification.pk).exists()
    assert "Nothing was deleted: this notification has changed since you opened the page." in text_of(page)
    admin.post(page_of(notification, "delete"), opened(admin, page_of(notification, "delete")))
    assert not Notification.objects.filter(pk=notification.pk).exists()


# --- Two at once ------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_two_people_who_add_the_same_client_at_once_make_one_and_the_other_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer: the second is checked after the first has been written")
    a_topic()
    both_checked = threading.Barrier(2)
    save_model, waited = ClientAdmin.save_model, threading.local()

    def save_when_both_are_checked(*args: Any) -> None:
        if not getattr(waited, "once", False):
            waited.once = True
            both_checked.wait(PATIENCE_SECONDS)
        save_model(*args)

    monkeypatch.setattr(ClientAdmin, "save_model", save_when_both_are_checked)
    url = reverse("admin:notifier_client_add")
    browsers = [somebody_else(username=name) for name in ("ann", "bob")]
    answers: list[Any] = []

    def add(browser: Browser) -> None:
        try:
            form = opened(browser, url) | {"name": browser.cookies["sessionid"].value[:5], "email": "a@example.com"}
            answers.append(browser.post(url, form))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=add, args=[browser]) for browser in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)

    assert sorted(answer.status_code for answer in answers) == [200, 302]
    assert Client.objects.count() == 1
    refused = next(answer for answer in answers if answer.status_code == 200)
    assert "Client with this E-mail already exists." in text_of(refused)
