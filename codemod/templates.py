"""Marks the texts of Django templates for translation; what is marked already stays as it is."""

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

DJ = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}")
OPAQUE = re.compile(
    r"\{%\s*(comment|blocktranslate|blocktrans|verbatim)\b.*?%\}.*?\{%\s*end\1\s*%\}|<(script|style)\b.*?</\2>|<!--.*?-->|<![^>]*>", re.S | re.I)
INLINE = set("a strong em b i code span small kbd abbr time br sub sup mark var q cite ins del".split())
HUMAN_ATTRS = {"title", "aria-label", "placeholder", "alt", "aria-description", "aria-roledescription", "aria-valuetext", "label", "data-label"}
SEPARATORS = re.compile(r"(\s*[›·✓✗→←×|]\s*)")
BLOCKS = {"if", "for", "with", "block", "ifchanged", "autoescape", "filter", "spaceless", "capture"}
BRANCHES = {"else", "elif", "empty"}
INLINE_TAGS = {"url", "static", "now", "firstof", "time_zone", "problem_badge", "cycle", "templatetag"}
ENTITY = re.compile(r"&#?\w+;")
LETTER = re.compile(r"[^\W\d_]")
CONSTANT_FILTERS = re.compile(r"""(\|(?:default|default_if_none|yesno):)("[^"]*"|'[^']*')""")
INCLUDED_WORDS = re.compile(r"""(\b(?:title|what|none|here|heading|label|caption|words|empty|nothing|legend)=)("[^"]*"|'[^']*')""")
PLURAL = re.compile(r"""^(.*?)\|pluralize(?::("[^"]*"|'[^']*'))?$""", re.S)
HOISTED = re.compile(
    r"^((?:(?:\{% capture as \w+ %\}(?:(?!\{% endcapture).)*\{% endcapture %\}|\{% blocktranslate (?:(?!%\}).)*? asvar \w+ %\}(?:(?!\{% endblock).)*\{% endblocktranslate %\})\s*)*)(.*)$", re.S)
ONE_SENTENCE = re.compile(r"^\{% blocktranslate ((?:(?!%\}| asvar ).)*?) %\}((?:(?!\{% endblock).)*)\{% endblocktranslate %\}$", re.S)
FORMATS = set("thousands duration percent date time default default_if_none lower upper known length join rate address shown units capfirst escape linebreaksbr yesno add stringformat time_of_day pluralize first last".split())
ENDS = re.compile(r"[.?!:…]$")


@dataclass
class Node:
    kind: str  # text var html dj block opaque comment marked
    src: str
    name: str = ""
    closes: bool = False
    branches: list = field(default_factory=list)  # [(tag source, nodes)]
    end: str = ""


def lex(src):
    out, i, text = [], 0, 0

    def flush(to):
        if to > text:
            out.append(Node("text", src[text:to]))

    while i < len(src):
        if (m := OPAQUE.match(src, i)):
            flush(i)
            kind = "marked" if (m[1] or "").startswith("blocktrans") else "opaque"
            out.append(Node(kind, m[0])); i = text = m.end(); continue
        if (m := DJ.match(src, i)):
            flush(i)
            t = m[0]
            if t.startswith("{{"):
                kind, name = ("marked" if re.match(r"\{\{\s*_\(", t) else "var"), ""
            elif t.startswith("{#"):
                kind, name = "comment", ""
            else:
                name = t[2:-2].split()[0]
                kind = "marked" if name in ("translate", "trans") else "dj"
            out.append(Node(kind, t, name)); i = text = m.end(); continue
        if src[i] == "<" and (m := re.compile(r"</?([a-zA-Z][\w-]*)").match(src, i)):
            flush(i)
            j, quote = m.end(), ""
            while j < len(src):
                if (d := DJ.match(src, j)):
                    j = d.end(); continue
                c = src[j]
                if quote:
                    quote = "" if c == quote else quote
                elif c in "\"'":
                    quote = c
                elif c == ">":
                    break
                j += 1
            j += 1
            out.append(Node("html", src[i:j], m[1].lower(), src[i + 1] == "/")); i = text = j; continue
        i += 1
    flush(len(src))
    return out


