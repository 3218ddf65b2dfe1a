"""The reports and Dagster's UI in Debian's chromium: what is seen at 1280 and 390 px, and that nothing is loaded."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing

import dagster as dg
import polars as pl
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

    def opened(path, width, scheme="light", *, touch=False, fragment=""):
        page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, has_touch=touch)
        pages.append(page)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or problems.append(request.url))
        page.goto(path.as_uri() + (f"#{fragment}" if fragment else ""))
        return page

    yield opened
    for page in pages:
        page.close()
    assert problems == []


def until(page, expression, seconds=20.0):
    """Wait until something holds in the page, whose policy forbids it the evaluation that `wait_for_function` does."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(20)


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
    page.locator(".shots a").nth(1).press("Enter")
    assert float(page.locator("#at").input_value()) == pytest.approx(2.0, abs=0.05)
    assert page.url.endswith("#t=2")


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


@pytest.fixture
def player(home, visit):
    """The page of the clip of two shots at a moment, as soon as the video can be played."""
    _, archive = home

    def opened(moment="", width=1280):
        page = visit(archive.reports / f"{archive.two_shots}.html", width, fragment=moment)
        until(page, "document.querySelector('video').readyState >= 2")
        until(page, "!document.querySelector('video').seeking")
        return page

    return opened


def time_of(page):
    return page.evaluate("document.querySelector('video').currentTime")


def box_of(page):
    """Left edge and width of the only box over the picture, as shares of the picture."""
    return page.evaluate("""() => {
        const box = document.querySelector('#boxes i').getBoundingClientRect();
        const area = document.getElementById('boxes').getBoundingClientRect();
        return [(box.left - area.left) / area.width, box.width / area.width];
    }""")


def test_the_address_names_the_moment(player):
    page = player("t=2.5")
    assert time_of(page) == pytest.approx(2.5, abs=0.01)
    page.evaluate("location.hash = 't=0:01.5'")
    until(page, "Math.abs(document.querySelector('video').currentTime - 1.5) < 0.01")
    assert page.evaluate("document.querySelector('video').paused")


@pytest.mark.parametrize(
    ("place", "moment"),
    [
        (".shots a >> nth=1", 2.0),
        ("[data-texts=words] a >> nth=1", 2.0),
        ("[data-texts=speech] a >> nth=1", 3.0),
    ],
)
def test_a_click_plays_the_moment(player, place, moment):
    page = player()
    address = page.locator(place).get_attribute("href")
    page.locator(place).click()
    until(page, f"document.querySelector('video').currentTime > {moment + 0.05}")
    assert not page.evaluate("document.querySelector('video').paused")
    assert page.url.endswith(address)
    assert page.locator("#playhead").is_visible()


def test_a_click_on_the_timeline_plays_it(player):
    page = player()
    track = page.locator("[data-analyzer=words] .track")
    track.scroll_into_view_if_needed()
    track.click(position={"x": track.bounding_box()["width"] * 0.75, "y": 8})
    until(page, "document.querySelector('video').currentTime > 3")
    until(page, "document.getElementById('stage').classList.contains('docked')")
    page.get_by_role("button", name="Close").click()
    assert page.evaluate("document.querySelector('video').paused")


def test_a_click_on_a_word_plays_it(player):
    page = player()
    line = page.locator("[data-words]").first
    assert line.text_content() == "one two, three."
    line.scroll_into_view_if_needed()
    middle = line.evaluate("""line => {
        const range = document.createRange(), start = line.firstChild.data.indexOf('three');
        range.setStart(line.firstChild, start + 2);
        range.setEnd(line.firstChild, start + 3);
        const letter = range.getBoundingClientRect();
        return [letter.left + letter.width / 2, letter.top + letter.height / 2];
    }""")
    page.mouse.click(*middle)
    assert float(page.url.rpartition("#t=")[2]) == pytest.approx(2.0, abs=0.05)


def test_captions_show_words_as_they_are(player):
    page = player("t=3.2")
    assert page.locator("#captions").evaluate("picker => picker.selectedOptions[0].text") == "speech"
    shown = "[...document.querySelector('video').textTracks].filter(t => t.mode === 'showing').map(t => t.activeCues[0]"
    until(page, f"{shown}).length === 1")
    assert page.evaluate(f"{shown}.getCueAsHTML().textContent)") == ["<b>Four"]
    page.locator("#captions").select_option("words")
    assert "plain words" in page.evaluate(f"{shown}.getCueAsHTML().textContent)")
    page.locator("#captions").select_option("off")
    assert page.evaluate(f"{shown})") == []


def test_boxes_follow_what_moves_and_can_be_switched_off(player):
    page = player("t=1.25")
    length = page.evaluate("JSON.parse(document.getElementById('watched').textContent).duration")
    assert page.locator("#boxes b").inner_text().startswith("<script>alert")
    assert box_of(page) == pytest.approx([1.25 / (2 * length), 0.25], abs=0.005)
    edges = page.evaluate("""() => ["#boxes i", "#boxes b", "#boxes"].flatMap((found) => {
        const area = document.querySelector(found).getBoundingClientRect();
        return [area.top, area.bottom];
    })""")
    box_top, _, name_top, name_bottom, area_top, _ = edges
    assert name_bottom <= box_top + 1, "the name does not cover what it names"
    assert name_top >= area_top
    page.get_by_role("checkbox", name="things").uncheck()
    assert page.locator("#boxes i").count() == 0
    page.locator("video").focus()
    page.keyboard.press("b")
    assert page.locator("#boxes i").count() == 1


