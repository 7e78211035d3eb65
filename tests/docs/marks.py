"""How texts of the back office are marked for translation, and how they read without the marks."""

import ast
import re

#: What says in Python that a text is to be translated.
MARKS = {"_", "gettext", "gettext_lazy", "ngettext", "gettext_noop"}
_TRANSLATE = re.compile(r"""\{% translate (?:"([^"]*)"|'([^']*)')[^%]*%\}""")
_SENTENCE = re.compile(r"\{% blocktranslate\b.*?%\}|\{% endblocktranslate %\}")
_FIRST = re.compile(r"(\{% blocktranslate [^%]*?\basvar (\w+) %\}(.*?)\{% endblocktranslate %\})", re.DOTALL)


#: The attributes of an element inside a sentence, which has a name for them.
ATTRIBUTES = re.compile(r"\{% capture as \w+ %\}\s*[\w-]+=.*?\{% endcapture %\}", re.DOTALL)


def without_marks(template: str) -> str:
    """As a template would be if nothing were marked: a sentence that is worked out first stands where it is shown."""
    for whole, name, sentence in _FIRST.findall(template):
        before, _, after = template.partition(whole)
        template = before + after.replace(f"{{{{ {name} }}}}", sentence, 1)
    template = ATTRIBUTES.sub("", template)
    template = _TRANSLATE.sub(lambda found: found[1] or found[2] or "", template)
    return _SENTENCE.sub("", template)


def text_of(node: ast.expr) -> str | None:
    """A literal text, marked or not; None for anything else."""
    if is_marked(node) and isinstance(node, ast.Call) and node.args:
        node = node.args[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def is_marked(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS
