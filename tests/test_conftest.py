"""What the fixtures of the browser promise."""

from playwright.sync_api import Page


def test_the_browser_tells_what_its_console_complained_of(page: Page, console_errors: list[str]) -> None:
    page.goto("about:blank")

    with page.expect_event("pageerror"):
        page.evaluate("console.error('broken'); setTimeout(() => { throw new Error('uncaught') })")

    assert [text.split(" (")[0] for text in console_errors] == ["broken", "uncaught"]
    console_errors.clear()


def test_a_page_without_javascript_runs_none(page_without_javascript: Page) -> None:
    page_without_javascript.set_content("<p>before</p><script>document.body.textContent = 'after'</script>")

    assert "before" in page_without_javascript.content()
