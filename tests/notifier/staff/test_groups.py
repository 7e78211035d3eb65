"""The groups: what they begin with, what the documentation says of it, and how they are made."""

import importlib
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from notifier.staff import groups, permission_words

PROJECT = Path(__file__).resolve().parents[3]
ROW = re.compile(r"^\| `([a-z]+\.[a-z_]+)` \| ([^|]+) \|(.+)\|$", re.MULTILINE)
FIRST_ROWS = "0003_first_rows"
#: The migrations that brought more of them, each with the function that gives them to the groups.
LATER_RIGHTS = dict.fromkeys(
    (
        "0022_rights_to_pictures",
        "0024_rights_to_the_brand",
        "0029_rights_to_fields_and_tags",
        "0037_rights_to_audiences",
    ),
    "give",
)
#: What only the machinery writes, and what has no page: nobody is given these, and no page asks for them.
WRITTEN_BY_THE_MACHINERY = {
    *("broadcast", "delivery", "resolution", "resolveddelivery", "process", "queuedticket", "breaker", "dailystats"),
    *("historicalclient", "historicalnotification"),
    *("suppressionchange", "erasedaddress", "providerevent"),
}
WITHOUT_A_PAGE = {
    *("notifier.delete_preference", "notifier.delete_profile"),
    *("axes.add_accessattempt", "axes.change_accessattempt"),
    *("axes.add_accesslog", "axes.change_accesslog", "axes.delete_accesslog"),
}


def permissions_of(group: Group) -> set[str]:
    return {f"{app}.{code}" for app, code in group.permissions.values_list("content_type__app_label", "codename")}


def documented() -> dict[str, list[str]]:
    """For each permission the groups that have a tick in the matrix of docs/rights.md."""
    found = {}
    for name, meaning, cells in ROW.findall((PROJECT / "docs/rights.md").read_text()):
        assert meaning.strip(), name
        ticks = [cell.strip() for cell in cells.split("|")]
        assert len(ticks) == len(groups.GROUPS), name
        assert set(ticks) <= {"✓", ""}, name
        assert name not in found, f"{name} is in the matrix twice"
        found[name] = [group for group, tick in zip(groups.GROUPS, ticks, strict=True) if tick]
    return found


def test_the_documented_matrix_is_the_one_of_the_code() -> None:
    in_code = {name: [g for g in groups.GROUPS if g in given] for name, given in groups.RIGHTS.items()}

    assert documented() == in_code


def test_the_documented_words_are_those_of_the_pages() -> None:
    text = (PROJECT / "docs/rights.md").read_text()

    assert {name: words for name, words, _ in ROW.findall(text)} == permission_words.WORDS
    assert set(permission_words.WORDS) == set(groups.RIGHTS)


def test_the_matrix_has_its_columns_in_the_order_of_the_code() -> None:
    head = next(line for line in (PROJECT / "docs/rights.md").read_text().splitlines() if line.startswith("| permiss"))

    assert [cell.strip() for cell in head.split("|")[3:-1]] == list(groups.GROUPS)


@pytest.mark.both_engines
def test_every_permission_of_the_product_is_decided_on(db: None) -> None:
    ours = Permission.objects.filter(content_type__app_label__in=("notifier", "auth", "axes")).exclude(
        content_type__model__in=("permission", "accessfailurelog", "accessattemptexpiration")
    )
    there_are = {f"{app}.{code}" for app, code in ours.values_list("content_type__app_label", "codename")}
    written = {f"notifier.{verb}_{m}" for verb in ("add", "change", "delete") for m in WRITTEN_BY_THE_MACHINERY}

    assert there_are - written - WITHOUT_A_PAGE == set(groups.RIGHTS)


def test_auditors_see_everything_and_do_nothing() -> None:
    auditors = groups.permissions_of(groups.AUDITORS)

    assert auditors == {name for name in groups.RIGHTS if ".view_" in name}


def test_nobody_writes_and_sends_and_approves_by_one_group_alone() -> None:
    steps = {"notifier.change_notification", "notifier.send_broadcast", "notifier.approve_broadcast"}

    assert [len(groups.permissions_of(group) & steps) for group in groups.GROUPS] == [1, 1, 1, 0]


