"""What clients read is there in every language, complete, and compiled: none that runs us needs gettext's tools."""

import gettext
import os
import re
import shutil
import subprocess
import sys
from ast import literal_eval
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import formats, translation

from notifier.messages import sms_segments
from tests.docs.test_documents import PROJECT

CATALOGUES = sorted((PROJECT / "locale").glob("*/LC_MESSAGES/django.po"))
by_language = pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.parent.name)
_LINE = re.compile(r'(msgctxt|msgid|msgid_plural|msgstr(?:\[\d\])?)? ?(".*")')
#: What stands in a text for something else, or is a tag: a translation has the same ones.
_PARTS = re.compile(r"%\(\w+\)s|\{\{ \w+ \}\}|</?\w+[^<>]*>")


@dataclass
class Entry:
    flags: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)


def entries(text: str) -> Iterator[Entry]:
    """Those of a .po file but its header. An obsolete one has its comment sign."""
    for block in text.split("\n\n"):
        entry, name = Entry(), ""
        for line in block.splitlines():
            if line.startswith("#,"):
                entry.flags |= {flag.strip() for flag in line[2:].split(",")}
            elif found := _LINE.fullmatch(line):
                name = found[1] or name
                entry.texts[name] = entry.texts.get(name, "") + literal_eval(found[2])
        if entry.texts.get("msgid"):
            yield entry


def test_there_is_a_catalogue_of_each_language_that_is_offered_by_default() -> None:
    assert (
        {path.parent.parent.name for path in CATALOGUES} == {"en", "de", "fr", "es"} == set(settings.CLIENT_LANGUAGES)
    )


@by_language
def test_no_text_is_untranslated_doubtful_or_obsolete(path: Path) -> None:
    text = path.read_text()
    found = list(entries(text))

    assert len(found) > 40
    assert "#~" not in text
    for entry in found:
        assert "fuzzy" not in entry.flags, entry
        assert all(value.strip() for value in entry.texts.values()), entry


@by_language
def test_a_translation_has_the_tags_and_values_of_its_text(path: Path) -> None:
    for entry in entries(path.read_text()):
        assert sorted(_PARTS.findall(entry.texts["msgstr"])) == sorted(_PARTS.findall(entry.texts["msgid"])), entry


@by_language
def test_the_compiled_catalogue_is_that_of_the_text(path: Path) -> None:
    with path.with_suffix(".mo").open("rb") as compiled:
        catalogue = gettext.GNUTranslations(compiled)
    says = {key: text for key, text in vars(catalogue)["_catalog"].items() if key}

    assert says == {entry.texts["msgid"]: entry.texts["msgstr"] for entry in entries(path.read_text())}


@by_language
def test_what_goes_out_by_sms_has_no_letter_beyond_gsm_7(path: Path) -> None:
    by_sms = [entry for entry in entries(path.read_text()) if re.search(r"\b(?:STOP|START)\b", entry.texts["msgid"])]

    # The fourth stands on a page.
    assert len(by_sms) == 4
    for entry in by_sms:
        if "one of our messages" not in entry.texts["msgid"]:
            assert sms_segments.beyond_gsm(entry.texts["msgstr"]) == [], entry


def test_the_catalogues_have_what_the_code_has(tmp_path: Path) -> None:
    """`make messages` finds nothing new and nothing gone."""
    if not shutil.which("xgettext") or not shutil.which("msgmerge"):
        if os.environ.get("CI") == "true":
            pytest.fail("gettext is not installed")
        pytest.skip("gettext is not installed")
    for name in ("manage.py", "config", "notifier", "consumers", "templates", "locale"):
        (shutil.copytree if (PROJECT / name).is_dir() else shutil.copy)(PROJECT / name, tmp_path / name)
    command = [sys.executable, "manage.py", "makemessages", "--all", "--no-wrap", "--add-location", "file"]
    own = {"ENV_FILE": os.devnull, "DJANGO_SETTINGS_MODULE": "config.settings", "SECRET_KEY": "x", "DEBUG": "on"}

    subprocess.run(command, cwd=tmp_path, env=os.environ | own, check=True, capture_output=True)

    for path in CATALOGUES:
        made = (tmp_path / path.relative_to(PROJECT)).read_text()
        assert [entry.texts for entry in entries(made)] == [entry.texts for entry in entries(path.read_text())]
        assert "fuzzy" not in made


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Abmelden"),
        ("fr", "Se désinscrire"),
        ("es", "Darse de baja"),
        ("en", "Unsubscribe"),
        ("en-gb", "Unsubscribe"),
    ],
)
def test_a_text_is_said_in_the_language_that_is_active(language: str, text: str) -> None:
    with translation.override(language):
        assert translation.gettext("Unsubscribe") == text


@pytest.mark.parametrize(
    ("language", "day", "number"),
    [
        ("en", "24 Nov 2026", "1,234,567.5"),
        ("de", "24. November 2026", "1.234.567,5"),
        ("fr", "24 novembre 2026", "1\xa0234\xa0567,5"),
        ("es", "24 de noviembre de 2026", "1\xa0234\xa0567,5"),
    ],
)
def test_dates_and_numbers_are_written_as_in_the_language_that_is_active(language: str, day: str, number: str) -> None:
    with translation.override(language):
        assert formats.date_format(date(2026, 11, 24)) == day
        assert formats.number_format(1234567.5, force_grouping=True) == number
