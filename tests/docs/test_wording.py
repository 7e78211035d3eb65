"""How the product speaks: plain words, one for one thing, with the same signs everywhere.

Looked at are the texts in templates, in scripts and in Python's strings, of which most are shown; and the documents.
"""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs.marks import text_of, without_marks
from tests.docs.test_documents import DOCUMENTS, PROJECT

#: What is shown where the terminal may know no other letters than those of ASCII.
ASCII = {"config/bootstrap.py"}
#: Compared with what a stored row or an older file holds.
STORED = {"consent withdrawn after the send began", "Why it was not taken"}
#: A word or a phrase that was taken out, and what is said instead.
REPLACED = {
    r"\b(?:is|was|are) (?:paused|resumed) by itself|has paused itself": "paused automatically",
    r"\btried again by itself|\bby themselves\b": "automatically",
    r"\b[Mm]end(?:ed|s)?\b": "fix",
    r"\bnot taken\b": "rejected",
    r"\bafter the send began\b": "after sending began",
    r"\b[Ll]ately\b|\bof late\b": "recently",
    r"\b(?:left|stays?|stands?|shown|keeps?) as (?:they|it) (?:are|is|were|was|stands?)\b": "unchanged",
    r"\bnever will be\b": "cancelled",
    r"[Bb]ooks? (?:don['’]t )?balance": "The numbers add up",
    r"\bAs they are reached\b": "Latest activity",
    r"\b(?:Lately finished|To come)\b": "Recently sent, Scheduled",
    r"[Tt]ake its time": "Leave empty for no deadline",
    r"\bLook (?:what|who|whether)\b": "Review; Send to those who missed it",
    r"[Ss]ay what is in it": "Match columns",
    r"[Ww]hat is kept\b": "Data held",
    r"[Rr]eturn (?:\w+ )?from the archive": "Restore",
    r"[Nn]ever written to": "Suppressed",
    r"own word\b": "Client request",
    r"\bFrom where\b|\bBecame\b": "Source, Change",
    r"\bat a desk\b": "Desktop",
    r"[Ww]ords of the subject": "Search by subject",
    r"[Cc]hoose what you get": "Manage your preferences",
    r"\bMachinery\b": "System",
    r"\bwhoever looks after\b": "your administrator",
    r"(?:^|[\d}]) %(?![\w%(])": "100%, without a space",
    r"\bfollow-up of\b": "follow-up to",
    r"\bLeft empty, ": "If you leave it empty",
    r"\bReply to this mail\b": "Reply to this e-mail",
    r"(?:messages|e-mails|rows) a second|^\W*a second\b": "per second",
    r"\b[Rr]etry failed\b|\b[Vv]iew and retry\b|\bleft to retry\b|be retried\b": "send again",
    r"\b[Aa]sk for approval\b|\b[Nn]ew request\b": "submit for approval",
    r"\b[Rr]equested (?:by|it)\b|\b[Aa]lready requested\b|\bSent by\b": "created by",
    r"\bWaiting for\W+(?:your )?approval\b": "Awaiting approval",
    r"\bStop(?:ping)? (?:sending(?! to the remaining)|the messages)\b": "cancel",
    r"\bpaused after failures\b|\bpauses itself\b": "paused automatically",
    r"^\W*Late$": "Overdue",
    r"\b[Bb]roadcasts?\b[\W\d|]*\bin progress\b|^\W*Running\b(?!\.)": "being sent; Sending",
    r"\bDon[’']t send\b": "Back",
    r"\bstopped all (?:messages|e-mails|SMS)\b": "unsubscribed from everything",
    r"\b[Aa]nswer(?:ed)? by SMS\b|^answered $": "reply, replied",
    r"\bNot ready after all\b": "Back to draft",
    r"\b[Nn]ot counted yet\b": "Counting…",
    r"\bSend failed again\b": "Send failed messages again",
    r"\bSingle permissions\b": "Individual permissions",
    r"\bLet .*\btry again\b|\btry to log in again\b(?! immediately)": "Unblock",
    r"\bUse that$|\bchosen zone\b": "Use it; this zone",
    r"\bone a (?:line|row)\b": "one per line",
    r"\b(?:is|are) offered nowhere\b": "is no longer offered",
    r"\b[Ww]ith commas between\b": "separated by commas",
    r"\bThe first of them\b|\bThe first ones\b|\b[Ee]verything found\b|\bwould stay\b": "The first few; All results",
}
#: The arguments that become a label, a heading of a column or a button.
LABELS = {"label", "description", "verbose_name", "verbose_name_plural", "title", "button"}
#: One message of a broadcast has this name in the code and in the log alone; on screens it is a message.
IN_CODE_ALONE = re.compile(r"\b[Dd]eliver(?:y|ies)\b")
#: Inside a sentence it is always "by e-mail".
EMAIL = re.compile(r"\b(?:[Pp]er|[Bb]y|[Vv]ia) (?:E-?mails?|emails?)\b|\be-mail by e-mail\b")
APOSTROPHE = re.compile(r"(?<=[A-Za-z])'(?=[a-z])|(?<=[a-z]s)' (?=[a-z])")
#: Of these words the capital stands inside a heading as well.
NAMES = {"E-mail", "SMS", "CSV", "XLSX", "JSON", "HTML", "Notifier", "Excel", "GSM-7", "UCS-2", "OK", "ID"}
HEADING = re.compile(
    r"<(h[1-6]|th|button|legend|dt|label|summary|caption|option)\b[^>]*>((?:(?!<\1\b).)*?)</\1>", re.DOTALL
)


