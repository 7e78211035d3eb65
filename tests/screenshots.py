"""`make screenshots`: the product with demo data on a private port, and a picture of every page of it.

Each is taken wide, narrow and dark, and goes to build/screenshots/. With `--docs`, those that the documentation shows
are written to docs/images/ as well.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import django
from playwright.sync_api import Browser, Page, sync_playwright

from tests import settings as neutral
from tests.support.fakes.rules import Rule
from tests.support.fakes.sms import SmsProcess
from tests.support.fakes.smtp import SmtpProcess
from tests.support.servers.processes import wait_until
from tests.support.servers.programs import ProgramMissing, chromium_program
from tests.support.servers.stack import PROJECT, Stack

# The product takes these from our environment, and nothing from a developer's `.env`.
assert neutral.NEUTRAL
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

# The registry and the fixtures know models.
from tests.conftest import CHROMIUM_FLAGS  # noqa: E402
from tests.support.pages.page import Picture  # noqa: E402
from tests.support.pages.registry import PAGES  # noqa: E402

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


#: The width of a picture in the documentation.
DOCS_WIDTH = 1280


@dataclass(frozen=True)
class Shot:
    """A picture of the registry, and the path of its page."""

    picture: Picture
    path: str


def main() -> None:
    options = _options()
    try:
        program = chromium_program()
    except ProgramMissing as missing:
        sys.exit(f"error: {missing}")
    with (
        tempfile.TemporaryDirectory(prefix="screenshots-") as folder,
        _product(Path(folder)) as (stack, address),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=str(program), args=CHROMIUM_FLAGS)
        chosen = [shot for shot in _shots(stack) if not options.only or shot.picture.name in options.only]
        for look in LOOKS:
            _take(browser, address, chosen, look, for_docs=options.docs)
        if not options.only:
            _lock_out(browser, address)
    print(f"{len(chosen)} pages, each {', '.join(look.name for look in LOOKS)}: {BUILD.relative_to(PROJECT)}/")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make screenshots ARGS=", description=__doc__.split("\n")[0])
    parser.add_argument("--docs", action="store_true", help="refresh the pictures in docs/images/ as well")
    parser.add_argument(
        "--only",
        nargs="*",
        default=[],
        help=f"of {', '.join(picture.name for page in PAGES for picture in page.pictures)}",
    )
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
        smtp.behave(Rule(phase="dot", delay=6))
        sms.behave(Rule(phase="request", delay=6))
        stack.manage("broadcast", second)
        wait_until(lambda: _settled(stack) > 50, deadline=60, what="some of the second broadcast")
        stack.manage("shell", "--no-imports", "-c", "from tests.support.datasets import pictures; pictures.add()")
        yield stack, stack.serve(workers=2, CONFIRM_ABOVE="300")


_FOR_BOTH = "SELECT id FROM notifier_notification WHERE email_body <> '' AND sms_body <> '' ORDER BY id"
_SETTLED = (
    "SELECT COUNT(*) FROM notifier_delivery WHERE settled_at IS NOT NULL AND broadcast_id = "
    "(SELECT MAX(id) FROM notifier_broadcast WHERE started_at IS NOT NULL)"
)


def _settled(stack: Stack) -> int:
    return int(stack.query(_SETTLED)[0][0])


def _shots(stack: Stack) -> list[Shot]:
    rows = json.loads(stack.manage("shell", "--no-imports", "-c", _ROWS).stdout)
    return [Shot(picture, page.url(picture.at or page.opens[0], rows)) for page in PAGES for picture in page.pictures]


_ROWS = "import json; from tests.support.datasets import pictures; print(json.dumps(pictures.rows()))"


def _take(browser: Browser, address: str, shots: list[Shot], look: Look, *, for_docs: bool) -> None:
    context = browser.new_context(
        base_url=address, color_scheme=look.theme, viewport={"width": look.width, "height": look.height}
    )
    # A busy machine is waited for: one late page is no reason to begin again.
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.goto("/admin/login/")
    _save(page, BUILD / f"login-{look.name}.png")
    page.get_by_label("Username").fill("maria")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    for shot in shots:
        page.goto(shot.path)
        if shot.picture.prepare:
            shot.picture.prepare(page)
        _save(page, BUILD / f"{shot.picture.name}-{look.name}.png")
        if for_docs and shot.picture.docs and look == WIDE:
            _save_for_docs(page, shot.picture)
        page.set_viewport_size({"width": look.width, "height": look.height})
    context.close()


def _save(page: Page, path: Path) -> None:
    """All of the page at once: in a window as high as it is, for what sticks to an edge would stand in the middle."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = page.viewport_size or {"width": WIDE.width, "height": WIDE.height}
    height: int = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": max(height, size["height"])})
    page.screenshot(path=path, full_page=True)


def _save_for_docs(page: Page, picture: Picture) -> None:
    target = DOCS / f"{picture.docs}.png"
    height: int = page.evaluate("document.documentElement.scrollHeight") if picture.docs_from else picture.docs_height
    page.set_viewport_size({"width": DOCS_WIDTH, "height": height})
    if picture.docs_from:
        page.locator(picture.docs_from).screenshot(path=target)
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
