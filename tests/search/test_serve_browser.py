"""The search page in Debian's chromium: it fits, breaks no policy of its own, and is used by keyboard."""

import shutil
import socket
import threading

import pytest
import uvicorn

from resources.warehouse.records import VIDEOS
from tests.cli.conftest import SPEECH, archive, places
from tests.search.test_indexes import painted, shots_of
from vid_assets.indexes.shots import webp
from vid_assets.serve.app import app

__all__ = ["archive", "places"]
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.browser


@pytest.fixture
def address(archive, places):
    video = {"video_id": SPEECH, "duration_s": 20.0, "file_name": "talk.mp4", "has_picture": True}
    archive.replace_partition(VIDEOS.name, SPEECH, VIDEOS.frame([video]))
    row = {"shot": 0, "start_s": 0.0, "end_s": 20.0, "time_s": 10.0, "picture": webp(painted(1))}
    archive.replace_partition("shots", SPEECH, shots_of([row], SPEECH))
    (places / "reports").mkdir()
    (places / "reports" / f"{SPEECH}.html").write_text('<link rel=icon href="data:,"><title>the report</title>')
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        made = uvicorn.Server(uvicorn.Config(app(archive, places / "reports"), log_level="critical"))
        thread = threading.Thread(target=made.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        made.should_exit = True
        thread.join()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_search_by_keyboard(address, width, scheme):
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: make browser-test")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make browser-test")
    problems: list[str] = []
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
