"""The reports and Dagster's UI in Debian's chromium: what is seen at 1280 and 390 px, and that nothing is loaded."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing

import dagster as dg
import pytest

from tests.kit.report_archive import SHOWN, make_archive

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.browser
WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with an archive, its reports, and a Dagster instance that knows of them."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: make browser-test")
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make browser-test")
    folder = tmp_path_factory.mktemp("browser")
    # a first visit greets with a dialog that covers the page; this says that there was one
    (folder / "home" / ".nux").mkdir(parents=True)
    (folder / "home" / ".nux" / "nux.yaml").write_text("seen: 1\n")
    with dg.DagsterInstance.local_temp(str(folder / "home")) as instance:
        return folder, make_archive(folder, instance)


@pytest.fixture(scope="module")
def chromium(home):
    from playwright.sync_api import sync_playwright  # pyright: ignore[reportMissingImports]

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """Opens a file and fails on anything in the console, and on any request but for files and inlined data."""
    pages, problems = [], []

    def opened(path, width, scheme="light", *, touch=False):
        page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, has_touch=touch)
        pages.append(page)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or problems.append(request.url))
        page.goto(path.as_uri())
        return page

    yield opened
    for page in pages:
        page.close()
    assert problems == []


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_report(home, visit, width, scheme, tmp_path):
    _, archive = home
    page = visit(archive.reports / f"{archive.two_shots}.html", width, scheme)
    assert fits(page)
    shown = page.locator("[data-analyzer]").evaluate_all("found => found.map(lane => lane.dataset.analyzer)")
    assert sorted(shown) == sorted(analyzer.name for analyzer in SHOWN)
    areas = page.locator(".track").evaluate_all(
        "found => found.map(t => [t.getBoundingClientRect().left, t.offsetWidth])"
    )
    assert len(areas) > len(SHOWN)
    assert len({tuple(area) for area in areas}) == 1, "all lanes share one axis"
    assert page.locator("polyline").count() > 0
    assert page.locator("img").evaluate_all("found => found.every(picture => picture.naturalWidth > 0)")
    page.screenshot(path=tmp_path / "report.png", full_page=True)
    assert (tmp_path / "report.png").stat().st_size > 10_000


def test_report_by_keyboard(home, visit):
    _, archive = home
    page = visit(archive.reports / f"{archive.two_shots}.html", 1280)
    page.locator("#at").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.locator("#readout").is_visible()
    assert "0:00.0" in page.locator("#readout").inner_text()
    assert "<script>alert" in page.locator("#readout").inner_text()
    page.locator(".shots button").nth(1).press("Enter")
    assert page.locator("#at").evaluate("slider => slider === document.activeElement")
    assert float(page.locator("#at").input_value()) == pytest.approx(2.0, abs=0.05)


def test_pointing_at_a_lane_tells_its_text(home, visit):
    _, archive = home
    page = visit(archive.reports / f"{archive.two_shots}.html", 1280)
    track = page.locator("[data-analyzer=words] .track")
    track.scroll_into_view_if_needed()
    track.hover(position={"x": track.bounding_box()["width"] * 0.75, "y": 8})
    assert page.locator("#readout .here").inner_text().startswith("words: plain words")
    page.mouse.move(2, 2)
    assert page.locator("#readout").is_hidden()


def test_tapping_a_lane_tells_its_text(home, visit):
    _, archive = home
    page = visit(archive.reports / f"{archive.two_shots}.html", 390, touch=True)
    track = page.locator("[data-analyzer=words] .track")
    track.scroll_into_view_if_needed()
    track.tap(position={"x": track.bounding_box()["width"] * 0.75, "y": 8})
    assert "plain words" in page.locator("#readout .here").inner_text()
    page.locator("#texts").tap()
    assert page.locator("#readout").is_hidden()


@pytest.mark.parametrize("width", WIDTHS)
def test_reports_without_much_to_see(home, visit, width):
    _, archive = home
    for video_id in (archive.broken, archive.dark):
        assert fits(visit(archive.reports / f"{video_id}.html", width))


@pytest.mark.parametrize("width", WIDTHS)
def test_archive_page(home, visit, width):
    _, archive = home
    page = visit(archive.reports / "index.html", width)
    assert fits(page)
    assert page.get_by_text("Find", exact=True).bounding_box()["height"] < 30, "it is in one line"
    cards = page.locator(".grid li")
    assert cards.count() == 3
    page.get_by_label("Find").fill("two shots")
    assert [card.is_visible() for card in cards.all()].count(True) == 1
    page.get_by_role("link", name="two shots").click()
    assert page.title().startswith("two shots.mp4")


@pytest.fixture(scope="module")
def webserver(home):
    """Dagster's UI on a free loopback port."""
    folder, archive = home
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    places = {"DAGSTER_HOME": folder / "home", "VID_WAREHOUSE": archive.warehouse.path, "VID_SCRATCH": archive.scratch}
    command = [
        sys.executable,
        "-m",
        "dagster_webserver",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-m",
        "vid_assets.definitions",
    ]
    with (folder / "webserver.log").open("wb") as log:
        server = subprocess.Popen(
            command, env={**os.environ, **{name: str(at) for name, at in places.items()}}, stdout=log, stderr=log
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/server_info", server, folder / "webserver.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


def _wait_for(address, server, log):
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"the webserver did not answer:\n{log.read_text()}")


def test_the_page_shows_pictures_of_results(home, visit):
    _, archive = home
    page = visit(archive.reports / f"{archive.two_shots}.html", 1280)
    page.locator("details", has_text="color analysis").locator("summary").click()
    picture = page.locator('img[alt="Result of color analysis"]')
    picture.wait_for(timeout=10_000)
    assert picture.evaluate("shown => shown.naturalWidth") > 300


def test_the_ui_says_what_a_check_found(webserver, chromium):
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{webserver}/assets/color_analysis/?view=checks")
    page.get_by_text("All of 1 videos passed").first.wait_for(timeout=60_000)
    page.close()
