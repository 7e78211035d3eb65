"""The marks of the back office: Django's own `translate` and `blocktranslate`, made cheap, and `capture`.

A page has a hundred texts, and Django looks each of them up in every catalogue for every reader, only to find that it
is shown as it is written. Here a text is looked up once a language. Catalogues are read when a process starts, so that
changed ones want a restart.
"""

from typing import Any

from django import template
from django.template.base import NodeList, Parser, Token, render_value_in_context
from django.templatetags import i18n
from django.utils import translation
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


class TextNode(template.Node):
    """A text without values."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.known: dict[str | None, str] = {}

    def render(self, context: template.Context) -> SafeString:
        language = translation.get_language()
        if (shown := self.known.get(language)) is None:
            shown = self.known[language] = translation.gettext(self.text).replace("%%", "%")
        return mark_safe(shown)  # noqa: S308 — the developer's own, as the rest of a template is


class SentenceNode(i18n.BlockTranslateNode):
    """A sentence with values and without a count."""

    def __init__(self, sentence: Any) -> None:
        super().__init__(sentence.extra_context, sentence.singular, trimmed=sentence.trimmed, asvar=sentence.asvar)
        self.text, self.values = self.render_token_list(self.singular)
        self.known: dict[str | None, str] = {}

    def render(self, context: template.Context, nested: bool = False) -> str:
        language = translation.get_language()
        if (text := self.known.get(language)) is None:
            text = self.known[language] = translation.gettext(self.text)
        try:
            with context.push(**{name: value.resolve(context) for name, value in self.extra_context.items()}):
                shown = text % {name: render_value_in_context(context[name], context) for name in self.values}
        except (KeyError, ValueError):
            # A value that is not there, or a translation that is no sentence: Django knows what to show.
            return str(super().render(context, nested))
        if self.asvar:
            context[self.asvar] = SafeString(shown)
            return ""
        return shown


class CaptureNode(template.Node):
    child_nodelists = ("nodelist",)

    def __init__(self, nodelist: NodeList, name: str) -> None:
        self.nodelist = nodelist
        self.name = name

    def render(self, context: template.Context) -> SafeString:
        shown: Any = self.nodelist.render(context)
        context[self.name] = SafeString(shown.strip())
        return SafeString("")


@register.tag
def translate(parser: Parser, token: Token) -> template.Node:
    """Django's own, but for a plain text, which is nearly all."""
    text: Any = i18n.do_translate(parser, token)
    said = text.filter_expression.var.literal
    if len(token.split_contents()) > 2 or text.filter_expression.filters or not isinstance(said, str):
        return text  # type: ignore[no-any-return]
    return TextNode(said.replace("%", "%%"))


@register.tag
def blocktranslate(parser: Parser, token: Token) -> template.Node:
    """Django's own, but for a sentence without a count and without a context."""
    sentence: Any = i18n.do_block_translate(parser, token)
    return sentence if sentence.plural or sentence.message_context else SentenceNode(sentence)


@register.tag
def capture(parser: Parser, token: Token) -> CaptureNode:
    """Keeps what stands inside it, such as the attributes of a link, for `{% blocktranslate %}`."""
    words = token.split_contents()
    if len(words) != 3 or words[1] != "as":
        raise template.TemplateSyntaxError("Write {% capture as name %}.")
    nodelist = parser.parse(("endcapture",))
    parser.delete_first_token()
    return CaptureNode(nodelist, words[2])
