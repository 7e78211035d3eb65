"""The rights, by direct requests: every page and button, as a member of each group, of none, and as nobody."""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client as Browser
from django.urls import URLPattern, URLResolver, resolve, reverse

from notifier.staff import groups
from tests.factories import a_user
from tests.notifier.admin.doors import DOORS, MODELS, NEVER, PUBLIC, Does, Door, Opens
from tests.notifier.admin.house import a_house, form_of, move_in

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

#: Who comes: nobody, a member of staff without a right, one of each group, and who may do everything.
VISITORS: dict[str, Callable[[], User | None]] = {
    "nobody": lambda: None,
    "no right": a_user,
    **{group: lambda group=group: a_user(group=group) for group in groups.GROUPS},  # type: ignore[misc]
    "superuser": lambda: a_user(is_superuser=True),
}


def may(visitor: str, door: Door) -> bool:
    """By the matrix, and by nothing else."""
    if visitor == "nobody" or door.needs == NEVER:
        return False
    if visitor == "superuser":
        return True
    held = groups.permissions_of(visitor) if visitor in groups.GROUPS else set()
    return door.permissions <= held


def log_in(browser: Browser, house: Any, user: User | None) -> None:
    if user:
        move_in(house, user)
        browser.force_login(user)


def everything() -> dict[str, list[Any]]:
    """Each row of ours, to tell whether anything has changed. Log-ins leave their own traces."""
    models = [m for app in ("notifier", "auth", "admin", "axes") for m in apps.get_app_config(app).get_models()]
    return {
        model._meta.label: [{**row, "last_login": None} for row in model._default_manager.order_by("pk").values()]
        for model in models
        if model._meta.label != "axes.AccessLog"
    }


@pytest.mark.parametrize("door", [door for door in DOORS if isinstance(door, Opens)], ids=str)
def test_a_page_opens_for_those_who_may_and_for_nobody_else(door: Opens) -> None:
    house = a_house()

    found = {}
    for visitor, make in VISITORS.items():
        browser = Browser()
        log_in(browser, house, make())
        answer = browser.get(door.url(house), follow=True)
        answer.getvalue()  # a file is made while it is read, and closed at its end
        asked_to_log_in = answer.request["PATH_INFO"] == reverse("admin:login")
        found[visitor] = "log in" if asked_to_log_in else HTTPStatus(answer.status_code).phrase

    expected = {visitor: "OK" if may(visitor, door) else "Forbidden" for visitor in VISITORS}
    assert found == expected | {"nobody": "log in"}


@pytest.mark.parametrize("door", [door for door in DOORS if isinstance(door, Does)], ids=str)
def test_what_is_done_is_done_for_those_who_may_and_refused_to_everybody_else(door: Does) -> None:
    house = a_house()

    found = {}
    for visitor, make in VISITORS.items():
        with undone():
            found[visitor] = _done(door, house, make())

    expected = {visitor: "done" if may(visitor, door) else "refused" for visitor in VISITORS}
    assert found == expected | {"nobody": "asked to log in"}


class undone(transaction.Atomic):  # noqa: N801  (reads like the function that it stands for)
    """Whatever happens within leaves no trace."""

    def __init__(self) -> None:
        super().__init__(using=None, savepoint=True, durable=False)

    def __exit__(self, *error: Any) -> None:
        transaction.set_rollback(True)
        super().__exit__(*error)


def _done(door: Does, house: Any, user: User | None) -> str:
    """ "done", "refused", "asked to log in", or what else came of it."""
    address = door.url(house)
    # As a form of before, from the days when one could: whether it is shown is not what keeps the door.
    data = _form(address) if door.has_form else {}
    browser = Browser()
    log_in(browser, house, user)
    before = everything()
    answer = browser.post(address, data | door.data(house))
    answer.getvalue()
    changed = sorted(label for label, rows in everything().items() if rows != before[label])
    location = answer.get("Location", "")
    # Django passes over an action that one may not use, and shows the list.
    refusals = (HTTPStatus.FORBIDDEN, HTTPStatus.OK, HTTPStatus.FOUND) if door.is_action else (HTTPStatus.FORBIDDEN,)
    if answer.status_code == HTTPStatus.FOUND and location.startswith(reverse("admin:login")) and not changed:
        return "asked to log in"
    if door.leads_to:
        led = location and resolve(location.partition("?")[0]).url_name == door.leads_to
        return "done" if led else "refused" if answer.status_code in refusals else f"{answer.status_code}"
    if bool(changed) == door.changes and answer.status_code == (HTTPStatus.OK if door.answers else HTTPStatus.FOUND):
        return "done"
    if not changed and answer.status_code in refusals:
        return "refused"
    return f"{answer.status_code}, changed {changed}"


def _form(address: str) -> dict[str, list[str]]:
    browser = Browser()
    browser.force_login(a_user(is_superuser=True))
    return form_of(browser.get(address).content.decode())


# --- The table is complete --------------------------------------------------------------------------------------------
def _names(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _names(pattern.url_patterns)
        elif pattern.name:
            yield pattern.name


def test_every_address_of_the_back_office_is_in_the_table() -> None:
    there_are = set(_names(admin.site.get_urls()))

    assert there_are - PUBLIC == {door.name for door in DOORS}


def test_every_model_of_the_back_office_is_in_the_table() -> None:
    registered = {f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry}

    assert registered == set(MODELS)


def test_every_action_of_a_list_is_in_the_table() -> None:
    there_are = {
        # A function, or the name of a method.
        (f"{model._meta.app_label}_{model._meta.model_name}_changelist", getattr(action, "__name__", action))
        for model, page in admin.site._registry.items()
        for action in page.actions or ()
    }

    assert there_are == {(door.name, door.label) for door in DOORS if door.name.endswith("_changelist") and door.label}


def test_every_permission_that_a_page_asks_for_is_in_the_matrix() -> None:
    asked = {permission for door in DOORS if door.needs != NEVER for permission in door.permissions}

    assert asked <= set(groups.RIGHTS)
