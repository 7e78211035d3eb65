"""The glossary is in order, names what is there, and nothing is called by a name that was given up."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.docs.test_documents import CODE, DOCUMENTS, PROJECT, cells_of, is_defined

GLOSSARY = PROJECT / "docs/glossary.md"
#: Names that were given up, each with the one that took its place. They are whole words, as they would be written.
GIVEN_UP = {
    r"[Dd]ossiers?": "client record",
    r"[Hh]ardening": "security_headers",
    r"put_away": "pseudonymise",
    r"kept_as": "stored_form",
    r"is_anybodys": "address_in_use",
    r"disclaim(?:ed|s)?": "release_claim",
    r"OWN_WORD|is_own_word|_by_own_word": "CLIENT_REQUESTED, is_client_requested",
    r"Workers?": "Process",
    r"WhyField|why_field": "ReasonField, reason_field",
    r"ClientVersion|SeenForm|approvals\.Version": "EarlierVersion, acts.version",
    r"importer\.subjects|an_answer": "importer.topics, a_reply",
    r"DailyTall(?:y|ies)": "DailyStats",
    r"[Cc]ensus(?:es)?": "client counts",
    r"daily tall(?:y|ies)": "daily stats",
    r"_?[Gg]auge": "BreakerReporter",
    r"_?[Pp]acer": "RateLimiter",
    r"_?sated": "over the cap",
    r"_?asleep": "in quiet hours",
    r"\w*[Ss]tand-?ins?": "fake",
    r"_hopeless|_Spell": "unreachable, quiet state",
    r"provider_events\.took|lifecycle\.(?:opening|start|made)": "record_event, initial_columns, …",
    r"MOST_\w+": "MAX_…",
    r"_LOOK|_TURNS|_SATED": "select_pending, client_locks, over_cap",
    r"letter_view|mail\.letter": "email_preview, email.render",
    r"[Oo]penings|[Ss]ending hours": "quiet hours",
    r"OddAddress\w*|odd_addresses|web_addresses|web_address": "OddUrlMiddleware, odd_urls, pasted_urls, site_url",
    r"SendOrder|read_send_order|is_order|broadcast_order": "SendRequest, is_act, the act's URL",
    r"TestMessage": "Outgoing",
    r"is_staged|files/staged|files\.staged": "is_packed, files/packed",
    r"notifier/services|notifier\.services|services\.\w+": "the subject's own package",
    r"notifier[/.](?:inbound|imports|why)\b": "webhooks, clients/imports, explanations",
}
FOLDERS = ("notifier", "consumers", "config", "bench", "templates", "tests")
SUFFIXES = {".py", ".html", ".js", ".css"}
#: This list itself.
EXCEPTIONS = {"tests/docs/test_glossary.py"}


def entries() -> list[list[str]]:
    lines = GLOSSARY.read_text().splitlines()
    return [cells_of(line) for line in lines if line.startswith("| ") and not line.startswith("| word")]


def texts() -> Iterator[tuple[str, str]]:
    """Each file of code, templates and documents: its path, and what stands in it. The changelog tells of the past."""
    code = [path for folder in FOLDERS for path in sorted((PROJECT / folder).rglob("*")) if path.suffix in SUFFIXES]
    for path in [*code, *DOCUMENTS, PROJECT / ".env.example"]:
        name = str(path.relative_to(PROJECT))
        if name not in EXCEPTIONS:
            yield name, path.read_text()


def places_of(where: str) -> Iterator[tuple[list[str], list[str]]]:
    """The paths and the names of each place, which are separated by semicolons."""
    for place in where.split(";"):
        found = CODE.findall(place)
        is_path = [("/" in name or (PROJECT / name).is_file()) for name in found]
        yield (
            [name for name, path in zip(found, is_path, strict=True) if path],
            [name for name, path in zip(found, is_path, strict=True) if not path],
        )


def test_the_glossary_is_in_the_order_of_the_alphabet_and_names_each_word_once() -> None:
    words = [word.lower() for word, _, _ in entries()]
    each = [one.strip() for word in words for one in word.split(",")]

    assert words == sorted(words)
    assert len(each) == len(set(each)) > 80


def test_each_word_has_one_sentence() -> None:
    wrong = [word for word, meaning, _ in entries() if not re.fullmatch(r"[A-Z`].*[^.]\.", meaning) or ". " in meaning]

    assert wrong == []


def test_each_place_that_the_glossary_names_is_there() -> None:
    wrong = []
    for word, _, where in entries():
        for paths, names in places_of(where):
            wrong += [(word, path) for path in paths if not (PROJECT / path).exists()]
            wrong += [(word, name) for name in names if not is_defined(name, paths)]
            wrong += [(word, where)] if not paths else []

    assert wrong == []


def test_nothing_is_called_by_a_name_that_was_given_up() -> None:
    given_up = re.compile(r"(?<![\w./])(?:" + "|".join(GIVEN_UP) + r")(?!\w)")
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if given_up.search(line)
    ]

    assert found == []


def test_no_two_classes_of_the_product_have_one_name() -> None:
    classes = Counter(
        found
        for name, text in texts()
        if name.endswith(".py") and name.startswith(("notifier/", "consumers/", "config/"))
        for found in re.findall(r"^class (\w+)", text, re.MULTILINE)
    )

    assert len(classes) > 200
    # Django's own names, one in each module.
    assert {name for name, number in classes.items() if number > 1} == {"Command", "Migration"}


def test_every_folder_is_looked_at() -> None:
    names = [name for name, _ in texts()]

    assert len(names) > 400
    assert {Path(name).parts[0] for name in names} >= set(FOLDERS)
