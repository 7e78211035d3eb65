"""What clients read and what staff read are collected apart."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from notifier.management.commands.makemessages import CLIENTS_READ, read_by_clients
from tests.docs.test_documents import PROJECT
from tests.test_catalogues import CATALOGUES, Entry, entries


def texts(found: list[Entry]) -> set[str]:
    return {entry.texts["msgid"] for entry in found}


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which what staff read was collected, and a catalogue begun."""
    if not shutil.which("xgettext") or not shutil.which("msgmerge"):
        if os.environ.get("CI") == "true":
            pytest.fail("gettext is not installed")
        pytest.skip("gettext is not installed")
    copy = tmp_path_factory.mktemp("collected")
    for name in ("manage.py", "config", "notifier", "consumers", "templates", "locale"):
        (shutil.copytree if (PROJECT / name).is_dir() else shutil.copy)(PROJECT / name, copy / name)
    command = [sys.executable, "manage.py", "makemessages", "--staff", "-l", "it", "--no-wrap"]
    own = {"ENV_FILE": os.devnull, "DJANGO_SETTINGS_MODULE": "config.settings", "SECRET_KEY": "x", "DEBUG": "on"}
    subprocess.run(command, cwd=copy, env=os.environ | own, check=True, capture_output=True)
    return copy


def test_a_translator_finds_what_staff_read_in_a_template_and_in_a_catalogue(collected: Path) -> None:
    template = list(entries((collected / "locale_staff/django.pot").read_text()))
    catalogue = list(entries((collected / "locale_staff/it/LC_MESSAGES/django.po").read_text()))

    assert texts(template) == texts(catalogue)
    assert len(template) > 500
    # Of a template, of a model, of a column and of a message after an act.
    assert {"Skip to the form", "client field", "last sent", "It is no longer ready to send."} <= texts(template)
    assert any("msgid_plural" in entry.texts for entry in template)
    assert all(not entry.texts["msgstr"] for entry in template if "msgstr" in entry.texts)


def test_clients_catalogues_stay_unchanged_by_it(collected: Path) -> None:
    for path in CATALOGUES:
        assert (collected / path.relative_to(PROJECT)).read_bytes() == path.read_bytes()
    assert not (collected / "locale" / "it").exists()


def test_what_clients_alone_read_is_not_among_it(collected: Path) -> None:
    of_staff = (collected / "locale_staff/django.pot").read_text()

    assert "#: notifier/admin/" in of_staff
    assert not [place for place in CLIENTS_READ if f"#: {place}" in of_staff or f" {place}" in of_staff]


@pytest.mark.parametrize(
    ("path", "is_clients"),
    [
        ("./templates/public/base.html", True),
        ("notifier/messages/email.py", True),
        ("notifier/messages/lines.py", False),
        ("templates/admin/index.html", False),
    ],
)
def test_a_file_is_read_by_clients_or_by_staff(path: str, is_clients: bool) -> None:
    assert read_by_clients(path) == is_clients


@pytest.mark.parametrize("place", CLIENTS_READ)
def test_what_clients_read_is_there(place: str) -> None:
    assert (PROJECT / place).exists()
