"""Nothing that reads other people's text may take longer than in proportion to it: every regular expression of the
product, and every parser.
"""

import ast
import importlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.backends import base, mime, twilio
from notifier.addresses import phones
from notifier.clients import erasure, name_search
from notifier.consent import bounce_status
from notifier.files import spreadsheets
from notifier.files.base import unquoted
from notifier.messages import lines, markdown, placeholders, sms_segments
from notifier.values.base import FieldKind, ValueType
from notifier.values.kinds import type_of
from notifier.web import log_redaction
from tests.support.checks import growth

ROOT = Path(django_settings.BASE_DIR)
PACKAGES = ("notifier", "consumers", "config")
#: Those that read a text; `re.compile` makes what is found under its name.
USES = {f"re.{use}" for use in ("match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer")}
#: Letters that stand for those that a pattern does not name.
OTHERS = "a1 \n@.-"
MAX_ALPHABET = 16


# --- Regular expressions ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Expression:
    pattern: "re.Pattern[Any]"
    #: How the product uses it: "search" for everything that looks for it in the whole of a text.
    use: str

    def __call__(self, text: str) -> object:
        read = getattr(self.pattern, self.use)
        return read(text if isinstance(self.pattern.pattern, str) else text.encode())

    @property
    def source(self) -> str:
        source = self.pattern.pattern
        return source if isinstance(source, str) else source.decode("latin-1")

    def texts(self) -> Iterator[tuple[str, str, str]]:
        """What it is attacked with: a beginning, what is repeated after it, and an end."""
        named = dict.fromkeys(one for one in self.source if one not in "\\[]()*+?{}|^$" or f"\\{one}" in self.source)
        alphabet = [*OTHERS, *(letter for letter in named if letter not in OTHERS)][:MAX_ALPHABET]
        pumps = dict.fromkeys([*alphabet, *("".join(pair) for pair in product(alphabet, repeat=2))])
        beginning = re.match(r"\^?((?:\\[^a-zA-Z0-9]|[a-zA-Z0-9 =:/<!-])*)", self.source)
        for start in dict.fromkeys(["", beginning[1].replace("\\", "") if beginning else ""]):
            for end in ("", "\0"):
                yield from ((start, pump, end) for pump in pumps)

    def fault(self) -> str:
        for start, pump, end in self.texts():
            make = partial(_text, start, pump, end)
            if fault := growth.fault(self, make):
                return fault
        return ""


def _text(start: str, pump: str, end: str, size: int) -> str:
    return start + pump * (size // len(pump)) + end


def expressions() -> dict[str, Expression]:
    """Every regular expression of the product that is written out, by its place."""
    found: dict[str, Expression] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts and "import re\n" in (source := path.read_text()):
                found |= _of_module(".".join(path.relative_to(ROOT).with_suffix("").parts), source)
    return found


def _of_module(name: str, source: str) -> dict[str, Expression]:
    found = {}
    for key, value in vars(importlib.import_module(name)).items():
        if isinstance(value, re.Pattern):
            used = set(re.findall(rf"\b{key}\.(\w+)\(", source))
            found[f"{name}.{key}"] = Expression(value, "match" if used and used <= {"match", "fullmatch"} else "search")
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) in USES and node.args):
            continue
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str | bytes):
            use = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            found[f"{name}:{node.lineno}"] = Expression(
                re.compile(first.value), "match" if "match" in use else "search"
            )
    return found


EXPRESSIONS = expressions()


def test_the_regular_expressions_are_found() -> None:
    assert {"notifier.messages.markdown._PICTURE", "consumers.backends.base._ADDRESS"} <= EXPRESSIONS.keys()
    assert len(EXPRESSIONS) > 40


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_no_regular_expression_reads_a_part_of_a_text_again_and_again(place: str) -> None:
    assert EXPRESSIONS[place].fault() == ""


@pytest.mark.parametrize(
    "pattern",
    [
        # As they once stood here: the line under a table's header, a picture, an address in a provider's answer.
        re.compile(r"^\s*\|?[\s:|-]*-{3,}[\s:-]*\|[\s:|-]*$", re.MULTILINE),
        re.compile(r"!\[[^\]]*\]\("),
        re.compile(r"<?[^\s<>@]+@[^\s<>]+>?"),
        re.compile(r"\{\{\s*([a-z_]*)\s*\}\}"),
    ],
    ids=["table", "picture", "address", "placeholder"],
)
def test_one_that_does_is_found(pattern: "re.Pattern[str]") -> None:
    assert "times as long" in Expression(pattern, "search").fault()


