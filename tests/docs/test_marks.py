"""The back office is English, and each text that staff read there is marked for translation."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from notifier.management.commands.makemessages import read_by_clients
from tests.docs.marks import ATTRIBUTES, is_marked, without_marks
from tests.docs.test_documents import PROJECT

#: Attributes that people read, or hear.
READ_OUT = r"title|aria-label|aria-description|aria-valuetext|placeholder|alt|label|data-label"
_COMMENT = re.compile(r"\{#.*?#\}|\{% comment %\}.*?\{% endcomment %\}|<!--.*?-->|<(script|style)\b.*?</\1>", re.DOTALL)
_MARKED = re.compile(r"\{% blocktranslate\b.*?\{% endblocktranslate %\}|\{% translate .*?%\}", re.DOTALL)
#: Words that a page gives to its element.
_CLASSES = re.compile(r"\{% block bodyclass %\}.*?\{% endblock\b[^%]*%\}", re.DOTALL)
_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")
_WORD = re.compile(r"[^\W\d_]{2}")
#: What is no page: shells, invented people, and the tables as they once were.
NOT_SHOWN = ("notifier/management/", "notifier/demo/", "notifier/migrations/")
WORDS = {"verbose_name", "verbose_name_plural", "help_text", "label", "empty_label"}
OF_A_CLASS = {"verbose_name", "verbose_name_plural", "title", "search_help_text"}


def unmarked_in_template(text: str) -> list[str]:
    """The words of it that no mark is around."""
    bare = _MARKED.sub(" ", ATTRIBUTES.sub(" ", _CLASSES.sub(" ", _COMMENT.sub(" ", text))))
    plurals = re.findall(r"\{\{[^}]*\|pluralize[^}]*\}\}", bare)
    bare = _TAG.sub("\0", bare)
    read_out = re.findall(rf'\s(?:{READ_OUT})="([^"]*)"', bare)
    inputs = " ".join(re.findall(r"<input[^>]*submit[^>]*>", bare))
    buttons = re.findall(r'\bvalue="([^"]*)"', inputs)
    texts = re.split(r"""<(?:"[^"]*"|'[^']*'|[^'">])*>""", bare)
    entities = re.compile(r"&#?\w+;")
    found = [" ".join(entities.sub(" ", one).replace("\0", " ").split()) for one in (*texts, *read_out, *buttons)]
    return [one for one in found if _WORD.search(one)] + plurals


def says(node: ast.expr) -> bool:
    """Whether it is a literal text, or is made of one, with a word and without a mark."""
    if isinstance(node, ast.IfExp):
        return says(node.body) or says(node.orelse)
    if isinstance(node, ast.JoinedStr):
        return any(says(part) for part in node.values)
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_WORD.search(node.value))


def texts_of_call(node: ast.Call) -> Iterator[ast.expr]:
    """What a field, a column, an act or a message is given to say."""
    owner, _, name = ast.unparse(node.func).rpartition(".")
    by_name = {word.arg: word.value for word in node.keywords}
    if owner in ("models", "forms") and name[0].isupper():
        yield from (value for word, value in by_name.items() if word in WORDS)
    if (owner == "models" and name.endswith("Field")) or name == "ValidationError":
        yield from node.args[:1]
    if owner == "admin" and name in ("display", "action"):
        yield from (value for word, value in by_name.items() if word == "description")
    if name == "message_user" or (owner == "messages" and name in ("success", "error", "warning", "info")):
        yield from node.args[1:2]


def texts_of_class(node: ast.ClassDef, *, is_admin: bool) -> Iterator[ast.expr]:
    bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
    for item in node.body:
        if not isinstance(item, ast.Assign) or not isinstance(item.targets[0], ast.Name):
            continue
        if bases & {"TextChoices", "IntegerChoices"} and isinstance(item.value, ast.Tuple):
            yield item.value.elts[-1]
        elif item.targets[0].id in OF_A_CLASS and (is_admin or node.name == "Meta"):
            yield item.value


def unmarked_in_module(text: str, *, is_admin: bool = True) -> list[str]:
    found: list[ast.expr] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            found += texts_of_call(node)
        elif isinstance(node, ast.ClassDef):
            found += texts_of_class(node, is_admin=is_admin)
    return [ast.unparse(one) for one in found if says(one) and not is_marked(one)]


def modules() -> Iterator[tuple[str, str]]:
    for path in sorted((PROJECT / "notifier").rglob("*.py")):
        name = str(path.relative_to(PROJECT))
        if not name.startswith(NOT_SHOWN) and not read_by_clients(name):
            yield name, path.read_text()


def at_import(tree: ast.AST) -> Iterator[ast.Call]:
    """Marks that are worked out when the module is read, in nobody's language; what is lazy is not."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            for default in (*node.args.defaults, *node.args.kw_defaults, *getattr(node, "decorator_list", ())):
                yield from at_import(ast.List(elts=[default], ctx=ast.Load())) if default else ()
            continue
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("gettext", "ngettext"):
            yield node
        yield from at_import(node)