def tree(tokens):
    pos = 0

    def seq(stop):
        nonlocal pos
        nodes = []
        while pos < len(tokens):
            t = tokens[pos]
            if t.kind == "dj" and t.name in stop:
                return nodes
            pos += 1
            if t.kind == "dj" and t.name in BLOCKS:
                block = Node("block", t.src, t.name)
                head = t.src
                while True:
                    inner = seq({f"end{t.name}"} | BRANCHES)
                    block.branches.append((head, inner))
                    last = tokens[pos]; pos += 1
                    if last.name == f"end{t.name}":
                        block.end = last.src
                        break
                    head = last.src
                nodes.append(block)
            elif t.kind == "text":
                nodes.extend(Node("sep" if k % 2 else "text", part) for k, part in enumerate(SEPARATORS.split(t.src)) if part)
            else:
                nodes.append(t)
        return nodes

    return seq(set())


def source(nodes):
    return "".join(n.src if n.kind != "block" else "".join(h + source(b) for h, b in n.branches) + n.end for n in nodes)


def letters(text):
    return bool(LETTER.search(ENTITY.sub("", text)))


def worded(nodes):
    for n in nodes:
        if n.kind == "text" and letters(n.src):
            return True
        if n.kind == "var" and "|pluralize" in n.src:
            return True
        if n.kind == "block" and any(worded(b) for _, b in n.branches):
            return True
    return False


def squeeze(text):
    return re.sub(r"[ \t\r\n]+", " ", text)


