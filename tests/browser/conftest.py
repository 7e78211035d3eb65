from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from tests.conftest import watch_console


@pytest.fixture
def new_page(browser: Browser, live_server: LiveServer, console_errors: list[str]) -> Iterator[Callable[..., Page]]:
    """`new_page(360, 640, color_scheme="dark")`: a page of that size in a browser of its own, that knows nobody."""
    contexts = []

    def open_page(width: int, height: int, **options: Any) -> Page:
        context = browser.new_context(base_url=live_server.url, viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        watch_console(page, console_errors)
        return page

    yield open_page
    for context in contexts:
        context.close()
