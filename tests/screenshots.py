"""`make screenshots`: the product with demo data on a private port, and a picture of every page of it.

Each is taken wide, narrow and dark, and goes to build/screenshots/. With `--docs`, those that the documentation shows
are written to docs/images/ as well.
"""

import argparse
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
from tests.servers.processes import wait_until
from tests.servers.programs import ProgramMissing, chromium_program
from tests.servers.stack import PROJECT, Stack
from tests.standins.rules import Rule
from tests.standins.sms import SmsProcess
from tests.standins.smtp import SmtpProcess

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


@dataclass(frozen=True)
class Shot:
    """One page. `{name}` in its address is what `_ids` found; `docs` is its name in docs/images/, if there is one."""

    name: str
    path: str
    docs: str = ""
    docs_look: Look = WIDE
    prepare: Callable[[Page], object] | None = None


def _open_filters(page: Page) -> None:
    page.locator("details.filters > summary").click()


SHOTS = [
    Shot("overview", "/admin/"),
    Shot("clients", "/admin/notifier/client/", docs="clients"),
    Shot("clients-filters", "/admin/notifier/client/", prepare=_open_filters),
    Shot("clients-none-found", "/admin/notifier/client/?q=nobody-is-called-that"),
    Shot("client-add", "/admin/notifier/client/add/"),
    Shot("client", "/admin/notifier/client/{client}/change/"),
    Shot("client-history", "/admin/notifier/client/{client}/history/"),
    Shot("client-delete", "/admin/notifier/client/{spare_client}/delete/"),
    Shot("notifications", "/admin/notifier/notification/"),
    Shot("notification", "/admin/notifier/notification/{notification}/change/"),
    Shot("confirm", "/admin/notifier/notification/broadcast/?ids={notification}", docs="confirm"),
    Shot("broadcasts", "/admin/notifier/broadcast/"),
    Shot("progress", "/admin/notifier/broadcast/{running}/progress/", docs="progress"),
    Shot("progress-finished", "/admin/notifier/broadcast/{finished}/progress/"),
    Shot("cancel", "/admin/notifier/broadcast/{running}/order/cancel/"),
    Shot("deliveries", "/admin/notifier/delivery/"),
    Shot("delivery", "/admin/notifier/delivery/{delivery}/change/"),
    Shot("resolve", "/admin/notifier/delivery/resolve/mark-as-sent/?ids={failed}"),
    Shot("topics", "/admin/notifier/topic/"),
    Shot("suppressions", "/admin/notifier/suppression/"),
    Shot("workers", "/admin/notifier/worker/"),
    Shot("users", "/admin/auth/user/"),
    Shot("user", "/admin/auth/user/{user}/change/"),
    Shot("group-add", "/admin/auth/group/add/"),
    Shot("password", "/admin/password_change/"),
    Shot("not-found", "/admin/notifier/client/999999/change/"),
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
        smtp.behave(Rule(phase="dot", delay=1.5))
        sms.behave(Rule(phase="request", delay=1.5))
        stack.manage("broadcast", second)
        wait_until(lambda: _settled(stack) > 50, deadline=60, what="some of the second broadcast")
        yield stack, stack.serve(workers=2)


_FOR_BOTH = "SELECT id FROM notifier_notification WHERE email_body <> '' AND sms_body <> '' ORDER BY id"
_NEWEST = "SELECT MAX(id) FROM notifier_broadcast"
_OF_NEWEST = f"FROM notifier_delivery WHERE broadcast_id = ({_NEWEST})"


def _settled(stack: Stack) -> int:
    return int(stack.query(f"SELECT COUNT(*) {_OF_NEWEST} AND settled_at IS NOT NULL")[0][0])


def _ids(stack: Stack) -> dict[str, int]:
    """What stands in the addresses."""
    found = {
        "client": f"SELECT MIN(client_id) {_OF_NEWEST}",
        "spare_client": "SELECT MIN(id) FROM notifier_client WHERE id NOT IN (SELECT client_id FROM notifier_delivery)",
        "notification": f"SELECT id {_FOR_BOTH.removeprefix('SELECT id')} LIMIT 1",
        "running": _NEWEST,
        "finished": "SELECT MIN(id) FROM notifier_broadcast",
        "delivery": f"SELECT MIN(id) {_OF_NEWEST}",
        "failed": "SELECT MIN(id) FROM notifier_delivery WHERE state IN ('FAILED', 'UNKNOWN')",
        "user": "SELECT MIN(id) FROM auth_user",
    }
    return {name: int(stack.query(statement)[0][0] or 0) for name, statement in found.items()}


def _take(
    browser: Browser, address: str, shots: list[Shot], ids: dict[str, int], look: Look, *, for_docs: bool
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
        if for_docs and shot.docs and shot.docs_look == look:
            page.screenshot(path=DOCS / f"{shot.docs}.png")
    context.close()


def _save(page: Page, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, full_page=True)


if __name__ == "__main__":
    main()
