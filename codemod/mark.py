"""python mark.py TREE: marks the back office's texts for translation. Running it twice changes nothing."""
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import rules
import templates as T


def mark_templates(root):
    files = sorted(f for d in ("admin", "registration") for f in (root / "templates" / d).rglob("*.html"))
    texts = {f: f.read_text() for f in files}

    def names(t, seen):
        """Those that a template, and what it includes, may read: a capture must hide none of them."""
        own = set(re.findall(r"\{% capture as (\w+) %\}", t))
        found = set(re.findall(r"[A-Za-z_]\w*", " ".join(re.sub(r"""["'][^"']*["']""", "", d) for d in T.DJ.findall(t)))) - own
        for name in re.findall(r'include "([^"]+)"', t):
            file = root / "templates" / name
            if name not in seen and file.exists():
                seen.add(name)
                found |= names(file.read_text(), seen)
        return found

    total, left = Counter(), []
    for f, src in texts.items():
        name = str(f.relative_to(root))
        for old, new in rules.BEFORE.get(name, ()):
            if old in src:
                src = src.replace(old, new)
        m = T.Marker(root, f, names(src, set()))
        try:
            new = m.emit(T.tree(T.lex(src)))
        except Exception as error:
            left.append((name, f"NOT READ, left as it is: {error!r}"))
            continue
        for old, to in rules.AFTER.get(name, ()):
            new = new.replace(old, to)
        wants = []
        if re.search(r"\{%\s*(translate|blocktranslate|capture)\b", new):
            # After Django's own, whose tags it makes cheap.
            wants.append("marks")
        new = T.loaded(new, wants) if wants else new
        if new != texts[f]:
            f.write_text(new)
        total += m.count
        left += [(name, x) for x in m.left]
    return total, left


def mend_types(root):
    """A choice's label is lazy now: where a `str` is wanted it is made one, as the type checker says."""
    env = os.environ | {"ENV_FILE": os.devnull, "DEBUG": "on", "SECRET_KEY": "for-the-checks-only"}
    for _ in range(3):
        said = subprocess.run([".venv/bin/mypy"], cwd=root, env=env, capture_output=True, text=True).stdout
        places = {(m[1] or m[3], int(m[2] or m[4])) for m in re.finditer(r"^(\S+?):(\d+): error: .*_StrPromise(?!.*\[assignment\])|^(\S+?):(\d+): error: Incompatible types in assignment \(expression has type \"_StrPromise\", variable", said, re.M)}
        if not places:
            print("mypy:", said.strip().splitlines()[-1:])
            return
        for name, number in places:
            lines = (root / name).read_text().splitlines(keepends=True)
            old = lines[number - 1]
            lines[number - 1] = re.sub(r"(?<![\w.])(?<!str\()((?:\w+\.)+label)\b(?!\(|\.lower|\.upper)", r"str(\1)", old)
            if lines[number - 1] == old and old.startswith(" "):
                lazy = re.findall(r"^(_?[A-Z][A-Z_]+)(?:: [^=\n]+)? = (?:_\(|\{[^}]*: _\()", "".join(lines), re.M)
                if lazy:
                    lines[number - 1] = re.sub(rf"(?<![\w.])(?<!str\()((?:{'|'.join(lazy)})(?:\[[^\]]*\])?)(?![\w.(=])", r"str(\1)", old)
            print("str:", f"{name}:{number}", lines[number - 1].strip()[:120])
            (root / name).write_text("".join(lines))
        subprocess.run([".venv/bin/ruff", "format", "--quiet", "notifier", "tests", "consumers", "bench"], cwd=root)


def main():
    root = Path(sys.argv[1]).resolve()
    total, left = mark_templates(root)
    print("templates:", dict(total))
    for name, text in left:
        print("LEFT", name, "|", T.squeeze(text)[:300])
    if "--templates" in sys.argv:
        return
    import code_marks
    code_marks.main(root)
    run = lambda *a: subprocess.run([*a], cwd=root, check=False)
    run(".venv/bin/djlint", "--reformat", "--quiet", "templates")
    run(".venv/bin/ruff", "check", "--fix", "--quiet", "notifier")
    run(".venv/bin/ruff", "format", "--quiet", "notifier")
    if "--no-types" not in sys.argv:
        mend_types(root)


main()
