"""`make screenshots`: the product with demo data on a private port, and a picture of every page of it.

Each is taken wide, narrow and dark, and goes to build/screenshots/. With `--docs`, those that the documentation shows
are written to docs/images/ as well.
"""

import argparse
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from tests import settings as neutral
from tests.conftest import CHROMIUM_FLAGS
from tests.support.fakes.rules import Rule
from tests.support.fakes.sms import SmsProcess
from tests.support.fakes.smtp import SmtpProcess
from tests.support.servers.processes import wait_until
from tests.support.servers.programs import ProgramMissing, chromium_program
from tests.support.servers.stack import PROJECT, Stack

# The product takes these from our environment, and nothing from a developer's `.env`.
assert neutral.NEUTRAL

BUILD = PROJECT / "build" / "screenshots"
DOCS = PROJECT / "docs" / "images"
PASSWORD = "open sesame"
SEED = "7"


@dataclass(frozen=True)
class Look:
    """How a page is looked at."""

    name: str
    width: int
    height: int
    theme: Literal["light", "dark"] = "light"


WIDE, NARROW, DARK = Look("wide", 1440, 900), Look("narrow", 360, 740), Look("dark", 1440, 900, "dark")
LOOKS = (WIDE, NARROW, DARK)


#: The size of a picture in the documentation.
DOCS_WIDTH, DOCS_HEIGHT = 1280, 860


@dataclass(frozen=True)
class Shot:
    """One page. `{name}` in its address is what `_ids` found; `docs` is its name in docs/images/, if there is one."""

    name: str
    path: str
    docs: str = ""
    prepare: Callable[[Page], object] | None = None
    #: Its place on the page, for the documentation, where that is not the top.
    docs_from: str = ""
    docs_height: int = DOCS_HEIGHT


def _open_filters(page: Page) -> None:
    page.locator("details.filters > summary").click()


def _later(page: Page) -> None:
    page.get_by_label("At a date and time").check()


def _preview(page: Page) -> None:
    page.locator("#preview iframe").wait_for()
    page.frame_locator("#preview iframe").get_by_role("heading", name="SMS").wait_for()
    page.wait_for_load_state("networkidle")


#: Each look takes it anew, with clients who are new.
FILE = """Name;E-Mail;Mobile;Listings;Offerings SMS
Ann Example;ann{0}@example.com;+1 202 555 0123;both;no
Bob Example;bob@;;sms;
Eve Example;eve{0}@example.com;;e-mail;
Zoë Example;zoe{0}@example.com;555-CALL;both;
"""
_uploads = itertools.count(1)


def _upload(page: Page) -> None:
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "spring.csv", "mimeType": "text/csv", "buffer": FILE.format(next(_uploads)).encode()}
    )
    page.get_by_role("button", name="Upload and look").click()
    page.get_by_role("button", name="Look what would happen").wait_for()


def _look_at_import(page: Page) -> None:
    _upload(page)
    page.get_by_role("button", name="Look what would happen").click()
    page.locator("#do-it").wait_for()


def _unsubscribe(page: Page) -> None:
    page.get_by_role("button", name="Stop these e-mails").click()
    page.get_by_role("heading", name="Done").wait_for()


def _import(page: Page) -> None:
    _look_at_import(page)
    page.locator("#do-it").click()
    page.locator("#download").wait_for()


