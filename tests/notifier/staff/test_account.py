"""Your account, and the zone in which pages tell the time."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifier.models import Client, Profile
from notifier.staff import profiles, timezones
from tests.support.factories import a_client, a_user
from tests.support.forms import agree_to, form_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines(only_full=True)]

ACCOUNT = "/admin/account/"
FORM = {
    "first_name": "Ann",
    "last_name": "Example",
    "email": "ann@example.com",
    "phone": "+44 20 7946 0018",
    "time_zone": "Europe/Vienna",
}


def browser_of(user: User) -> Browser:
    browser = Browser()
    browser.force_login(user)
    return browser


def test_what_somebody_says_about_themselves_is_kept() -> None:
    user = a_user(username="ann")

    answer = agree_to(browser_of(user), ACCOUNT, **FORM)

    assert answer["Location"] == ACCOUNT
    user.refresh_from_db()
    assert (user.first_name, user.last_name, user.email) == ("Ann", "Example", "ann@example.com")
    assert (str(user.profile.phone), user.profile.time_zone) == ("+442079460018", "Europe/Vienna")


def test_nothing_else_can_be_changed_by_it_and_nobody_else() -> None:
    user, other = a_user(username="ann"), a_user(username="ben")

    agree_to(
        browser_of(user), ACCOUNT, **FORM | {"is_superuser": "on", "username": "root", "id": other.pk, "groups": "1"}
    )

    user.refresh_from_db()
    other.refresh_from_db()
    assert (user.is_superuser, user.username, user.groups.count()) == (False, "ann", 0)
    assert (other.first_name, Profile.objects.filter(user=other).exists()) == ("", False)


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("email", "nobody", "valid e-mail"),
        ("phone", "12", "phone number"),
        ("time_zone", "Mars/Base", "not one of the available choices"),
    ],
)
def test_a_mistake_is_told_at_its_field_and_nothing_is_kept(field: str, value: str, word: str) -> None:
    user = a_user(username="ann")

    answer = agree_to(browser_of(user), ACCOUNT, **FORM | {field: value})

    assert answer.status_code == 200
    assert word in " ".join(answer.context["form"].errors[field])
    user.refresh_from_db()
    assert (user.first_name, Profile.objects.exists()) == ("", False)


def test_the_page_shows_what_is_set_and_the_groups() -> None:
    user = a_user(username="ann", group="Editors")
    profiles.change(user=user, names=("Ann", "E"), email="", phone=None, time_zone="Asia/Tokyo")

    text = browser_of(user).get(ACCOUNT).content.decode()

    assert 'value="Ann"' in text
    assert '<option value="Asia/Tokyo" selected>' in text
    assert "Editors" in text


def test_an_empty_phone_is_none() -> None:
    user = a_user()

    agree_to(browser_of(user), ACCOUNT, **FORM | {"phone": ""})

    assert Profile.objects.get().phone is None


# --- The zone ---------------------------------------------------------------------------------------------------------
def in_zone(name: str) -> Browser:
    user = a_user("notifier.view_client", "notifier.change_client", is_superuser=True)
    Profile.objects.create(user=user, time_zone=name)
    return browser_of(user)


@pytest.mark.parametrize(
    ("zone", "day"), [("", "1 Jan 2026"), ("Asia/Tokyo", "2 Jan 2026"), ("Nowhere/At-all", "1 Jan 2026")]
)
def test_pages_tell_the_time_in_the_zone_of_who_looks(zone: str, day: str) -> None:
    Client.objects.filter(pk=a_client().pk).update(created_at=datetime(2026, 1, 1, 20, tzinfo=UTC))

    text = in_zone(zone).get(reverse("admin:notifier_client_changelist")).content.decode()

    assert day in text


def test_the_next_visitor_of_the_same_thread_has_their_own() -> None:
    in_zone("Asia/Tokyo").get(ACCOUNT)

    assert timezone.get_current_timezone_name() == "UTC"
    assert "2 Jan" not in Browser().get(reverse("admin:login")).content.decode()


def test_the_zone_costs_no_query() -> None:
    plain, zoned = browser_of(a_user(is_superuser=True)), in_zone("Asia/Tokyo")

    counts = []
    for browser in (plain, zoned):
        with CaptureQueriesContext(connection) as captured:
            browser.get(reverse("admin:password_change"))
        counts.append(len(captured))

    # The session, its user with the profile, and the number in the menu.
    assert counts == [3, 3]


def test_every_zone_that_is_offered_is_known() -> None:
    names = [name for _, zones in timezones.zone_choices()[2:] for name, _ in zones]

    assert len(names) > 400
    assert all(timezones.zone_of(Profile(user=User(), time_zone=name).user) for name in names)


def test_a_user_who_may_not_log_in_any_more_is_out_at_once() -> None:
    user = a_user()
    browser = browser_of(user)
    assert browser.get(ACCOUNT).status_code == 200

    User.objects.update(is_active=False)

    assert browser.get(ACCOUNT).status_code == 302


# --- Users, in the back office ----------------------------------------------------------------------------------------
def edit(user: User) -> str:
    return reverse("admin:auth_user_change", args=[user.pk])


def posted(user: User, **fields: Any) -> dict[str, Any]:
    """What a superuser's page would post."""
    page = browser_of(a_user(is_superuser=True)).get(edit(user))
    return {**form_of(page.content.decode()), **fields}


