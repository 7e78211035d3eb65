"""What is wrong with a piece of HTML, by the rules of browsers' own parser (html5lib), and with what its ids name.

A browser shows malformed pages all the same, each as it guesses: then what is seen is not what was written.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import html5lib
from html5lib.constants import E

#: Attributes that name elements by their ids; some of them several.
NAMING = ("for", "form", "list", "headers", "popovertarget", "aria-controls", "aria-describedby", "aria-labelledby")


#: More digits of a second are none of HTML.
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:[+-]\d\d:\d\d|Z)")


def faults(html: str, *, is_fragment: bool = False) -> list[str]:
    """Each as "line 7: …". A fragment may name what stands on the page that it is put into."""
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    tree = parser.parseFragment(html) if is_fragment else parser.parse(html)
    found = [f"line {line}: {E[code] % data}" for (line, _), code, data in parser.errors]
    ids = Counter(element.get("id") for element in _elements(tree) if element.get("id") is not None)
    found += [f"{number} elements have the id “{name}”" for name, number in ids.items() if number > 1]
    found += [f"“{moment}” is no moment" for moment in _moments(tree) if not MOMENT.fullmatch(moment)]
    return found if is_fragment else found + list(_dangling(tree, ids))


def _elements(tree: Any) -> Iterator[Any]:
    # Comments have a function for a tag.
    return (element for element in tree.iter() if isinstance(element.tag, str))


def _moments(tree: Any) -> list[str]:
    return [element.get("datetime") or "" for element in _elements(tree) if element.tag == "time"]


def _dangling(tree: Any, ids: Counter[str]) -> Iterator[str]:
    for element in _elements(tree):
        for attribute in NAMING:
            for name in (element.get(attribute) or "").split():
                if name not in ids:
                    yield f"{attribute} of <{element.tag}> names “{name}”, which is not there"