SHOTS = [
    Shot("overview", "/admin/", docs="overview"),
    Shot("clients", "/admin/notifier/client/", docs="clients", docs_height=640),
    Shot("clients-filters", "/admin/notifier/client/", prepare=_open_filters),
    Shot("clients-none-found", "/admin/notifier/client/?q=nobody-is-called-that"),
    Shot("client-add", "/admin/notifier/client/add/"),
    Shot("client", "/admin/notifier/client/{client}/change/", docs="client"),
    Shot("client-history", "/admin/notifier/client/{client}/history/"),
    Shot("client-why", "/admin/notifier/client/{client}/why/?broadcast={finished}", docs="why"),
    Shot("client-why-none", "/admin/notifier/client/{spare_client}/why/"),
    Shot("client-archive", "/admin/notifier/client/decide/archive/?ids={client}"),
    Shot("client-export", "/admin/notifier/client/decide/export/?ids={client}"),
    Shot("client-erase", "/admin/notifier/client/decide/erase/?ids={client}", docs="erase"),
    Shot("client-delete", "/admin/notifier/client/{spare_client}/delete/"),
    Shot("export", "/admin/notifier/client/export/?ids={client}"),
    Shot("import", "/admin/notifier/clientimport/upload/"),
    Shot("import-columns", "/admin/notifier/clientimport/upload/", prepare=_upload),
    Shot("import-preview", "/admin/notifier/clientimport/upload/", docs="import", prepare=_look_at_import),
    Shot("import-result", "/admin/notifier/clientimport/upload/", prepare=_import),
    Shot("imports", "/admin/notifier/clientimport/"),
    Shot("notifications", "/admin/notifier/notification/"),
    Shot("notification-add", "/admin/notifier/notification/add/", prepare=_preview),
    Shot("notification", "/admin/notifier/notification/{notification}/change/", docs="writing", prepare=_preview),
    Shot(
        "notification-preview",
        "/admin/notifier/notification/{notification}/change/",
        docs="preview",
        prepare=_preview,
        docs_from=".preview",
    ),
    Shot("notification-history", "/admin/notifier/notification/{notification}/history/"),
    Shot("confirm", "/admin/notifier/notification/broadcast/?ids={unsent}", docs="confirm"),
    Shot(
        "confirm-later",
        "/admin/notifier/notification/broadcast/?ids={unsent}",
        docs="when",
        prepare=_later,
        docs_from=".last-step",
    ),
    Shot("confirm-again", "/admin/notifier/notification/broadcast/?ids={notification}"),
    Shot("broadcasts", "/admin/notifier/broadcast/"),
    Shot("progress", "/admin/notifier/broadcast/{running}/progress/", docs="progress"),
    Shot("wall", "/admin/notifier/broadcast/{running}/progress/?wall=1"),
    Shot("progress-finished", "/admin/notifier/broadcast/{finished}/progress/", docs="finished"),
    Shot("awaiting", "/admin/notifier/broadcast/{awaiting}/progress/"),
    Shot("approve", "/admin/notifier/broadcast/{awaiting}/approve/", docs="approve"),
    Shot("scheduled", "/admin/notifier/broadcast/{scheduled}/progress/"),
    Shot("schedule", "/admin/notifier/broadcast/{scheduled}/schedule/"),
    Shot("start-now", "/admin/notifier/broadcast/{scheduled}/order/start-now/"),
    Shot("follow", "/admin/notifier/broadcast/{finished}/follow/"),
    Shot("cancel", "/admin/notifier/broadcast/{running}/order/cancel/", docs="cancel"),
    Shot("retry", "/admin/notifier/broadcast/{finished}/order/retry/"),
    Shot("deliveries", "/admin/notifier/delivery/"),
    Shot("deliveries-of-one", "/admin/notifier/delivery/?broadcast__id__exact={finished}"),
    Shot("deliveries-filters", "/admin/notifier/delivery/?broadcast__id__exact={finished}", prepare=_open_filters),
    Shot("delivery", "/admin/notifier/delivery/{delivery}/change/"),
    Shot("resolve", "/admin/notifier/delivery/resolve/mark-as-sent/?ids={failed}"),
    Shot("send-again", "/admin/notifier/delivery/resolve/send-again/?ids={failed}"),
    Shot("resolutions", "/admin/notifier/resolution/"),
    Shot("topics", "/admin/notifier/topic/"),
    Shot("suppressions", "/admin/notifier/suppression/"),
    Shot("suppression", "/admin/notifier/suppression/{suppression}/change/"),
    Shot("suppression-add", "/admin/notifier/suppression/add/"),
    Shot("suppression-lift", "/admin/notifier/suppression/lift/?ids={suppression}"),
    Shot("inbox", "/admin/notifier/inboundmessage/", docs="inbox"),
    Shot("answer", "/admin/notifier/inboundmessage/{answer}/change/"),
    Shot("workers", "/admin/notifier/worker/"),
    Shot("throttles", "/admin/notifier/throttle/"),
    Shot("users", "/admin/auth/user/"),
    Shot("user", "/admin/auth/user/{user}/change/"),
    Shot("groups", "/admin/auth/group/"),
    Shot("group-add", "/admin/auth/group/add/"),
    Shot("log-ins", "/admin/axes/accesslog/"),
    Shot("failed-log-ins", "/admin/axes/accessattempt/"),
    Shot("account", "/admin/account/"),
    Shot("password", "/admin/password_change/"),
    Shot("not-found", "/admin/notifier/client/999999/change/"),
    Shot("unsubscribe", "/u/{link}", docs="unsubscribe", docs_from="main"),
    Shot("unsubscribed", "/u/{link}", prepare=_unsubscribe),
    Shot("preferences", "/p/{link}", docs="preferences", docs_from="main"),
    Shot("preferences-saved", "/p/{link}?saved"),
    Shot("bad-link", "/u/cut-off"),
]