def test_a_user_has_one_profile_whatever_number_is_posted() -> None:
    browser, user = browser_of(a_user(is_superuser=True)), a_user(username="ann")
    url = reverse("admin:auth_user_change", args=[user.pk])
    form = form_of(browser.get(url).content.decode())

    answer = browser.post(url, {**form, "profile-TOTAL_FORMS": "1000"})

    assert len(answer.context["inline_admin_formsets"][0].formset.forms) == 1


def test_who_may_change_users_can_make_no_superuser_and_give_no_group() -> None:
    keeper = a_user("auth.view_user", "auth.change_user", group="Editors")
    other = a_user()
    browser = browser_of(keeper)

    group = keeper.groups.get().pk
    for user in (keeper, other):
        answer = browser.post(edit(user), posted(user, first_name="New", is_superuser="on", groups=[group]))
        assert answer.status_code == 302
    keeper.refresh_from_db()
    other.refresh_from_db()

    assert (other.first_name, other.is_superuser, other.groups.count()) == ("New", False, 0)
    assert not keeper.is_superuser


def test_who_may_change_users_can_not_touch_those_who_may_do_more() -> None:
    browser = browser_of(a_user("auth.view_user", "auth.change_user", "auth.delete_user"))

    for more in (a_user(is_superuser=True), a_user("notifier.erase_client")):
        password = reverse("admin:auth_user_password_change", args=[more.pk])
        assert browser.post(edit(more), posted(more, first_name="New")).status_code == 403
        assert browser.post(password, {"password1": "Zq8w-Yt5Rn", "password2": "Zq8w-Yt5Rn"}).status_code == 403
        assert browser.post(reverse("admin:auth_user_delete", args=[more.pk]), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    ("own", "rights"), [((), {"is_superuser": True}), ((), {"group": "Senders"}), (("notifier.erase_client",), {})]
)
def test_a_colleague_who_left_is_not_taken_over_with_all_their_rights(
    own: tuple[str, ...], rights: dict[str, Any]
) -> None:
    keeper = browser_of(a_user("auth.view_user", "auth.change_user", "auth.delete_user"))
    leaver = a_user(*own, **rights, password="as it was")
    User.objects.filter(pk=leaver.pk).update(is_active=False)

    form = posted(leaver, is_active="on", email="mine@example.com")
    words = {"password1": "Zq8w-Yt5Rn", "password2": "Zq8w-Yt5Rn", "set-password": "1"}
    answers = [
        keeper.post(reverse("admin:auth_user_password_change", args=[leaver.pk]), words),
        keeper.post(edit(leaver), form),
        keeper.post(reverse("admin:auth_user_delete", args=[leaver.pk]), {"post": "yes"}),
    ]

    leaver.refresh_from_db()
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert (leaver.is_active, leaver.email, leaver.check_password("as it was")) == (False, "", True)


def test_only_a_superuser_lets_somebody_in_again() -> None:
    keeper, leaver = a_user("auth.view_user", "auth.change_user"), a_user()

    browser_of(keeper).post(edit(leaver), {**posted(leaver), "is_active": ""})
    leaver.refresh_from_db()
    shut_out = not leaver.is_active
    form = posted(leaver, is_active="on", first_name="New")
    browser_of(keeper).post(edit(leaver), form)
    leaver.refresh_from_db()
    by_the_keeper = (leaver.first_name, leaver.is_active)
    browser_of(a_user(is_superuser=True)).post(edit(leaver), form)
    leaver.refresh_from_db()

    assert shut_out
    assert by_the_keeper == ("New", False)
    assert leaver.is_active


def test_a_superuser_sets_the_profile_of_others() -> None:
    other = a_user()
    browser = browser_of(a_user(is_superuser=True))

    browser.post(edit(other), posted(other, **{"profile-0-time_zone": "Asia/Tokyo", "profile-0-phone": ""}))

    assert Profile.objects.get(user=other).time_zone == "Asia/Tokyo"


@pytest.mark.parametrize(("zone", "named"), [("Europe/Vienna", "Europe/Vienna"), ("", "UTC")])
def test_every_page_says_in_which_zone_its_times_are(settings: Any, zone: str, named: str) -> None:
    settings.TIME_ZONE = "UTC"
    user = a_user(username="ann", is_superuser=True)
    profiles.change(user=user, names=("", ""), email="", phone=None, time_zone=zone)

    for name in ("index", "account", "password_change", "notifier_client_changelist"):
        assert f"Times are in {named}<" in browser_of(user).get(reverse(f"admin:{name}")).content.decode()
