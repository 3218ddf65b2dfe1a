"""The search page in Debian's chromium: it fits, breaks no policy of its own, and is used by keyboard."""

import shutil

import pytest

from tests.cli.conftest import SPEECH

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_search_by_keyboard(server, places, width, scheme):
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: make browser-test")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make browser-test")
    problems: list[str] = []
    address = f"http://127.0.0.1:{server}"
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: problems.append(message.text))
        page.on("request", lambda request: request.url.startswith((address, "data:")) or problems.append(request.url))
        page.goto(address)
        page.keyboard.press("Tab")  # All reports is not there without an index
        assert page.evaluate("document.activeElement.id") == "q"
        page.keyboard.type("country")
        page.keyboard.press("Enter")
        page.wait_for_selector(".moments li")
        assert page.title().startswith("country")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert page.locator("img").evaluate("picture => picture.decode().then(() => picture.naturalWidth)") == 160
        unnamed = "found => found.filter(one => !one.labels?.length && one.type !== 'hidden').map(one => one.outerHTML)"
        assert page.locator("input, select").evaluate_all(unnamed) == []
        page.get_by_text("Narrow").click()
        assert page.get_by_label("found by").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.get_by_role("link", name="talk.mp4 at 0:03.0").click()
        page.wait_for_url(f"{address}/reports/{SPEECH}.html#t=3.00")
        assert page.title() == "the report"
        browser.close()
    assert problems == []