def main() -> None:
    options = _options()
    try:
        program = chromium_program()
    except ProgramMissing as missing:
        sys.exit(f"error: {missing}")
    chosen = [shot for shot in SHOTS if not options.only or shot.name in options.only]
    with (
        tempfile.TemporaryDirectory(prefix="screenshots-") as folder,
        _product(Path(folder)) as (stack, address),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=str(program), args=CHROMIUM_FLAGS)
        ids = _ids(stack)
        for look in LOOKS:
            _take(browser, address, chosen, ids, look, for_docs=options.docs)
        if not options.only:
            _lock_out(browser, address)
    print(f"{len(chosen)} pages, each {', '.join(look.name for look in LOOKS)}: {BUILD.relative_to(PROJECT)}/")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make screenshots ARGS=", description=__doc__.split("\n")[0])
    parser.add_argument("--docs", action="store_true", help="refresh the pictures in docs/images/ as well")
    parser.add_argument("--only", nargs="*", default=[], help=f"of {', '.join(shot.name for shot in SHOTS)}")
    return parser.parse_args()


@contextmanager
def _product(folder: Path) -> Iterator[tuple[Stack, str]]:
    """All processes, a broadcast that has ended, with some failures, and one that takes its time."""
    with (
        SmtpProcess(folder=folder) as smtp,
        SmsProcess(folder=folder) as sms,
        Stack(
            folder=folder,
            email_url=f"smtp://127.0.0.1:{smtp.port}",
            sms_url=sms.url,
            DJANGO_SUPERUSER_PASSWORD=PASSWORD,
            RETRY_BASE_SECONDS="1",
            # Few enough fail for the breaker to stay out of the picture.
            BREAKER_PERCENT="90",
        ) as stack,
    ):
        stack.migrate()
        stack.manage("createsuperuser", "--noinput", "--username", "maria", "--email", "maria@example.com")
        stack.manage("load_demo", "--seed", SEED)
        for command in (["run_dispatcher"], ["run_consumer", "email"], ["run_consumer", "sms"]):
            stack.start(*command)
        smtp.behave(Rule(phase="rcpt", reply="550 5.1.1 no such mailbox", times=4))
        first, second = (str(pk) for (pk,) in stack.query(_FOR_BOTH)[:2])
        stack.manage("broadcast", first, "--wait", check=False, seconds=180)
        smtp.behave(Rule(phase="dot", delay=4))
        sms.behave(Rule(phase="request", delay=4))
        stack.manage("broadcast", second)
        wait_until(lambda: _settled(stack) > 50, deadline=60, what="some of the second broadcast")
        stack.manage("shell", "-c", "from tests.pictured import furnish; furnish()")
        yield stack, stack.serve(workers=2, CONFIRM_ABOVE="300")


_FOR_BOTH = "SELECT id FROM notifier_notification WHERE email_body <> '' AND sms_body <> '' ORDER BY id"
_NEWEST = "SELECT MAX(id) FROM notifier_broadcast WHERE started_at IS NOT NULL"
_OF_NEWEST = f"FROM notifier_delivery WHERE broadcast_id = ({_NEWEST})"