class Marker:
    def __init__(self, root, path, taken):
        self.root, self.path, self.taken = root, path, taken
        self.count, self.left = Counter(), []
        self.uses_capture = False
        #: Between the branches of a condition, where white space shows nothing.
        self.nl = ""

    # --- what is inline -----------------------------------------------------------------------------------------------
    def inline(self, n):
        if n.kind in ("text", "var"):
            return True
        if n.kind == "html":
            return n.name in INLINE and not re.search(r'class="[^"]*\b(?:visually-hidden|badge|separate)\b', n.src)
        if n.kind == "dj":
            return n.name in INLINE_TAGS and " as " not in n.src or (n.name == "include" and self.small(n.src))
        if n.kind == "block":
            if n.name == "if":
                return all(self.inline(c) for _, b in n.branches for c in b)
            if n.name == "for":
                return not worded([n]) and all(self.inline(c) for _, b in n.branches for c in b)
        return False

    def small(self, tag):
        """A piece of a sentence: an included template of values alone."""
        m = re.search(r'include "([^"]+)"', tag)
        file = self.root / "templates" / m[1] if m else None
        if not file or not file.exists():
            return False
        nodes = tree(lex(file.read_text()))
        return all(n.kind == "comment" or n.kind == "text" or self.inline(n) for n in nodes) and not worded(nodes)

    # --- a sequence ---------------------------------------------------------------------------------------------------
    def emit(self, nodes, attr=False):
        parts = self.parts(nodes)
        out, run = [], []
        for n, part in zip(nodes, parts):
            if part:
                run.append(n)
                continue
            out.append(self.run(run, attr)); run = []
            out.append(self.boundary(n, attr))
        out.append(self.run(run, attr))
        return "".join(out)

    def parts(self, nodes):
        """Which nodes may be parts of sentences: an element that holds something else is none."""
        parts, stack = [self.inline(n) for n in nodes], []
        for i, n in enumerate(nodes):
            if n.kind != "html" or n.name not in INLINE or n.name == "br":
                if not parts[i]:
                    for j in stack:
                        parts[j] = False
                continue
            if not n.closes:
                if not parts[i]:
                    for j in stack:
                        parts[j] = False
                stack.append(i)
            elif stack and nodes[stack[-1]].name == n.name:
                parts[i] = parts[stack.pop()]
            else:
                parts[i] = False
                for j in stack:
                    parts[j] = False
        for j in stack:
            parts[j] = False
        return parts

    def boundary(self, n, attr):
        if n.kind == "block":
            if n.name == "capture" or re.match(r"\{%\s*block\s+(bodyclass|branding_class)\b", n.src):
                return source([n])
            return "".join(self.tag(h) + self.emit(b, attr) for h, b in n.branches) + n.end
        if n.kind == "html":
            return self.html(n)
        if n.kind == "dj":
            return self.tag(n.src)
        return n.src

    def plain(self, nodes, attr):
        """Without words of its own, but with those in attributes and after filters."""
        out = []
        for n in nodes:
            if n.kind == "block":
                out.append("".join(self.tag(h) + self.plain(b, attr) for h, b in n.branches) + n.end)
            elif n.kind == "html":
                out.append(self.html(n))
            elif n.kind in ("var", "dj"):
                out.append(self.tag(n.src))
            else:
                out.append(n.src)
        return "".join(out)

    def tag(self, src):
        src = CONSTANT_FILTERS.sub(lambda m: m[1] + self.constant(m[2]), src)
        if re.match(r"\{%\s*(include|with|firstof)\b", src):
            src = INCLUDED_WORDS.sub(lambda m: m[1] + self.constant(m[2]), src)
        return src

    def constant(self, quoted):
        if not letters(quoted) or re.search(r"[#/]|^.[a-z_]+_[a-z_]+.$", quoted):
            return quoted
        self.count["constant"] += 1
        return f"_({quoted})"

    def html(self, n):
        def attribute(m):
            name, value = m[1].lower(), m[2]
            button = name == "value" and n.name == "input" and re.search(r'type="(submit|button|reset)"', n.src)
            if name not in HUMAN_ATTRS and not button:
                return m[0]
            return f'{m[1]}="{self.emit(tree(lex_attr(value)), attr=True)}"'

        if n.closes:
            return n.src
        return re.sub(r'([\w-]+)="((?:\{%.*?%\}|\{\{.*?\}\}|[^"])*)"', attribute, n.src, flags=re.S)

    # --- a run of words -----------------------------------------------------------------------------------------------
    def run(self, run, attr=False):
        if not worded(run):
            return self.plain(run, attr)
        lead = trail = ""
        run = list(run)
        if run[0].kind == "text":
            lead = re.match(r"\s*", run[0].src)[0]
            run[0] = Node("text", run[0].src[len(lead):])
        if run[-1].kind == "text":
            trail = re.search(r"\s*$", run[-1].src)[0]
            run[-1] = Node("text", run[-1].src[: len(run[-1].src) - len(trail)])
        # A colon or a comma in front goes with what stands before.
        if run[0].kind == "text" and (m := re.match(r"[:,;]\s+", run[0].src)):
            lead += m[0]
            run[0] = Node("text", run[0].src[len(m[0]):])
        run = [n for n in run if n.kind != "text" or n.src]
        outer, self.nl = self.nl, self.nl or (lead if "\n" in lead and not attr else "")
        text = self.stripped(run, attr)
        gap, self.nl = self.nl, outer
        if gap and HOISTED.match(text)[1]:
            # On lines of their own where white space stands anyway.
            before, after = HOISTED.match(text).groups()
            text = re.sub(r"(\{% end(?:capture|blocktranslate) %\})\s*", lambda m: m[1] + gap, before) + after
        return lead + text + trail

    def stripped(self, run, attr):
        if not worded(run):
            return self.plain(run, attr)
        if len(run) > 1 and self.stands_apart(run[0]):
            return self.plain(run[:1], attr) + self.run(run[1:], attr)
        if len(run) > 1 and self.stands_apart(run[-1]):
            return self.run(run[:-1], attr) + self.plain(run[-1:], attr)
        first, last = run[0], run[-1]
        if first.kind == "html" and not first.closes and self.match(run) == len(run) - 1 and last.kind == "html":
            # Nothing but the sentence stands inside: white space there would be part of a link.
            outer, self.nl = self.nl, ""
            before, inner = HOISTED.match(self.run(run[1:-1], attr)).groups()
            self.nl = outer
            return before + self.html(first) + inner + last.src
        if len(run) == 1 and first.kind == "block":
            nl = self.nl
            return "".join(self.tag(h) + nl + self.run(b, attr) + nl for h, b in first.branches) + first.end
        if self.apart(run):
            return "".join(self.run(g, attr) for g in self.groups(run))
        if (cut := self.sentences(run)) is not None:
            a, b = cut
            return "".join(self.run(part, attr) for part in (run[:a], run[a:b], run[b:]) if part)
        for i, n in enumerate(run):
            if n.kind == "block" and n.name == "if" and (worded([n]) or self.spaced(run, i)):
                return self.spread(run, i, attr)
        if any(n.kind == "block" and worded([n]) for n in run):
            self.left.append(source(run))
            return source(run)
        return self.flat(run, attr)

    @staticmethod
    def spaced(run, i):
        """White space at an edge, which a capture takes off, is needed where there is none beside it."""
        before, after = source(run[:i]), source(run[i + 1 :])
        shown = [source(b) for _, b in run[i].branches if source(b).strip()]
        return bool(before and not before[-1].isspace() and any(b[0].isspace() for b in shown)
                    or after and not after[0].isspace() and any(b[-1].isspace() for b in shown))

    def stands_apart(self, n):
        """A badge or a field beside a sentence."""
        return n.kind == "var" and bool(re.search(r"_badge\b|\bbadge \}\}|^\{\{ form\.\w+ \}\}$|^\{\{ block\.super", n.src)) or (
            n.kind == "dj" and n.name == "problem_badge")

    def match(self, run):
        """Where the element that begins the run ends."""
        depth = 0
        for i, n in enumerate(run):
            if n.kind == "html" and n.name == run[0].name:
                depth += -1 if n.closes else 1
                if not depth:
                    return i
        return -1

    def groups(self, run):
        out, i = [], 0
        while i < len(run):
            n = run[i]
            if n.kind == "html" and not n.closes and n.name != "br":
                j = i + self.match(run[i:])
                j = j if j >= i else i
                out.append(run[i : j + 1]); i = j + 1
            else:
                out.append([n]); i += 1
        return out

    def apart(self, run):
        """Several elements side by side with no word between them."""
        groups = self.groups(run)
        if len(groups) < 2:
            return False
        between = [g[0] for g in groups if len(g) == 1]
        if any(n.kind == "text" and (letters(n.src) or n.src.strip()) or n.kind == "var" for n in between):
            return False
        # What goes on in small letters is no sentence of its own.
        if any(n.kind == "block" and any(re.match(r"\s*[a-z]", source(b)) for _, b in n.branches) for g in groups[1:] for n in g[:1]) and any(
            n.kind == "html" and n.name == "a" for g in groups for n in g[:1]
        ):
            return False
        return not any(n.kind == "html" and n.closes for n in between)

    def sentences(self, run):
        """Around a condition that holds whole sentences."""
        for i, n in enumerate(run):
            if n.kind != "block" or n.name != "if" or not worded([n]):
                continue
            before, after = source(run[:i]).rstrip(), run[i + 1 :]
            depth = sum((-1 if k.closes else 1) for k in run[:i] if k.kind == "html" and k.name != "br")
            if depth:
                continue
            begins = not before or ENDS.search(re.sub(r"</\w+>$", "", before))
            follows = source(after).lstrip()
            capital = not follows or follows[0].isupper() or re.match(r"<\w[^>]*>\s*[A-ZÀ-Ý]", follows)
            whole = not follows or all(ENDS.search(re.sub(r"(</\w+>|\{%\s*endif\s*%\})+$", "", source(b).rstrip())) for _, b in n.branches if source(b).strip())
            if begins and capital and whole and (before or follows):
                return i, i + 1
        return None

    def spread(self, run, i, attr):
        n = run[i]
        before, after = run[:i], run[i + 1 :]
        heads = [h for h, _ in n.branches]

        def same(nodes, k):
            """With the branch of the same condition, where it is asked again."""
            out = []
            for x in nodes:
                alike = x.kind == "block" and x.name == "if" and [h for h, _ in x.branches] == heads
                out += (x.branches[k][1] if k is not None else []) if alike else [x]
            return out

        cases = [(h, same(before, k) + b + same(after, k)) for k, (h, b) in enumerate(n.branches)]
        if not any(re.match(r"\{%\s*else", h) for h, _ in n.branches):
            cases.append(("{% else %}", same(before, None) + same(after, None)))
        self.count["spread"] += 1
        nl = self.nl
        return "".join(self.tag(h) + nl + self.run(join(case), attr) + nl for h, case in cases) + n.end

    def flat(self, run, attr):
        q = "'" if attr else '"'
        if len(run) == 1 and run[0].kind == "text":
            text = squeeze(run[0].src)
            q = q if q not in text else ('"' if q == "'" else "'")
            if q not in text and "\\" not in text:
                self.count["translate"] += 1
                return f"{{% translate {q}{text}{q} %}}"
        bound, captures, used, parts, base, phrases = {}, [], set(), [], None, []
        for n in run:
            if n.kind == "var" and re.fullmatch(r"\{\{\s*\w+\s*\}\}", n.src):
                used.add(n.src[2:-2].strip())
        # A count is worked out after the names are bound: none may hide what it, or another, begins with.
        used |= {m for n in run if n.kind == "var" for m in re.findall(r"^\{\{\s*(\w+)", n.src)}
        self.idents = used
        for i, n in enumerate(run):
            if n.kind == "text":
                parts.append(squeeze(n.src))
            elif n.kind == "var":
                expr = n.src[2:-2].strip()
                if (m := PLURAL.match(expr)):
                    one, many = forms(m[2])
                    # English only looks at whether there is one: of a list, too.
                    if f"{m[1]}|join" in source(run):
                        m = re.match("(.*)", f"{m[1]}|length")
                    if base in (None, m[1]):
                        base = m[1]; parts.append((one, many)); continue
                    if self.phrase(n, m[1], one, many, parts, bound, used, phrases):
                        continue
                    self.count["second plural"] += 1
                    self.left.append("(second plural) " + source(run))
                if re.fullmatch(r"[A-Za-z]\w*", expr):
                    parts.append(f"{{{{ {expr} }}}}"); continue
                expr = self.tag(expr)
                if expr not in bound:
                    bound[expr] = self.named(expr, used | set(bound.values()))
                parts.append(f"{{{{ {bound[expr]} }}}}")
            elif n.kind == "html" and not DJ.search(n.src) and not self.speaks(n):
                parts.append(squeeze(n.src))
            else:
                if n.kind == "html":
                    inner = self.html(n)
                    m = re.match(r"<[\w-]+\s*(.*?)\s*>$", inner, re.S)
                    body, name = m[1], "link" if n.name == "a" else "attributes"
                    shape = f"<{n.name} {{{{ %s }}}}>"
                else:
                    body = self.plain([n], attr)
                    name, shape = ("total_words" if "total" in body else "zone" if "time_zone" in body else "piece") if n.kind == "dj" else "piece", "{{ %s }}"
                found = next((k for k, b in captures if b == body), None)
                if not found:
                    found = self.unique(name, used | set(bound.values()) | {k for k, _ in captures} | self.taken)
                    captures.append((found, body))
                parts.append(shape % found)
        self.uses_capture |= bool(captures)
        with_ = " ".join(f"{v}={k}" for k, v in bound.items())
        # On a line of its own the formatter breaks it up, which `trimmed` undoes; elsewhere it leaves alone what is not.
        head = "trimmed" if self.nl else ""
        if base is not None:
            counter = base if re.fullmatch(r"[A-Za-z]\w*", base) else self.unique("counter", used | set(bound.values()))
            head += f" count {counter}={base}"
        if with_:
            head += f" with {with_}"
        text = ["".join(p if isinstance(p, str) else p[k] for p in parts).strip() for k in (0, 1)]
        body = text[0] if base is None else f"{text[0]}{{% plural %}}{text[1]}"
        self.count["plural" if base is not None else "sentence"] += 1
        return ("".join(phrases) + "".join(f"{{% capture as {k} %}}{squeeze(b)}{{% endcapture %}}" for k, b in captures)
                + f"{{% {' '.join(['blocktranslate', *head.split()])} %}}{body}{{% endblocktranslate %}}")

    def phrase(self, n, base, one, many, parts, bound, used, phrases):
        """A second count of a sentence, such as “140 characters”, is worked out first, and is a value in it."""
        if len(parts) < 2 or not isinstance(parts[-1], str) or not isinstance(parts[-2], str):
            return False
        word = re.search(r"^( \w+)$", parts[-1])
        value = re.fullmatch(r"\{\{ (\w+) \}\}", parts[-2])
        expr = next((e for e, v in bound.items() if value and v == value[1]), value and value[1])
        if not word or not expr or expr.split("|")[0] != base.split("|")[0]:
            return False
        name = self.unique(f"{word[1].strip()}{many or 's'}", used | set(bound.values()) | self.taken)
        used.add(name)
        bound.pop(expr, None)
        phrases.append("{% blocktranslate count counter=" + base + " with shown=" + expr + " asvar " + name + " %}{{ shown }}"
                       + word[1] + one + "{% plural %}{{ shown }}" + word[1] + many + "{% endblocktranslate %}")
        self.count["plural"] += 1
        parts[-2:] = [f"{{{{ {name} }}}}"]
        return True

    def speaks(self, n):
        return any(re.search(rf'\b{a}="[^"]*[A-Za-z]', n.src) for a in HUMAN_ATTRS)

    def named(self, expr, used):
        path = expr.split("|")[0]
        words = [w for w in re.findall(r"[A-Za-z_]\w*", path.split(".")[-1] if "." in path else path)] or ["value"]
        name = re.sub(r"^get_|_display$", "", words[0])
        if name in ("pk", "label", "name", "number", "value", "counter", "id", "text") and "." in path:
            owner = path.split(".")[-2]
            name = f"{owner}_{name}" if not owner.isdigit() else name
        if name == path and "|" in expr:
            filters = [f.split(":")[0] for f in re.sub(r"""("[^"]*"|'[^']*')""", "", expr).split("|")[1:]]
            says = next((f for f in filters if f not in FORMATS and not f.startswith("moment")), "")
            name = "badge" if "_badge" in expr else says or f"{name}_shown"
        return self.unique(name, used | {"count", "plural", "context", "with", "as"} | ({path} if "." not in path else set()))

    def unique(self, name, used):
        found, k = name, 2
        while found in used:
            found, k = f"{name}_{k}", k + 1
        return found


