"""What every test in a browser does first."""

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client as Browser
from playwright.sync_api import Page

#: Of the tests' own server; cookies know no ports.
HOST = "localhost"


def enter(page: Page, username: str = "root") -> None:
    """From here on the page's browser is logged in.

    By the cookie alone: the form, and the overview that it leads to, take as long as what most tests are about.
    """
    visitor = Browser()
    visitor.force_login(User.objects.get(username=username))
    name = settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": visitor.cookies[name].value, "domain": HOST, "path": "/"}])


def log_in(page: Page, username: str = "root", password: str = "secret") -> None:
    """By the form that the page shows."""
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
