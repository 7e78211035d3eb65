"""What a browser would post of a page's form."""

from html.parser import HTMLParser
from typing import Any

from django.test import Client as Browser


class _Forms(HTMLParser):
    """What a browser would post of each form of a page, were nothing touched."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, list[str]]] = []
        self._select = ""
        self._textarea = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        attrs = dict(attributes)
        if tag == "form":
            self.forms.append({})
        if not self.forms:
            return
        fields, name = self.forms[-1], attrs.get("name") or ""
        if tag == "input" and name and self._is_posted(attrs):
            fields.setdefault(name, []).append(attrs.get("value") or ("on" if attrs.get("type") == "checkbox" else ""))
        elif tag == "textarea":
            self._textarea = name
            fields[name] = [""]
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in attrs:
            fields.setdefault(self._select, []).append(attrs.get("value") or "")

    def _is_posted(self, attrs: dict[str, str | None]) -> bool:
        if attrs.get("type") in ("submit", "button", "file"):
            return False
        return attrs.get("type") not in ("checkbox", "radio") or "checked" in attrs

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.forms[-1][self._textarea][0] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._textarea = ""
        elif tag == "select":
            self._select = ""


def form_of(html: str) -> dict[str, list[str]]:
    """The largest form of the page."""
    parser = _Forms()
    parser.feed(html)
    return max(parser.forms, key=len, default={})


def agree_to(browser: Browser, address: str, *, follow: Any = False, **answers: Any) -> Any:
    """Opens a page that asks, and posts what it shows with these answers."""
    return browser.post(address, form_of(browser.get(address).content.decode()) | answers, follow=follow)