def test_keys(player):
    page = player("t=2")

    def press(key):
        page.keyboard.press(key)
        until(page, "!document.querySelector('video').seeking")
        return time_of(page)

    assert press("j") == 0
    assert press("5") == pytest.approx(2.0, abs=0.05)
    assert press(".") == pytest.approx(2.04, abs=0.05)
    assert press("ArrowRight") == pytest.approx(4.0, abs=0.1)
    assert press("ArrowLeft") == 0
    press("m")
    assert page.evaluate("document.querySelector('video').muted")
    press("c")
    assert page.locator("#captions").input_value() == "-1"
    press(" ")
    until(page, "document.querySelector('video').currentTime > 0.1")
    press("k")
    assert page.evaluate("document.querySelector('video').paused")
    press("f")
    until(page, "document.fullscreenElement?.id === 'stage'")
    press("f")
    until(page, "!document.fullscreenElement")


def test_keys_leave_fields_and_controls_alone(player):
    page = player("t=2")
    page.locator("#at").focus()
    page.keyboard.press("j")
    assert time_of(page) == pytest.approx(2, abs=0.01)
    summary = page.locator("summary", has_text="Keys")
    summary.focus()
    page.keyboard.press(" ")
    assert page.locator("dl.keys").is_visible()
    page.locator("#everywhere").uncheck()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    assert time_of(page) == pytest.approx(2, abs=0.01)


def test_a_video_that_is_gone_says_what_helps(home, chromium, tmp_path):
    _, archive = home
    page = chromium.new_page()
    copy = tmp_path / "elsewhere" / "page.html"
    copy.parent.mkdir()
    shutil.copyfile(archive.reports / f"{archive.two_shots}.html", copy)
    page.goto(copy.as_uri())
    page.locator("#wrong").wait_for()
    assert "The file may have been moved or removed." in page.locator("#wrong").inner_text()
    page.locator(".shots a").nth(1).click()
    assert page.url.endswith("#t=2"), "the timeline goes on without the video"
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["two_shots", "dark", "broken", "index"])
def test_pages_are_accessible(home, visit, name, scheme):
    from axe_playwright_python.sync_playwright import Axe  # pyright: ignore[reportMissingImports]

    _, archive = home
    page = visit(archive.reports / f"{getattr(archive, name, name)}.html", 1280, scheme)
    page.evaluate("document.querySelectorAll('details').forEach((closed) => { closed.open = true; })")
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
    assert found.response["violations"] == [], found.generate_report()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_the_archive_are_accessible(visit, tmp_path, scheme):
    from axe_playwright_python.sync_playwright import Axe  # pyright: ignore[reportMissingImports]

    from tests.kit.report_archive import HOSTILE, THINGS
    from vid_assets.report.compare import write_comparison
    from vid_assets.report.status import write_status

    unanswered = {"analyzer": "blip2", "status": "undefined", "videos": 2, "reason": HOSTILE}
    failed = {"video_id": "clip-0123456789ab", "analyzer": "blip2", "reason": HOSTILE}
    answers = {"analyzer": "blip2", "value": 3, "not_applicable": 1, "undefined": 2, "failed": 1, "disabled": 0}
    facts = {"videos": {"registered": 7}, "answers": [answers], "failed": [failed], "unanswered": [unanswered]}
    state = write_status(tmp_path, facts | {"running": [HOSTILE]}, "left to do: nothing", [], "vid-assets backfill")
    rows = [{"status_a": "value", "status_b": "failed", "rows_a": 1, "rows_b": None, "same_rows": 0}]
    rows = [
        rows[0] | {"video_id": "clip", "reason_a": None, "reason_b": HOSTILE, "compute_s_a": 1.0, "compute_s_b": None}
    ]
    version = {"code_version": "1-aa", "videos": 1, "model": HOSTILE, "profile": "cpu", "config": None}
    row = '{"time_s":1.0,"track":1,"label":"dog","x0":0.0,"y0":0.0,"x1":1.0,"y1":1.0}'
    kept = pl.DataFrame({"video_id": "clip", "code_version": "1-aa", "answer": [[row]]})
    versions = (version, version | {"code_version": "1-bb"})
    comparison = write_comparison(tmp_path, THINGS, versions, rows, kept, {"clip": 9.0})
    for path in (state, comparison):
        page = visit(path, 1280, scheme)
        assert fits(page)
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
        assert found.response["violations"] == [], found.generate_report()


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


def test_a_report_from_a_server_plays(home, chromium):
    import threading

    import uvicorn

    from vid_assets.serve.app import app

    _, archive = home
    server = uvicorn.Server(uvicorn.Config(app(archive.warehouse, archive.reports), log_level="error"))
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{listening.getsockname()[1]}/reports/{archive.two_shots}.html#t=3")
        until(page, "document.querySelector('video').readyState >= 2")
        assert time_of(page) == pytest.approx(3, abs=0.01)
        page.close()
        server.should_exit = True
        thread.join()


def test_the_ui_says_what_a_check_found(webserver, chromium):
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{webserver}/assets/color_analysis/?view=checks")
    page.get_by_text(re.compile("^1 (value|undefined of 1)")).first.wait_for(timeout=60_000)
    page.get_by_text("plausible", exact=True).first.click()
    page.get_by_text("All of 1 videos passed").first.wait_for(timeout=60_000)
    page.close()
