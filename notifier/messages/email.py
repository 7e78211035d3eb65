"""An e-mail as its readers get it: what staff wrote, inside the one template, as HTML and as plain text.

Everything but the client is the same in all mails of a broadcast, so it is rendered once, and each mail costs a few
joins of strings. A client's values are escaped in the HTML and never read as Markdown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from math import ceil
from typing import Any

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from notifier.languages import offered
from notifier.messages import buttons, markdown, pictures, placeholders, signed_links
from notifier.messages.brands import NEUTRAL, BrandLook

#: Placeholders of the template, for the addresses of a client's own links.
UNSUBSCRIBE, PREFERENCES = "link: unsubscribe", "link: preferences"
_LINKS = (UNSUBSCRIBE, PREFERENCES)
#: Stands after a preheader, where an inbox would go on with the text.
FILLER = mark_safe("&zwnj;&nbsp;" * 60)  # noqa: S308  (it is our own)
#: The widest and the highest that a logo is shown.
LOGO_BOX = (240, 72)
#: Bytes of HTML after which Gmail shows no more of a mail but a link: "Message clipped".
GMAIL_SHOWS = 102_000
#: How many rendered texts a process keeps, each with one of the ends: more seldom run at once.
KEPT = 128

# In a column that may be as narrow as a letter, words would be broken on a phone.
_CELL = "padding: 6px 16px 6px 0; vertical-align: top; word-break: normal; overflow-wrap: break-word;"
# Not every mail program reads a style sheet.
_STYLES = {
    "p": "margin: 0 0 16px;",
    "h1": "margin: 0 0 16px; font-size: 24px; line-height: 1.3; font-weight: 700;",
    "h2": "margin: 24px 0 12px; font-size: 20px; line-height: 1.3; font-weight: 700;",
    "h3": "margin: 24px 0 8px; font-size: 17px; line-height: 1.4; font-weight: 700;",
    "ul": "margin: 0 0 16px; padding: 0 24px;",
    "ol": "margin: 0 0 16px; padding: 0 24px;",
    "li": "margin: 0 0 6px;",
    "blockquote": "margin: 0 0 16px; padding: 0 16px; border-left: 3px solid #c4c4d2; color: #5b5d70;",
    "table": "margin: 0 0 16px; border-collapse: collapse;",
    "th": f"{_CELL} border-bottom: 2px solid #c4c4d2;",
    "td": f"{_CELL} border-bottom: 1px solid #e4e4ec;",
    "hr": "margin: 24px 0; border: 0; border-top: 1px solid #e4e4ec;",
    "img": "max-width: 100%; height: auto; border: 0; vertical-align: top;",
    "a": "color: {link}; text-decoration: underline;",
}
_STYLES |= dict.fromkeys(("h4", "h5", "h6"), _STYLES["h3"])
# A style stays in one line, because some mail programs don't read one of several lines.
_INDENTATION = re.compile(r"(?<!;)\n\s+")
_IN_STYLE = re.compile(r";\n\s+")
# Blocks that may stand in one another. The outermost takes the direction of the first letter in it that has one.
_BLOCKS = _STYLES.keys() - {"hr", "a", "li", "img", "th", "td"}
# A button is a paragraph of its own, and its link's class comes first: notifier/messages/buttons.py.
_TAG = re.compile(
    rf'<p><a(?P<button> class="{buttons.NAME}"[^<>]*)>|(?P<end></a></p>)|'
    rf"<(?P<slash>/?)(?P<name>{'|'.join(_STYLES)})(?=[ >])"
)
# Outlook knows no padding of a link and takes `mso-padding-alt` of the cell; everybody else can press the whole of it.
_BUTTON = """<table role="presentation" cellpadding="0" cellspacing="0" border="0"
style="margin: 0 0 16px; border-collapse: separate;">
<tr>
<td align="center" bgcolor="{colour}" dir="auto" style="border-radius: 8px; mso-padding-alt: 12px 24px;">
<a{link}
style="display: inline-block; padding: 12px 24px; border-radius: 8px; background: {colour}; color: {ink}; \
font-weight: 600; line-height: 1.3; text-decoration: none;">"""
_BUTTON_END = "</a>\n</td>\n</tr>\n</table>"


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """A mail in which only the client's values are missing."""

    html: placeholders.Pattern
    text: placeholders.Pattern

    def html_for(self, values: Mapping[str, str], link_token: str) -> str:
        known = {**values, **_addresses(link_token)}
        return self.html.fill({name: escape(value) for name, value in known.items()})

    def text_for(self, values: Mapping[str, str], link_token: str) -> str:
        return self.text.fill({**values, **_addresses(link_token)})