def prose(template: str) -> str:
    """A template's text alone, with a bar for each value and each tag; the attributes that are read out stay."""
    bare = re.sub(
        r"\{#.*?#\}|\{% comment %\}.*?\{% endcomment %\}|<style.*?</style>",
        " ",
        without_marks(template),
        flags=re.DOTALL,
    )
    bare = re.sub(r"\{[%{].*?[}%]\}", " | ", bare)
    read_out = " ".join(re.findall(r'(?:aria-label|title|placeholder|alt|value)="([^"]*)"', bare))
    return " ".join(f"{re.sub(r'<[^>]*>', ' ', bare)} {read_out}".split())


def strings(module: str) -> Iterator[str]:
    """The string constants of a module that are no docstrings; of an f-string what stands between the values."""
    tree = ast.parse(module)
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield node.value


def shown() -> Iterator[tuple[str, str]]:
    """Each text that may be shown: the file that it stands in, and the text."""
    for path in sorted((PROJECT / "templates").rglob("*.html")):
        yield str(path.relative_to(PROJECT)), prose(path.read_text())
    for folder in ("notifier", "consumers", "config"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            name = str(path.relative_to(PROJECT))
            texts = strings(path.read_text()) if "migrations" not in path.parts else ()
            # A word in small letters is a key.
            yield from ((name, text) for text in texts if " " in text or text[:1].isupper())
    for path in sorted((PROJECT / "notifier" / "static").rglob("*.js")):
        code = re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.MULTILINE)
        for text in re.findall(r'"([^"\n]*)"|`([^`]*)`', code):
            yield str(path.relative_to(PROJECT)), " ".join(text)


SHOWN = [(name, text) for name, text in shown() if text not in STORED]


def test_an_apostrophe_is_a_typographic_one() -> None:
    found = [f"{name}: {text}" for name, text in SHOWN if APOSTROPHE.search(text) and name not in ASCII]

    assert not found


@pytest.mark.parametrize("phrase", REPLACED)
def test_no_text_speaks_like_a_translation(phrase: str) -> None:
    found = [f"{name}: {text}" for name, text in SHOWN if re.search(phrase, text)]

    assert not found, f"say: {REPLACED[phrase]}"


def test_staff_read_of_messages_not_of_deliveries() -> None:
    # A line of the log has values that %-formatting puts in, a query its parameters; one capital word is a class.
    sentences = [(name, text) for name, text in SHOWN if "%" not in text and not text.isalpha()]

    assert not [(name, text) for name, text in sentences if IN_CODE_ALONE.search(text) and "X-Notifier" not in text]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_names_no_button_by_a_replaced_word(path: Path) -> None:
    named = re.findall(r"(?<![\w*])\*{1,3}([^*\n]+?)\*{1,3}(?![\w*])", path.read_text())

    assert not [words for words in named for phrase in REPLACED if re.search(phrase, words)]


def test_inside_a_sentence_it_is_by_e_mail() -> None:
    texts = [*SHOWN, *((path.name, path.read_text()) for path in DOCUMENTS)]

    assert not [(name, found) for name, text in texts for found in EMAIL.findall(text)]


def test_headings_buttons_and_columns_have_one_capital() -> None:
    wrong: list[tuple[str, object]] = []
    for path in sorted((PROJECT / "templates").rglob("*.html")):
        for _, inside in HEADING.findall(without_marks(path.read_text())):
            pieces = [piece.split() for piece in re.split(r"\{[%{].*?[}%]\}|<[^>]*>|[.:] ", inside) if piece.strip()]
            if pieces and pieces[0][0][0].islower() and not inside.lstrip().startswith("{"):
                wrong.append((path.name, pieces[0]))
            others = [word.strip("(,.:…?)") for piece in pieces for word in piece[1:]]
            wrong += [(path.name, word) for word in others if word[:1].isupper() and word not in NAMES]

    assert not wrong


def labels(module: str) -> Iterator[str]:
    """What a module gives to forms, columns, buttons and headings by their names."""
    for node in ast.walk(ast.parse(module)):
        if isinstance(node, ast.keyword) and node.arg in LABELS and (label := text_of(node.value)) is not None:
            yield label


def test_labels_that_stand_in_code_have_one_capital_too() -> None:
    code = [path for path in sorted((PROJECT / "notifier").rglob("*.py")) if "migrations" not in path.parts]
    words = [(path.name, label.split()) for path in code for label in labels(path.read_text())]
    inner = [
        (name, word.strip("(“”,.:…?)"))
        for name, pieces in words
        for before, word in pairwise(pieces)
        if not before.endswith((".", ":", "?"))
    ]

    assert len(words) > 100
    assert not [(name, word) for name, word in inner if word[:1].isupper() and word not in NAMES]
