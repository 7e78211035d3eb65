"""Marks words in Python: class-level ones with gettext_lazy as _, those said at run time with gettext."""

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path

import rules

SKIPPED = ("migrations/", "management/", "demo/", "public/", "consent/sms_answers.py", "messages/email.py", "messages/placeholders.py")
LAZY_KEYWORDS = {"verbose_name", "verbose_name_plural", "help_text", "label", "empty_label", "violation_error_message", "label_suffix"}
LAZY_ASSIGNS = {"verbose_name", "verbose_name_plural", "title", "search_help_text", "help_text", "label", "short_description", "site_title", "site_header", "index_title"}
SENTENCE = re.compile(r"^(?=(?:.*?[^\W\d_]{2,}){3})[A-Z“0].*[.?!…]$")
#: What pages are made by.
PAGES = ("admin/", "overview/", "progress/")
#: Arguments that are shown as they are.
SHOWN = {"button", "label", "title", "heading", "note", "hint", "nothing", "help_text", "empty_label", "question", "subtitle"}
#: What writes into histories, files, logs and messages that clients get, or makes markup.
KEEPING = re.compile(r"(^|[._])(log|logger|record|comment|format_html|mark_safe|compile|getattr|setattr|isinstance|replace|startswith|endswith|removesuffix|strip|split|join)|log_|_log|history|save_|raise_", re.I)
LABELLING = re.compile(r"LABEL|HELP|TEXTS|HEAD|NAMES|CALLED|SHOWN|WORDS", re.I)
LETTER = re.compile(r"[^\W\d_]")


def dotted(node):
    return ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""


