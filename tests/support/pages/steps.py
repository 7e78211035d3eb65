"""What is done on a page before its picture is taken. Each gets Playwright's page."""

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: Each look takes it anew, with clients who are new.
FILE = """Name;E-Mail;Mobile;Listings;Offerings SMS
Ann Example;ann{0}@example.com;+1 202 555 0123;both;no
Bob Example;bob@;;sms;
Eve Example;eve{0}@example.com;;e-mail;
Zoë Example;zoe{0}@example.com;555-CALL;both;
"""
_uploads = itertools.count(1)


def open_filters(page: "Page") -> None:
    page.locator("details.filters > summary").click()


def choose_a_time(page: "Page") -> None:
    page.get_by_label("At a date and time").check()


def wait_for_the_preview(page: "Page") -> None:
    page.locator("#preview iframe").wait_for()
    page.frame_locator("#preview iframe").locator(".screen").first.wait_for()
    page.wait_for_load_state("networkidle")


def look_at_the_phone(page: "Page") -> None:
    wait_for_the_preview(page)
    # The input itself lies invisible over its label.
    page.get_by_role("radio", name="Phone").check(force=True)
    page.frame_locator("#preview iframe:not(.coming)").locator(".screen.phone").wait_for()
    page.wait_for_load_state("networkidle")


def upload(page: "Page") -> None:
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "spring.csv", "mimeType": "text/csv", "buffer": FILE.format(next(_uploads)).encode()}
    )
    page.get_by_role("button", name="Upload and continue").click()
    page.get_by_role("button", name="Review").wait_for()


def look_at_import(page: "Page") -> None:
    upload(page)
    page.get_by_role("button", name="Review").click()
    page.locator("#do-it").wait_for()


def carry_out_import(page: "Page") -> None:
    look_at_import(page)
    page.get_by_label("How do we know?").fill("signed the form at the fair")
    page.locator("#do-it").click()
    page.locator("#download").wait_for()


def unsubscribe(page: "Page") -> None:
    page.get_by_role("button", name="Unsubscribe").click()
    page.get_by_role("heading", name="You are unsubscribed").wait_for()
