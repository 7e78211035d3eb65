"""What every test in a browser does first."""

from playwright.sync_api import Page


def log_in(page: Page, username: str = "root", password: str = "secret") -> None:
    """By the form that the page shows."""
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