# --- Parsers ----------------------------------------------------------------------------------------------------------
PUMPS = (
    *(
        "[",
        "]",
        "*",
        "**a ",
        "_a*",
        "*a ",
        "a* ",
        "> ",
        "- ",
        "1. ",
        "\n",
        "\n\n",
        " \n",
        "\t",
        "\\",
        "a|",
        "-",
        "--- |",
    ),
    *(
        "![",
        "![a](",
        "[a](",
        "[](",
        '[a](b "',
        "<a ",
        "<",
        "</",
        "http://",
        "https://a/(",
        "https://a/'",
        "(https://a_",
    ),
    *("https://a.b/**", "_https://a/_ ", "a@", "@", "{{", "{{ name }}", "{{x", "}}", "\ue000", "#", "# a\n", "~", "`"),
    *(
        "https://[",
        "<https://a>",
        "&amp;",
        "é",
        "\u2028",
        "+1 ",
        "(1",
        "=\r\n",
        ".\n",
        "a" * 70 + "\n",
        "- a\n  ",
        ">\n",
    ),
)


def _read(value_type: ValueType, text: str) -> None:
    with suppress(ValueError):
        value_type.read(text)


PARSERS: dict[str, Callable[[str], object]] = {
    "markdown.write": markdown.write,
    "markdown.mistakes": markdown.mistakes,
    "markdown.warnings": markdown.warnings,
    "placeholders.mistakes": placeholders.mistakes,
    "placeholders.render": lambda text: placeholders.render(text, {"name": "x"}),
    "placeholders.Pattern": placeholders.Pattern.of,
    "placeholders.subject_mistakes": placeholders.subject_mistakes,
    "sms_segments.measure": sms_segments.measure,
    "base.masked": base.masked,
    "mime._part": lambda text: mime._part("plain", text, "x"),
    "lines.one_line": lines.one_line,
    "phones.searched": lambda text: phones.searched(text, region="GB"),
    "phones.elsewhere": lambda text: phones.elsewhere(text, region="GB"),
    "name_search.folded": name_search.folded,
    "log_redaction.redacted": log_redaction.redacted,
    "bounce_status.finding": bounce_status.finding,
    "spreadsheets.neutralised": spreadsheets.neutralised,
    "files.base.unquoted": unquoted,
    "erasure.without": lambda text: erasure.without(text, ["ann@example.com", "Ann a"], most=300),
    **{f"values.{kind}": partial(_read, type_of(kind=kind, currency="EUR")) for kind in FieldKind},
    "twilio._complaint": lambda text: twilio._complaint(400, json.dumps({"code": 1, "message": text}).encode()),
}


@pytest.mark.parametrize("name", PARSERS)
def test_no_parser_takes_longer_than_in_proportion_to_its_text(name: str) -> None:
    found = {pump: growth.fault(PARSERS[name], partial(_text, "", pump, "")) for pump in PUMPS}

    assert {pump: fault for pump, fault in found.items() if fault} == {}


@pytest.mark.parametrize("pair", [("**a ", "b** "), ("[a", "](b)"), ("_a *b ", "c* d_ "), ("> ", "\n"), ("[", "](x)")])
def test_nor_where_what_is_opened_is_closed_as_often(pair: tuple[str, str]) -> None:
    opened, closed = pair

    def make(size: int) -> str:
        number = size // len(opened + closed) + 1
        return opened * number + closed * number

    assert {name: growth.fault(PARSERS[name], make) for name in PARSERS if name.startswith("markdown")} == {
        "markdown.write": "",
        "markdown.mistakes": "",
        "markdown.warnings": "",
    }


@settings(max_examples=25, deadline=None)
@given(
    pump=st.text("[]()*_!<>{}\\`#-|>.:/@ \n\ta1é", min_size=1, max_size=5),
    beginning=st.sampled_from(["", "https://a/", "- "]),
)
def test_nor_does_a_text_that_nobody_thought_of(pump: str, beginning: str) -> None:
    for name in ("markdown.write", "markdown.mistakes", "markdown.warnings", "base.masked", "log_redaction.redacted"):
        assert growth.fault(PARSERS[name], partial(_text, beginning, pump, ""), largest=4_096) == "", name