# --- The making -------------------------------------------------------------------------------------------------------
@pytest.fixture
def no_groups(db: None) -> None:
    Group.objects.all().delete()


@pytest.mark.both_engines
def test_each_group_is_made_with_its_permissions(no_groups: None) -> None:
    made = groups.make_groups(apps=apps)

    assert made == list(groups.GROUPS)
    assert {group.name: permissions_of(group) for group in Group.objects.all()} == {
        name: groups.permissions_of(name) for name in groups.GROUPS
    }


def test_no_module_writes_a_permission_by_hand() -> None:
    modules = [path for path in (PROJECT / "notifier").rglob("*.py") if path.parent.name != "migrations"]

    found = {
        (path.name, text)
        for path in modules
        if path not in (Path(groups.__file__), Path(permission_words.__file__))
        for text in re.findall(r"""["']([a-z]+\.[a-z_]+)["']""", path.read_text())
        if text in groups.RIGHTS
    }

    assert len(modules) > 150
    assert found == set()


@pytest.mark.both_engines
def test_what_staff_made_of_a_group_stays(no_groups: None) -> None:
    groups.make_groups(apps=apps)
    editors = Group.objects.get(name=groups.EDITORS)
    editors.permissions.set(Permission.objects.filter(codename="erase_client"))
    Group.objects.get(name=groups.SENDERS).permissions.clear()

    made = groups.make_groups(apps=apps)

    assert made == []
    assert permissions_of(editors) == {"notifier.erase_client"}
    assert permissions_of(Group.objects.get(name=groups.SENDERS)) == set()


@pytest.mark.both_engines
def test_a_group_of_that_name_from_before_is_left_alone(no_groups: None) -> None:
    Group.objects.create(name=groups.EDITORS)

    made = groups.make_groups(apps=apps)

    assert groups.EDITORS not in made
    assert permissions_of(Group.objects.get(name=groups.EDITORS)) == set()


@pytest.mark.both_engines
def test_the_migration_makes_them_on_a_database_that_has_no_permissions_yet(no_groups: None) -> None:
    """As on a new one, where Django makes permissions after the last migration only."""
    Permission.objects.all().delete()

    for name, function in {FIRST_ROWS: "make_groups", **LATER_RIGHTS}.items():
        state = MigrationExecutor(connection).loader.project_state([("notifier", name)])
        migration = importlib.import_module(f"notifier.migrations.{name}")
        getattr(migration, function)(state.apps, SimpleNamespace(connection=connection))

    assert {group.name: permissions_of(group) for group in Group.objects.all()} == {
        name: groups.permissions_of(name) for name in groups.GROUPS
    }
    # What follows the last migration finds them, and makes no second ones.
    before = sorted(Permission.objects.values_list("pk", flat=True))
    call_command("migrate", verbosity=0)
    kept = set(before) - set(Permission.objects.values_list("pk", flat=True))
    assert kept == set()


@pytest.mark.both_engines
def test_new_rights_go_to_the_groups_that_are_still_there_under_their_names(no_groups: None) -> None:
    editors, mine = Group.objects.create(name=groups.EDITORS), Group.objects.create(name="Ours")

    groups.give(apps=apps, using="default", permissions=["notifier.view_picture", "notifier.add_picture"])

    assert permissions_of(editors) == {"notifier.view_picture", "notifier.add_picture"}
    assert permissions_of(mine) == set()


@pytest.mark.both_engines
@pytest.mark.django_db(transaction=True)
def test_after_a_flush_they_can_be_made_again() -> None:
    call_command("flush", interactive=False, verbosity=0)

    made = groups.make_groups(apps=apps)

    assert made == list(groups.GROUPS)
    assert permissions_of(Group.objects.get(name=groups.AUDITORS)) == groups.permissions_of(groups.AUDITORS)


def test_a_permission_that_is_not_there_yet_is_passed_over(no_groups: None, monkeypatch: pytest.MonkeyPatch) -> None:
    later: dict[str, Any] = {**groups.RIGHTS, "notifier.brew_coffee": frozenset({groups.EDITORS})}
    monkeypatch.setattr(groups, "RIGHTS", later)

    groups.make_groups(apps=apps)

    assert permissions_of(Group.objects.get(name=groups.EDITORS)) == groups.permissions_of(groups.EDITORS) - {
        "notifier.brew_coffee"
    }