def says(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(LETTER.search(node.value))


class File:
    def __init__(self, path, name):
        self.path, self.name = path, name
        self.source = path.read_text()
        self.tree = ast.parse(self.source)
        self.lines = self.source.encode().splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))
        self.edits, self.count, self.left = {}, Counter(), []
        self.wants = set()
        self.found = []
        for node in ast.walk(self.tree):
            for child in ast.iter_child_nodes(node):
                child.up = node

    def span(self, node):
        return self.starts[node.lineno - 1] + node.col_offset, self.starts[node.end_lineno - 1] + node.end_col_offset

    def segment(self, node):
        a, b = self.span(node)
        return self.source.encode()[a:b].decode()

    def marked(self, node):
        up = getattr(node, "up", None)
        return isinstance(up, ast.Call) and dotted(up.func).split(".")[-1] in ("_", "gettext", "gettext_lazy", "ngettext", "pgettext", "gettext_noop", "getattr")

    def wrap(self, node, function):
        if self.marked(node):
            return
        a, b = self.span(node)
        self.edits[a] = (b, f"{function}({self.segment(node)})")
        self.wants.add(function)
        self.count[function] += 1

    # --- lazily -------------------------------------------------------------------------------------------------------
    def lazy(self, node):
        if says(node):
            self.wrap(node, "_")
        elif isinstance(node, ast.IfExp):
            self.lazy(node.body); self.lazy(node.orelse)
        elif isinstance(node, ast.Dict):
            for value in node.values:
                self.lazy(value)
        elif isinstance(node, ast.JoinedStr):
            up = node
            while not isinstance(up, (ast.FunctionDef, ast.Module)):
                up = up.up
            if isinstance(up, ast.FunctionDef):
                self.spoken(node)
            else:
                self.spoken(node, lazily=True)

    # --- now ----------------------------------------------------------------------------------------------------------
    def now(self, node):
        """Marks a text that is made when it is needed; False for what stays as it is."""
        if says(node):
            self.wrap(node, "gettext")
        elif isinstance(node, ast.IfExp):
            self.now(node.body); self.now(node.orelse)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format" and says(node.func.value):
            self.wrap(node.func.value, "gettext")
        elif isinstance(node, ast.JoinedStr):
            self.spoken(node)
        elif isinstance(node, ast.Name):
            self.local(node)
        elif isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Mod) and any(says(n) for n in ast.walk(node)):
            self.left.append(("joined with +", self.segment(node)))

    def local(self, name):
        function = name
        while not isinstance(function, (ast.FunctionDef, ast.Module)):
            function = function.up
        if isinstance(function, ast.Module):
            return
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.startswith("log_"):
                if any(isinstance(x, ast.Name) and x.id == name.id for x in node.args):
                    self.left.append(("stored as well", name.id + " of " + function.name))
                    return
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name.id for t in node.targets):
                if not isinstance(node.value, ast.Name):
                    self.now(node.value)

    def spoken(self, node, lazily=False):
        """f"…{a} of {b:,}" → gettext("…%(a)s of %(b)s") % {"a": a, "b": f"{b:,}"}"""
        if self.span(node)[0] in self.edits:
            return
        if (choice := self.choice(node)) and not lazily:
            self.spread(node, choice)
            return
        said, values = self.said(node, node.values)
        if not LETTER.search(re.sub(r"%\(\w+\)s", "", said)):
            return
        a, b = self.span(node)
        if lazily:
            text = re.sub(r"%\((\w+)\)s", r"{\1}", said).replace("%%", "%")
            new = f"format_lazy(_({literal(text)}), " + ", ".join(f"{k}={v}" for k, v in values.items()) + ")"
            self.wants |= {"_", "format_lazy"}
        else:
            new = self.call(said, values)
            # `%` binds closer than what may follow, but not than an attribute.
            if isinstance(node.up, ast.Attribute):
                new = f"({new})"
        self.edits[a] = (b, new)
        self.wants.add("_" if lazily else "gettext")
        self.count["gettext with values"] += 1

    def call(self, said, values):
        if not values:
            return f"gettext({literal(said.replace('%%', '%'))})"
        return f"gettext({literal(said)}) % {{" + ", ".join(f'"{k}": {v}' for k, v in values.items()) + "}"

    def said(self, node, parts):
        values, text = {}, []
        for part in parts:
            if isinstance(part, ast.Constant):
                text.append(part.value.replace("%", "%%"))
                continue
            if not self.helped(part.value) and any(says(n) for n in ast.walk(part.value)):
                self.left.append(("an English word inside a value", self.segment(node)))
            spec = "".join(v.value if isinstance(v, ast.Constant) else f"{{{ast.unparse(v.value)}}}" for v in part.format_spec.values) if part.format_spec else ""
            value = ast.unparse(part.value)
            if part.conversion != -1 or spec:
                conversion = f"!{chr(part.conversion)}" if part.conversion != -1 else ""
                inner = value.replace('"', "'")
                value = f'f"{{{inner}{conversion}{":" + spec if spec else ""}}}"'
            name = next((k for k, v in values.items() if v == value), None)
            if name is None:
                name = self.named(part.value, values)
                values[name] = value
            text.append(f"%({name})s")
        return "".join(text), values

    def choice(self, node):
        """A value that is one word or another: each has its whole sentence."""
        return next((p for p in node.values if isinstance(p, ast.FormattedValue) and isinstance(p.value, ast.IfExp) and not p.format_spec
                     and all(isinstance(v, ast.Constant) for v in (p.value.body, p.value.orelse)) and (says(p.value.body) or says(p.value.orelse))), None)

    def spread(self, node, choice):
        i = node.values.index(choice)
        shown = []
        for word in (choice.value.body, choice.value.orelse):
            parts = [*node.values[:i], word, *node.values[i + 1 :]]
            shown.append(self.call(*self.said(node, parts)))
        a, b = self.span(node)
        self.edits[a] = (b, f"({shown[0]} if {ast.unparse(choice.value.test)} else {shown[1]})")
        self.wants.add("gettext")
        self.count["gettext with values"] += 2

    def helped(self, node):
        """A number in words by the product's own helpers, or a key."""
        if isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] in ("counted", "plural", "rows", "date_format"):
            return all(not (isinstance(a, ast.IfExp)) for a in node.args)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
            return True
        return isinstance(node, ast.Subscript) and not any(says(n) for n in ast.walk(node.value))

    def named(self, node, taken):
        if isinstance(node, ast.Call):
            if dotted(node.func).split(".")[-1] in ("counted", "plural") and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
                name = re.sub(r"\W+", "_", node.args[1].value) + ("s" if " " not in node.args[1].value else "")
            elif isinstance(node.func, ast.Attribute) and node.func.attr in ("lower", "upper", "strip", "title", "format"):
                return self.named(node.func.value, taken)
            elif node.args and not isinstance(node.func, ast.Attribute) and isinstance(node.args[0], (ast.Name, ast.Attribute)):
                name = dotted(node.args[0]).split(".")[-1]
            else:
                name = dotted(node.func).split(".")[-1] or "value"
        elif isinstance(node, (ast.Name, ast.Attribute)):
            name = dotted(node).split(".")[-1]
            if name in ("label", "name", "pk", "verbose_name") and "." in dotted(node):
                name = "_".join(dotted(node).split(".")[-2:])
        else:
            name = next((n.id for n in ast.walk(node) if isinstance(n, ast.Name)), "value")
        name = re.sub(r"^get_|_display$", "", name).strip("_").lower() or "value"
        found, k = name, 2
        while found in taken:
            found, k = f"{name}_{k}", k + 1
        return found

    # --- the rules ----------------------------------------------------------------------------------------------------
    def mark(self):
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef):
                self.of_class(node)
            elif isinstance(node, ast.Call):
                self.of_call(node)
            elif isinstance(node, ast.Attribute):
                self.of_label(node)
            elif isinstance(node, (ast.Return, ast.Assign, ast.Raise)) and rules.SENTENCES and self.name.startswith("admin/"):
                self.of_sentence(node)
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values):
                    if isinstance(key, ast.Constant) and key.value in ("title", "subtitle") and self.name.startswith("admin/"):
                        self.now(value)
            if self.name.startswith(PAGES) and self.name not in rules.PLAIN_FILES:
                self.of_page(node)
        return self.written()

    # --- what else pages say ------------------------------------------------------------------------------------------
    def of_page(self, node):
        if isinstance(node, (ast.Call, ast.List, ast.Tuple, ast.Dict, ast.BoolOp, ast.IfExp, ast.Return, ast.Assign, ast.keyword)):
            up = self.around(node)
            if isinstance(up, ast.FunctionDef):
                for one in self.shown_by(node, up):
                    if self.whole(one) and not self.kept(one, up):
                        before = len(self.edits)
                        # A field of a form is made when its module is read.
                        if up.name == "__init__" and isinstance(up.up, ast.ClassDef) and any(ast.unparse(b).endswith("Field") for b in up.up.bases):
                            self.lazy(one)
                        else:
                            self.now(one)
                        if len(self.edits) > before:
                            self.found.append((up.name, " ".join(self.segment(one).split())))
                return
        if not isinstance(self.around(node), ast.FunctionDef) and self.name.startswith("admin/"):
            before = set(self.edits)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and not self.of_dataclass(node):
                name = node.targets[0].id
                if says(node.value) and SENTENCE.match(node.value.value) and not re.search(r"[<>{}\\]|%\(", node.value.value):
                    self.lazy(node.value)
                elif isinstance(node.value, ast.Dict) and self.name not in rules.PLAIN_DICTS and LABELLING.search(name):
                    self.lazy(node.value)
            elif isinstance(node, ast.keyword) and node.arg in LAZY_KEYWORDS and not isinstance(node.value, ast.JoinedStr):
                self.lazy(node.value)
            elif isinstance(node, ast.keyword) and node.arg == "choices" and isinstance(node.value, (ast.List, ast.Tuple)):
                for pair in node.value.elts:
                    if isinstance(pair, ast.Tuple) and len(pair.elts) == 2:
                        self.lazy(pair.elts[1])
            for a in set(self.edits) - before:
                self.found.append(("<module>", " ".join(self.edits[a][1].split())))

    @staticmethod
    def around(node):
        up = node.up if hasattr(node, "up") else node
        child = node
        while not isinstance(up, (ast.FunctionDef, ast.Module)):
            child, up = up, up.up
        # What a default or a decorator says is said when the module is read.
        if isinstance(up, ast.FunctionDef) and (isinstance(child, ast.arguments) or child in up.decorator_list):
            return File.around(up)
        return up

    def of_dataclass(self, node):
        up = node
        while hasattr(up, "up"):
            up = up.up
            if isinstance(up, ast.ClassDef):
                return any("dataclass" in ast.unparse(d) for d in up.decorator_list)
        return False

    @staticmethod
    def shown_by(node, function):
        if isinstance(node, ast.keyword):
            return [node.value] if node.arg in SHOWN else []
        if isinstance(node, ast.Call):
            last = dotted(node.func).split(".")[-1]
            return [a for a in node.args if last in rules.SHOWING or SENTENCE.match(File.plain(a))]
        if isinstance(node, ast.Tuple) and len(node.elts) == 2:
            fieldset = isinstance(node.elts[1], ast.Dict) and any(isinstance(k, ast.Constant) and k.value == "fields" for k in node.elts[1].keys)
            if fieldset:
                return [node.elts[0]]
            if function.name in ("lookups", "choices", "_options", "_tag_choices") and isinstance(node.elts[0], ast.Constant):
                return [node.elts[1]]
        parts = node.values if isinstance(node, (ast.Dict, ast.BoolOp)) else node.elts if isinstance(node, (ast.List, ast.Tuple)) else \
            [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node.value]
        return [a for a in parts if SENTENCE.match(File.plain(a))]

    def whole(self, node):
        """A text that no part of a sentence is left out of, and none is put into by itself."""
        text = self.plain(node)
        if not text or re.search(r"[<>=/\\{}]|%\(|\n|manage\.py|^[a-z ]", text) or not LETTER.search(re.sub("^0", "", text)):
            return False
        if isinstance(node, ast.JoinedStr):
            values = [v for v in node.values if isinstance(v, ast.FormattedValue)]
            if any(re.fullmatch(r"_?(it|they|them|what|are|is|has|have)(\(.*\))?", ast.unparse(v.value)) for v in values):
                return False
            said = "".join(v.value for v in node.values if isinstance(v, ast.Constant))
            if not re.search(r"[A-Z]", said[:1]) and len(re.findall(r"[^\W\d_]{2,}", said)) < 2 and not said.startswith("Unchanged"):
                return False
            if any(any(says(n) for n in ast.walk(v.value)) and not self.helped(v.value) for v in values) and not self.choice(node):
                return False
            if sum(any(says(n) for n in ast.walk(v.value)) and not self.helped(v.value) for v in values) > 1:
                return False
        return True

    def kept(self, node, function):
        """What is stored, or joined to something else."""
        up = node
        while up is not function:
            child, up = up, up.up
            if isinstance(up, ast.Call) and KEEPING.search(dotted(up.func) or ast.unparse(up.func)):
                return True
            if isinstance(up, (ast.JoinedStr, ast.Compare, ast.Subscript, ast.BinOp, ast.AugAssign)):
                return True
            if isinstance(up, ast.Call) and isinstance(up.func, ast.Attribute) and child is up.func:
                return True
            if isinstance(up, ast.stmt):
                break
        if isinstance(up, ast.Assign) and isinstance(up.targets[0], ast.Name):
            name = up.targets[0].id
            return any(isinstance(n, ast.Call) and KEEPING.search(dotted(n.func) or "") and any(isinstance(x, ast.Name) and x.id == name for x in ast.walk(n))
                       for n in ast.walk(function))
        return False

    def of_class(self, node):
        bases = [dotted(b) or ast.unparse(b) for b in node.bases]
        if any(b.split(".")[-1] in ("TextChoices", "IntegerChoices") for b in bases):
            for item in node.body:
                if isinstance(item, ast.Assign) and isinstance(item.value, ast.Tuple) and len(item.value.elts) == 2 and self.name not in rules.PLAIN_CHOICES:
                    self.lazy(item.value.elts[1])
            return
        data = any("dataclass" in ast.unparse(d) for d in node.decorator_list)
        for item in node.body:
            if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name) and not data:
                target = item.targets[0].id
                if target in LAZY_ASSIGNS and (self.name.startswith("admin/") or node.name == "Meta" or self.name == "admin/site.py"):
                    self.lazy(item.value)
                if target in ("labels", "help_texts", "error_messages") :
                    self.lazy(item.value)
                if target == "fieldsets" and isinstance(item.value, (ast.Tuple, ast.List)):
                    for pair in item.value.elts:
                        if isinstance(pair, ast.Tuple) and pair.elts:
                            self.lazy(pair.elts[0])

    def of_sentence(self, node):
        """A whole sentence that a page of the back office says, wherever it is made."""
        up = node
        while not isinstance(up, (ast.FunctionDef, ast.Module, ast.ClassDef, ast.Lambda)):
            up = up.up
        if not isinstance(up, ast.FunctionDef):
            return
        value = node.exc if isinstance(node, ast.Raise) else node.value
        if isinstance(node, ast.Raise):
            value = value.args[0] if isinstance(value, ast.Call) and value.args else None
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            if not isinstance(target, ast.Name):
                return
            if any(isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr.startswith("log_")
                   and any(isinstance(x, ast.Name) and x.id == target.id for x in n.args) for n in ast.walk(up)):
                return
        for one in (value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,):
            text = self.plain(one)
            if text and SENTENCE.match(text) and not re.search(r"[<>=/\\]|%\(|\n", text):
                self.now(one)

    @staticmethod
    def plain(node):
        if isinstance(node, ast.JoinedStr):
            return "".join(v.value if isinstance(v, ast.Constant) else "0" for v in node.values)
        return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""

    def of_label(self, node):
        """State(value).label goes into files, which take no lazy text."""
        made = node.value
        if node.attr == "label" and isinstance(made, ast.Call) and dotted(made.func).split(".")[-1] in ("State", "Source", "Action", "Kind", "Outcome", "Reason", "Status"):
            up = node.up
            if isinstance(up, (ast.Attribute, ast.FormattedValue)) or isinstance(up, ast.Call) and dotted(up.func) == "str":
                return
            a, b = self.span(node)
            self.edits[a] = (b, f"str({self.segment(node)})")
            self.count["str"] += 1

    def of_call(self, node):
        name = dotted(node.func)
        last = name.split(".")[-1]
        owner = name.split(".")[0] if "." in name else ""
        field = owner in ("models", "forms") and last[:1].isupper()
        if last in ("display", "action") and (owner == "admin" or "." not in name):
            for k in node.keywords:
                if k.arg == "description":
                    self.lazy(k.value)
        if field:
            for k in node.keywords:
                if k.arg in LAZY_KEYWORDS or k.arg == "error_messages":
                    self.lazy(k.value)
            if owner == "models" and last.endswith("Field") and node.args and says(node.args[0]):
                self.lazy(node.args[0])
            if last == "ValidationError":
                self.said_in(node)
        elif last in rules.FIELDS:
            for k in node.keywords:
                if k.arg in LAZY_KEYWORDS:
                    self.lazy(k.value)
            if last[-5:] == "Field" and self.name.startswith("models/") and node.args and says(node.args[0]):
                self.lazy(node.args[0])
        elif last == "ValidationError":
            self.said_in(node)
        elif last == "message_user" and len(node.args) > 1:
            self.now(node.args[1])
        elif owner == "messages" and last in ("success", "error", "warning", "info", "add_message"):
            at = 2 if last == "add_message" else 1
            if len(node.args) > at:
                self.now(node.args[at])
        elif last == "report" and name.endswith(".report") and len(node.args) == 3:
            self.now(node.args[2])

    def said_in(self, node):
        for k in node.args[:1]:
            if isinstance(k, ast.Dict):
                for v in k.values:
                    self.now(v)
            else:
                self.now(k)

    # --- writing ------------------------------------------------------------------------------------------------------
    def written(self):
        if not self.edits:
            return False
        data, out, at = self.source.encode(), [], 0
        for a in sorted(self.edits):
            b, new = self.edits[a]
            if a < at:
                continue
            out += [data[at:a], new.encode()]
            at = b
        text = b"".join([*out, data[at:]]).decode()
        names = {"_": "gettext_lazy as _", "gettext": "gettext"}
        if "format_lazy" in self.wants and "import format_lazy" not in text:
            first = next(n for n in ast.parse(text).body if isinstance(n, (ast.Import, ast.ImportFrom)))
            lines = text.splitlines(keepends=True)
            lines.insert(first.lineno - 1, "from django.utils.text import format_lazy\n")
            text = "".join(lines)
        self.wants.discard("format_lazy")
        missing = [names[w] for w in sorted(self.wants) if not re.search(rf"^from django\.utils\.translation import .*\b{re.escape(names[w])}(,|$)", text, re.M)]
        if missing:
            tree = ast.parse(text)
            first = next(n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom)))
            lines = text.splitlines(keepends=True)
            lines.insert(first.lineno - 1, f"from django.utils.translation import {', '.join(missing)}\n")
            text = "".join(lines)
        ast.parse(text)
        self.path.write_text(text)
        return True