@dataclass(frozen=True, slots=True)
class Foot:
    """The last lines, in words. Those of both forms begin with why they get it; how to unsubscribe follows."""

    why: str
    unsubscribe: str
    preferences: str

    @classmethod
    def of(cls, language: str) -> "Foot":
        with translation.override(language):
            return cls(
                why=_("You are receiving this because you asked to hear about {{ topic }}."),
                unsubscribe=_("Unsubscribe"),
                preferences=_("Manage your preferences"),
            )

    def as_text(self) -> str:
        return f"{self.why}\n{self.unsubscribe}: {{{{ {UNSUBSCRIBE} }}}}\n{self.preferences}: {{{{ {PREFERENCES} }}}}"


def render(
    *,
    subject: str,
    body: str,
    preheader: str = "",
    brand: BrandLook = NEUTRAL,
    language: str | None = None,
    reader: str | None = None,
) -> RenderedEmail:
    """`language` is that of the text, and `reader` that of its end, which is ours: the client's own.

    None: the default. They differ where the text was not written in the client's language.
    """
    return _render(subject, body, preheader, brand, offered.of(language), offered.of(reader))


@lru_cache(maxsize=KEPT)
def _render(subject: str, body: str, preheader: str, brand: BrandLook, language: str, reader: str) -> RenderedEmail:
    foot = Foot.of(reader)
    written = markdown.write(body)
    # Safe: the body is what nh3 left of it, and the template escapes the rest.
    styled = mark_safe(_with_styles(written.html, brand))  # noqa: S308
    addresses = {"unsubscribe": f"{{{{ {UNSUBSCRIBE} }}}}", "preferences": f"{{{{ {PREFERENCES} }}}}"}
    words: dict[str, Any] = {"subject": subject, "preheader": preheader, "filler": FILLER, "body": styled, "foot": foot}
    words |= {"language": language, "foot_language": reader}
    page: str = render_to_string("mail/message.html", {**words, **addresses, **_head_and_foot(brand)})
    # The template's only letter beyond ASCII: with it no mail at all would go as it is.
    page = page.replace("·", "&middot;")
    html = _INDENTATION.sub("\n", _IN_STYLE.sub("; ", page)).lstrip()
    return RenderedEmail(
        html=placeholders.Pattern.of(html, also=_LINKS, is_html=True),
        text=placeholders.Pattern.of(_as_text(written.text, brand, foot), also=_LINKS),
    )


def _head_and_foot(brand: BrandLook) -> dict[str, Any]:
    size = pictures.shown_size(brand.logo, widest=LOGO_BOX[0], highest=LOGO_BOX[1]) if brand.logo else (0, 0)
    return {
        "brand": brand,
        "logo": pictures.url(brand.logo) if brand.logo else "",
        "logo_width": size[0],
        "logo_height": size[1],
        "address_lines": brand.postal_address.splitlines(),
    }


def _as_text(body: str, brand: BrandLook, foot: Foot) -> str:
    """The same words as in the HTML, in the same order."""
    head = f"{brand.name}\n\n" if brand.name else ""
    last = [brand.reply_line, foot.as_text(), *brand.postal_address.splitlines()]
    return f"{head}{body}\n\n-- \n" + "".join(f"{line}\n" for line in last if line)


def size_warning(html: str) -> str:
    """A sentence where Gmail would cut this mail off; empty where it shows all of it."""
    if (size := size_of(html)) <= GMAIL_SHOWS:
        return ""
    return (
        # Rounded up: "102 kB, after 102 kB" would explain nothing.
        f"The e-mail has {ceil(size / 1000):,} kB, and Gmail cuts it off after {GMAIL_SHOWS // 1000} kB: clients "
        "would not see its end, where they can unsubscribe. Shorten the text."
    )


def size_of(html: str) -> int:
    """In bytes, as it is sent but for its transfer encoding. Pictures are loaded by themselves, and don't count."""
    return len(html.encode(errors="surrogatepass"))


def _addresses(link_token: str) -> dict[str, str]:
    return {
        UNSUBSCRIBE: signed_links.unsubscribe_url(link_token),
        PREFERENCES: signed_links.preferences_url(link_token),
    }


def _with_styles(html: str, brand: BrandLook) -> str:
    depth, in_button = 0, False

    def begin(tag: re.Match[str]) -> str:
        nonlocal depth, in_button
        if tag["button"] is not None:
            in_button = True
            return _BUTTON.format(link=tag["button"], colour=brand.colour, ink=brand.ink)
        if tag["end"] and in_button:
            in_button = False
            return _BUTTON_END
        is_end, name = bool(tag["end"] or tag["slash"]), tag["name"] or "p"
        if name in _BLOCKS:
            depth += -1 if is_end else 1
        if is_end:
            return tag[0]
        direction = ' dir="auto"' if name in _BLOCKS and depth == 1 else ""
        style = _STYLES[name].replace("{link}", brand.link_colour)
        return f'{tag[0]}{direction} style="{style}"'

    return _TAG.sub(begin, html)