def lex_attr(value):
    out, at = [], 0
    for m in DJ.finditer(value):
        if m.start() > at:
            out.append(Node("text", value[at:m.start()]))
        t = m[0]
        name = t[2:-2].split()[0] if t.startswith("{%") else ""
        kind = "comment" if t.startswith("{#") else "var" if t.startswith("{{") else ("marked" if name in ("translate", "blocktranslate", "endblocktranslate", "trans") else "dj")
        out.append(Node(kind, t, name)); at = m.end()
    if at < len(value):
        out.append(Node("text", value[at:]))
    if any(n.name == "blocktranslate" for n in out):
        return [Node("marked", value)]
    return out


def forms(arg):
    if not arg:
        return "", "s"
    words = arg[1:-1].split(",")
    return ("", words[0]) if len(words) == 1 else (words[0], words[1])


def join(nodes):
    out = []
    for n in nodes:
        if n.kind == "text" and out and out[-1].kind == "text":
            out[-1] = Node("text", out[-1].src + n.src)
        else:
            out.append(n)
    return out


def loaded(src, libraries):
    """With these libraries in its load tag."""
    have = {w for m in re.finditer(r"\{% load ([^%]*) %\}", src) for w in m[1].split()}
    missing = [x for x in libraries if x not in have]
    if not missing:
        return src
    if (m := re.search(r"\{% load ([^%]*) %\}", src)) and " from " not in m[1]:
        return src[: m.start()] + "{% load " + " ".join([*m[1].split(), *missing]) + " %}" + src[m.end():]
    line = "{% load " + " ".join(missing) + " %}"
    if (m := re.match(r"(\s*(\{#.*?#\}\s*)*\{% extends [^%]*%\})", src)):
        return src[: m.end()] + "\n" + line + src[m.end():]
    if (m := re.match(r"(\{#.*?#\}\n)+", src)):
        return src[: m.end()] + line + "\n" + src[m.end():]
    return line + "\n" + src
