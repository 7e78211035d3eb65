"""What a sentence holds has a name, under which its translation may move it."""

import pytest
from django.template import Context, Template, TemplateSyntaxError


def shown(text: str, **values: object) -> str:
    return Template("{% load capture i18n %}" + text).render(Context(values))


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