def _settled(stack: Stack) -> int:
    return int(stack.query(f"SELECT COUNT(*) {_OF_NEWEST} AND settled_at IS NOT NULL")[0][0])


def _ids(stack: Stack) -> dict[str, int | str]:
    """What stands in the addresses."""
    found = {
        "client": f"SELECT MIN(client_id) {_OF_NEWEST}",
        "spare_client": "SELECT MIN(id) FROM notifier_client WHERE id NOT IN (SELECT client_id FROM notifier_delivery)",
        "notification": f"SELECT id {_FOR_BOTH.removeprefix('SELECT id')} LIMIT 1",
        "unsent": f"SELECT MAX(id) FROM ({_FOR_BOTH}) AS both_channels",
        "running": _NEWEST,
        "awaiting": "SELECT id FROM notifier_broadcast WHERE state = 'AWAITING_APPROVAL'",
        "scheduled": "SELECT id FROM notifier_broadcast WHERE state = 'SCHEDULED'",
        "finished": "SELECT MIN(id) FROM notifier_broadcast",
        "delivery": f"SELECT MIN(id) {_OF_NEWEST}",
        "failed": "SELECT MIN(id) FROM notifier_delivery WHERE state IN ('FAILED', 'UNKNOWN')",
        "suppression": "SELECT MIN(id) FROM notifier_suppression WHERE source = 'BOUNCE'",
        "user": "SELECT MIN(id) FROM auth_user",
        "answer": "SELECT MAX(id) FROM notifier_inboundmessage WHERE read_at IS NULL",
    }
    ids = {name: int(stack.query(statement)[0][0] or 0) for name, statement in found.items()}
    link = stack.manage("shell", "--no-imports", "-c", _LINK.format(**ids)).stdout.strip()
    return {**ids, "link": link}


#: Of the client's mail about the first topic.
_LINK = "from notifier import links; print(links.token(links.Link({client}, 1, {running})))"


def _take(
    browser: Browser, address: str, shots: list[Shot], ids: dict[str, int | str], look: Look, *, for_docs: bool
) -> None:
    context = browser.new_context(
        base_url=address, color_scheme=look.theme, viewport={"width": look.width, "height": look.height}
    )
    page = context.new_page()
    page.goto("/admin/login/")
    _save(page, BUILD / f"login-{look.name}.png")
    page.get_by_label("Username").fill("maria")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    for shot in shots:
        page.goto(shot.path.format_map(ids))
        if shot.prepare:
            shot.prepare(page)
        _save(page, BUILD / f"{shot.name}-{look.name}.png")
        if for_docs and shot.docs and look == WIDE:
            _save_for_docs(page, shot)
        page.set_viewport_size({"width": look.width, "height": look.height})
    context.close()


def _save(page: Page, path: Path) -> None:
    """All of the page at once: in a window as high as it is, for what sticks to an edge would stand in the middle."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = page.viewport_size or {"width": WIDE.width, "height": WIDE.height}
    height: int = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": max(height, size["height"])})
    page.screenshot(path=path, full_page=True)


def _save_for_docs(page: Page, shot: Shot) -> None:
    target = DOCS / f"{shot.docs}.png"
    height: int = page.evaluate("document.documentElement.scrollHeight") if shot.docs_from else shot.docs_height
    page.set_viewport_size({"width": DOCS_WIDTH, "height": height})
    if shot.docs_from:
        page.locator(shot.docs_from).screenshot(path=target)
    else:
        page.screenshot(path=target)


def _lock_out(browser: Browser, address: str) -> None:
    """The last of all: who is kept out sees no other page."""
    context = browser.new_context(base_url=address, viewport={"width": WIDE.width, "height": WIDE.height})
    page = context.new_page()
    page.goto("/admin/login/")
    for _ in range(5):
        page.get_by_label("Username").fill("nobody")
        page.get_by_label("Password").fill("a guess")
        page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Too many attempts").wait_for()
    _save(page, BUILD / "locked-out.png")
    context.close()


if __name__ == "__main__":
    main()
