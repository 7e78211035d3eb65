"""Texts come out as Django's own marks show them, and what a sentence holds has a name."""

import pytest
from django.template import Context, Template, TemplateSyntaxError
from django.utils import translation
from django.utils.functional import lazystr

from notifier.templatetags.marks import SentenceNode, TextNode
from tests.docs.test_documents import PROJECT


def shown(text: str, **values: object) -> str:
    return Template("{% load i18n marks %}" + text).render(Context(values))


def test_what_is_captured_is_shown_where_its_name_stands() -> None:
    link = '{% capture as link %}\n  href="{{ url }}"\n{% endcapture %}'

    assert shown(f"{link}|{{{{ link }}}}", url="/a/") == '|href="/a/"'


def test_a_value_inside_is_escaped_once() -> None:
    text = "{% capture as it %}<b>{{ name }}</b>{% endcapture %}{% blocktranslate %}To {{ it }}{% endblocktranslate %}"

    assert shown(text, name="A & B") == "To <b>A &amp; B</b>"


def test_the_name_is_gone_where_the_block_ends() -> None:
    text = "{% with a=1 %}{% capture as it %}{{ a }}{% endcapture %}{{ it }}{% endwith %}{{ it }}"

    assert shown(text) == "1"


@pytest.mark.parametrize("tag", ["capture", "capture it", "capture as", "capture as it now"])
def test_a_tag_without_a_name_is_refused(tag: str) -> None:
    with pytest.raises(TemplateSyntaxError, match="capture as name"):
        shown(f"{{% {tag} %}}{{% endcapture %}}")


TEXTS = [
    "{% translate 'Delete' %}",
    "{% translate '100% & <b>more</b>' %}",
    "{% translate 'Delete' as said %}{{ said }}",
    "{% translate 'may long name'|capfirst %}",
    "{% translate one %}",
    "{% translate 'May' context 'month name' %}",
    "{% translate 'Delete' noop %}",
    "{% blocktranslate %}{{ one }} of 100%{% endblocktranslate %}",
    "{% blocktranslate with many=one|upper trimmed %}\n  To {{ many }}\n  {{ one }}\n{% endblocktranslate %}",
    "{% blocktranslate with one=number %}{{ one }}{% endblocktranslate %}{{ one }}",
    "{% blocktranslate asvar said %}To {{ one }}{% endblocktranslate %}|{{ said }}",
    "{% blocktranslate %}To {{ nobody }}{% endblocktranslate %}",
    "{% blocktranslate count number=number %}{{ number }} day{% plural %}{{ number }} days{% endblocktranslate %}",
    "{% autoescape off %}{% blocktranslate %}{{ one }}{% endblocktranslate %}{% endautoescape %}",
]


@pytest.mark.parametrize("language", ["en-gb", "de", "fr", None])
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_shown_as_django_shows_it(text: str, language: str | None) -> None:
    values = {"one": lazystr("A & B"), "number": 1234}
    own, djangos = (Template(f"{{% load {libraries} %}}{text}{text}") for libraries in ("i18n marks", "i18n"))

    with translation.override(language):
        assert own.render(Context(values)) == djangos.render(Context(values))


def test_what_one_reader_was_shown_is_kept_for_nobody_who_reads_another_language() -> None:
    page = Template("{% load marks %}{% translate 'Delete' %} {% blocktranslate %}Delete{% endblocktranslate %}")
    shown = []
    for language in ("en-gb", "de", "en-gb", "fr"):
        with translation.override(language):
            shown.append(page.render(Context()))

    assert shown == ["Delete Delete", "Löschen Löschen", "Delete Delete", "Supprimer Supprimer"]


def test_what_one_reader_was_shown_is_kept_for_nobody_with_other_values() -> None:
    page = Template("{% load marks %}{% blocktranslate %}To {{ one }}{% endblocktranslate %}")

    assert [page.render(Context({"one": one})) for one in ("a", "b")] == ["To a", "To b"]


def test_a_text_is_looked_up_once_a_language(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Template("{% load marks %}{% translate 'One' %}{% blocktranslate %}Two{% endblocktranslate %}")
    looked_up: list[str] = []

    def look_up(text: str) -> str:
        looked_up.append(text)
        return text

    monkeypatch.setattr(translation, "gettext", look_up)

    for _ in range(3):
        page.render(Context())

    assert looked_up == ["One", "Two"]


def test_the_back_office_s_pages_have_the_marks_that_are_cheap() -> None:
    """A library that is loaded last wins."""
    page = Template("{% load i18n marks %}{% translate 'One' %}{% blocktranslate %}Two{% endblocktranslate %}")

    assert [type(node) for node in page.nodelist[1:]] == [TextNode, SentenceNode]
    for folder in ("admin", "registration"):
        for path in (PROJECT / "templates" / folder).rglob("*.html"):
            text = path.read_text()
            if "{% translate" in text or "{% blocktranslate" in text:
                loaded = " ".join(line.partition("%}")[0] for line in text.split("{% load ")[1:]).split()
                assert "i18n" not in loaded[loaded.index("marks") :], path