def literal(text, width=96):
    """In pieces that fit a line."""
    words, pieces = re.split(r"(?<= )", text), [""]
    for word in words:
        if len(pieces[-1]) + len(word) > width and pieces[-1]:
            pieces.append("")
        pieces[-1] += word
    return " ".join('"' + p.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"' for p in pieces)


def fit(root):
    """Splits the texts that stick out once they are wrapped."""
    for _ in range(3):
        found = subprocess.run([".venv/bin/ruff", "check", "--select", "E501", "--output-format", "concise", "notifier"], cwd=root, capture_output=True, text=True).stdout
        places = re.findall(r"^(\S+?):(\d+):\d+: E501", found, re.M)
        if not places:
            return
        for name, number in sorted(places, key=lambda p: -int(p[1])):
            path = root / name
            lines = path.read_text().splitlines(keepends=True)
            line = lines[int(number) - 1]
            m = re.match(r'^(\s*)((?:.*?[(=\[ ])??)"((?:[^"\\]|\\.)*)"(.*)$', line)
            if not m:
                continue
            text = m[3]
            cut = text.rfind(" ", 0, max(10, 100 - len(m[1]) - len(m[2]))) + 1
            if cut > 0:
                lines[int(number) - 1] = f'{m[1]}{m[2]}"{text[:cut]}" "{text[cut:]}"{m[4]}\n'
                path.write_text("".join(lines))
        subprocess.run([".venv/bin/ruff", "format", "--quiet", "notifier"], cwd=root)


def main(root):
    total, left, found = Counter(), [], []
    for path in sorted((root / "notifier").rglob("*.py")):
        name = str(path.relative_to(root / "notifier"))
        if name.startswith(SKIPPED[:4]) or name in SKIPPED:
            continue
        text = path.read_text()
        for old, new in rules.PYTHON.get(name, ()):
            if old in text and new not in text:
                text = text.replace(old, new)
                path.write_text(text)
        file = File(path, name)
        file.mark()
        total += file.count
        left += [(name, why, text) for why, text in file.left]
        found += [(name, *one) for one in file.found]
    print("python:", dict(total))
    for name, why, text in left:
        print("LEFT", name, "|", why, "|", " ".join(text.split())[:200])
    for one in found:
        print("SHOWN", " | ".join(one)[:260])
    run = lambda *a: subprocess.run([*a], cwd=root)
    run(".venv/bin/ruff", "check", "--select", "I", "--fix", "--quiet", "notifier")
    run(".venv/bin/ruff", "format", "--quiet", "notifier")
    fit(root)