def cut(tree: ast.AST) -> Iterator[ast.Call]:
    """Marks around what a translator can't be given: a text that is made."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and is_marked(node) and not isinstance(node.args[0], ast.Constant):
            yield node


def templates() -> Iterator[Path]:
    for folder in ("admin", "registration"):
        yield from sorted((PROJECT / "templates" / folder).rglob("*.html"))


def test_each_text_of_a_page_is_marked() -> None:
    found = {path.name: left for path in templates() if (left := unmarked_in_template(path.read_text()))}

    assert len(list(templates())) > 100
    assert found == {}


def test_names_help_texts_choices_columns_acts_and_messages_are_marked() -> None:
    found = {}
    for name, text in modules():
        if left := unmarked_in_module(text, is_admin=name.startswith("notifier/admin/")):
            found[name] = left

    assert found == {}


def test_a_mark_is_around_a_whole_text_and_asked_when_it_is_shown() -> None:
    found = {
        name: [ast.unparse(node) for node in wrong]
        for name, text in modules()
        if (tree := ast.parse(text)) and (wrong := [*at_import(tree), *cut(tree)])
    }

    assert found == {}


@pytest.mark.parametrize(
    "module",
    [
        'WORDS = gettext("Words")',
        'class One:\n    words = {"one": [gettext("Words")]}',
        'def one(words=gettext("Words")): ...',
        'def one(): return gettext(f"{number} words")',
        'def one(): return gettext("Words " + more)',
    ],
)
def test_a_mark_that_finds_no_translation_is_found(module: str) -> None:
    tree = ast.parse(module)

    assert [*at_import(tree), *cut(tree)]


@pytest.mark.parametrize("module", ['WORDS = _("Words")', 'def one(): return gettext("Words")'])
def test_a_mark_that_finds_its_translation_is_not(module: str) -> None:
    tree = ast.parse(module)

    assert [*at_import(tree), *cut(tree)] == []


@pytest.mark.parametrize(
    "template",
    [
        "<p>Words</p>",
        "<p>{% if one %}\n  Words\n{% endif %}</p>",
        '<p>{% translate "Marked." %} Words</p>',
        '<a title="Words">{{ one }}</a>',
        '<input type="submit" value="Words">',
        '<a href="{% if a > b %}c{% endif %}">Words</a>',
    ],
)
def test_a_text_without_a_mark_is_found(template: str) -> None:
    assert "Words" in " ".join(unmarked_in_template(template))


def test_a_plural_that_only_english_has_is_found() -> None:
    assert unmarked_in_template("{{ number }} {{ number|pluralize }}") == ["{{ number|pluralize }}"]


@pytest.mark.parametrize(
    "template",
    [
        '<p>{% translate "Words" %}</p>',
        "<p>{% blocktranslate trimmed with a=b %}Words of {{ a }}{% endblocktranslate %}</p>",
        "<a title=\"{% translate 'Words' %}\">{{ one }}</a>",
        '{% capture as link %}href="{% url one %}" download{% endcapture %}',
        '{# Words #}<script>let words</script><p class="words">{{ words }} · 1&nbsp;234</p>',
    ],
)
def test_what_is_marked_or_no_text_is_not_found(template: str) -> None:
    assert unmarked_in_template(template) == []


@pytest.mark.parametrize(
    "module",
    [
        'name = models.CharField("name", max_length=9)',
        'class Meta:\n    verbose_name = "client"',
        'class State(models.TextChoices):\n    SENT = "SENT", "Sent"',
        'typed = forms.CharField(label="Number")',
        '@admin.display(description="status")\ndef status(self, row): ...',
        'messages.success(request, f"{number} sent")',
        'self.message_user(request, "Sent" if sent else "Not sent", level)',
        'raise ValidationError("Enter a name.")',
    ],
)
def test_words_without_a_mark_are_found_in_python(module: str) -> None:
    words = r'(?<=[=(, ])f?("(?!SENT)[^"]+")'

    assert unmarked_in_module(module)
    assert not unmarked_in_module(re.sub(words, r"_(\1)", module))


def test_a_page_reads_the_same_without_its_marks() -> None:
    sentence = "{% blocktranslate trimmed asvar said %}To {{ one }}{% endblocktranslate %}"

    assert without_marks(f'{sentence}<a>{{{{ said }}}}</a> {{% translate "Back" %}}') == "<a>To {{ one }}</a> Back"
