import json, os, re, time
from pathlib import Path
import pytest
from tests.notifier.admin.all_pages.test_access_matrix import Office, Forms, office  # noqa
from tests.support.database.undone import undone
from tests.support.pages.registry import OF_STAFF, POSTED, OPENED

pytestmark = [pytest.mark.django_db]
TOKENS = re.compile(
    r"(csrfmiddlewaretoken\" value=\")[^\"]*|(nonce=\")[^\"]*|[0-9a-f]{8}-[0-9a-f-]{27}|(X-CSRFToken&quot;: &quot;)\w+|(X-CSRFToken[^A-Za-z0-9]+)\w{20,}|[A-Za-z0-9_:-]{40,}"
)


def norm(a):
    try:
        t = a.getvalue().decode()
    except UnicodeDecodeError:
        return f"BINARY {a.status_code}"
    return f"{a.status_code} {a.get('Location', '')}\n" + t


def mask(t):
    t = TOKENS.sub("T", t)
    return re.sub(r"\d+", "#", t)


def test_dump(office):
    out = {}
    for p in OF_STAFF:
        for v in [*p.opens, *p.looks]:
            try:
                out[f"GET {p.name} {v}"] = mask(
                    norm(office.browser("superuser").get(p.url(v, office.rows), follow=True))
                )
            except Exception as e:
                out[f"GET {p.name} {v}"] = f"ERR {type(e)}"
    for p, post in POSTED:
        url = p.url(post.at, office.rows)
        with undone():
            b = office.browser("superuser")
            try:
                data = Forms(office, url).of(b, may_do=True) if post.has_form else {}
                out[f"POST {p.name} {post.label} {post.at}"] = mask(
                    norm(b.post(url, data | post.filled(office.rows), follow=True))
                )
                # What a form says of nothing, too.
                out[f"EMPTY {p.name} {post.label} {post.at}"] = mask(norm(b.post(url, {}, follow=True)))
            except Exception as e:
                out[f"POST {p.name} {post.label} {post.at}"] = f"ERR {type(e)}"
    Path(os.environ["DUMP"]).write_text(json.dumps(out))
