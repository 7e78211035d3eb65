"""The pages of users and groups."""

import html
import re
from datetime import UTC, datetime

import pytest
from axes.models import AccessLog
from django.contrib.auth.models import Group, Permission, User
from django.test import Client as Browser
from django.urls import reverse
from django.utils.text import capfirst

from notifier.admin.staff.permission_choices import what_it_allows
from notifier.staff.permission_words import SECTIONS, WORDS
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_notification, a_user


def test_the_page_of_a_group_offers_what_a_page_asks_for_in_words_and_by_section(admin: Browser) -> None:
    page = admin.get(reverse("admin:auth_group_add")).content.decode()

    offered = [words.strip() for words in re.findall(r'name="permissions"[^>]*>([^<]*)</label>', page)]
    assert sorted(offered) == sorted(capfirst(html.escape(words)) for words in WORDS.values())
    assert re.findall(r"<div>\s*<label>([^<]*)</label>", page) == list(SECTIONS)
    assert not re.findall("Can [^<]*|content type|historical|django", text_of(page))


def test_a_permission_that_no_page_asks_for_is_kept_by_who_has_it(admin: Browser) -> None:
    session = Permission.objects.get(codename="add_session")
    group = Group.objects.create(name="Ours")
    group.permissions.add(session)
    page = reverse("admin:auth_group_change", args=[group.pk])

    shown = admin.get(page)
    form = shown.context["adminform"].form
    admin.post(page, {"name": "Ours too", "seen": form.initial["seen"], "permissions": [session.pk]})

    assert "Can add session" in shown.content.decode()
    assert list(Group.objects.get(name="Ours too").permissions.all()) == [session]


def test_whoever_only_reads_a_group_or_a_user_reads_the_permissions_in_words(staff: LogIn) -> None:
    group, ben = Group.objects.create(name="Ours"), a_user(username="ben")
    for row in (group.permissions, ben.user_permissions):
        row.add(Permission.objects.get(codename="erase_client"))
    reader = staff("auth.view_user", "auth.view_group")

    for address in (
        reverse("admin:auth_group_change", args=[group.pk]),
        reverse("admin:auth_user_change", args=[ben.pk]),
    ):
        page = reader.get(address).content.decode()

        assert "<h3>Clients and consent</h3><ul><li>Erase clients’ personal data</li></ul>" in page
        assert "Can erase" not in page
        assert "notifier |" not in page


@pytest.mark.django_db
def test_a_permission_of_a_model_that_is_gone_keeps_its_name() -> None:
    permission = Permission.objects.select_related("content_type").get(codename="add_session")
    permission.content_type.model = "gone"
    permission.name = "Can do what is no more"

    assert what_it_allows(permission) == "Can do what is no more"


#: What Django calls it, and nobody who works here.
_OF_DJANGO = (
    "Email address|Staff status|Superuser|[Dd]esignates|Groups this user|assigning|authenticat|[Bb]ackends|Single Sign|"
    r"Raw passwords|algorithm|argon2|admin site|[Ll]ast login|Date joined|password confirmation|\bdocs/|\.md\b"
)


def text_of(page: str) -> str:
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def _pages(user: User) -> list[str]:
    of_user = [reverse(f"admin:auth_user_{name}", args=[user.pk]) for name in ("change", "history", "delete")]
    lists = [reverse(f"admin:auth_{name}") for name in ("user_changelist", "user_add", "group_changelist", "group_add")]
    group = reverse("admin:auth_group_change", args=[Group.objects.get_or_create(name="Helpers")[0].pk])
    password = reverse("admin:auth_user_password_change", args=[user.pk])
    return [*lists, *of_user, group, password, reverse("admin:password_change")]


def test_users_and_groups_are_spoken_of_in_the_words_of_the_product(admin: Browser) -> None:
    for address in _pages(a_user(username="ben")):
        page = text_of(admin.get(address).content.decode())

        assert not re.search(_OF_DJANGO, page, re.IGNORECASE), address


def test_readers_of_users_and_those_without_a_password_read_the_same_words(staff: LogIn) -> None:
    ben = a_user(username="ben")
    ben.set_unusable_password()
    ben.save()
    change = reverse("admin:auth_user_change", args=[ben.pk])
    reader, writer = staff("auth.view_user"), staff("auth.change_user")

    for page in (
        reader.get(change),
        writer.get(change),
        writer.get(reverse("admin:auth_user_password_change", args=[ben.pk])),
    ):
        assert page.status_code == 200
        assert not re.search(_OF_DJANGO, text_of(page.content.decode()), re.IGNORECASE)


def test_the_list_of_users_is_filtered_by_names_of_the_form(admin: Browser) -> None:
    a_user(username="ann")
    User.objects.filter(pk=a_user(username="ben").pk).update(is_active=False)

    page = admin.get(reverse("admin:auth_user_changelist"), {"is_active__exact": "0"})

    assert [user.username for user in page.context["cl"].result_list] == ["ben"]
    assert re.findall('data-filter-title="([^"]*)"', page.content.decode()) == ["active", "all permissions", "groups"]


def test_a_password_is_set_and_removed_in_words_of_the_product(admin: Browser) -> None:
    ben = a_user(username="ben")
    address = reverse("admin:auth_user_password_change", args=[ben.pk])

    new = {"usable_password": "true", "password1": "correct horse 7", "password2": "correct horse 7"}
    admin.post(address, new | {"set-password": "1"})
    ben.refresh_from_db()
    assert ben.check_password("correct horse 7")

    admin.post(address, {"usable_password": "false", "unset-password": "1"})
    ben.refresh_from_db()
    assert not ben.has_usable_password()


def test_the_page_of_a_log_in_shows_its_times_in_words(admin: Browser) -> None:
    moment = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    row = AccessLog.objects.create(username="ben", ip_address="192.0.2.7")
    AccessLog.objects.filter(pk=row.pk).update(attempt_time=moment)

    page = text_of(admin.get(reverse("admin:axes_accesslog_change", args=[row.pk])).content.decode())

    assert "Logged in: 1 Mar 2026, 09:30 Logged out: –" in page


def test_an_earlier_version_is_restored_and_not_reverted(admin: Browser) -> None:
    version = a_notification().history.get()
    address = reverse("admin:notifier_notification_simple_history", args=[version.id, version.history_id])

    page = admin.get(address).content.decode()

    assert 'value="Restore"' in page
    assert not re.search(r"\b[Rr]evert\b|this version of the object", text_of(page))
