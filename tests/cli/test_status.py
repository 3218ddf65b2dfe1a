"""``vid-assets status``: what is done, failed and why, what is left and what it takes, printed and on a page."""

import json

import pytest

from resources.warehouse.records import ANALYZER_RUNS, SOURCES, VIDEOS
from tests.cli.conftest import SILENT, SPEECH, record
from vid_assets.cli import main
from vid_assets.registry import discover
from vid_assets.sql.progress import lasting, remaining, unanswered

EVERY = [analyzer.name for analyzer in discover()]
NO_MODEL = "depth: the profile 'offline' has no model for it; vid-assets models pull --profile cpu fetches one"


def fill(archive, **answers):
    """Give both videos an answer of every analyzer: status and reason by analyzer, `value` for the rest."""
    for video_id in (SPEECH, SILENT):
        rows = [record(video_id, name, *answers.get(name, ("value", None))) for name in EVERY]
        archive.replace_partition(ANALYZER_RUNS.name, video_id, ANALYZER_RUNS.frame(rows))


def test_nothing_is_left(own_archive, capsys):
    fill(own_archive)
    assert main(["status"]) == 0
    assert "left to do: nothing" in capsys.readouterr().out


def test_what_is_left_takes_as_long_as_before(own_archive):
    fill(own_archive)
    # two more files: one as long, one not decoded but twice as large
    for name, size in (("third", 100), ("fourth", 200)):
        key = f"{name}-00000000000{size // 100}"
        own_archive.replace_partition(SOURCES.name, key, SOURCES.frame([{"video_id": key, "size_bytes": size}]))
    third = {"video_id": "third-000000000001", "duration_s": 20.0, "size_bytes": 100}
    own_archive.replace_partition(VIDEOS.name, third["video_id"], VIDEOS.frame([third]))
    with own_archive.connect() as connection:
        found = remaining(connection)
        busy_s = connection.execute("SELECT sum(busy_s), max(videos) FROM remaining").fetchone()
        wall_s = connection.execute("SELECT sum(wall_s) / sum(video_s) FROM realtime_factor").fetchone()
    # every step took a second for 20 s of video; 20 s and 200 bytes x 0.2 s are left
    assert (found.videos, found.video_s, found.unknown) == (2, pytest.approx(60.0), 0)
    assert busy_s == (pytest.approx(len(EVERY) * 60.0 / 20.0), 2)
    assert found.wall_s == pytest.approx(60.0 * wall_s[0])


def test_without_any_answer_nothing_is_guessed(places, own_archive, capsys):
    for video_id in (SPEECH, SILENT):
        own_archive.replace_partition(ANALYZER_RUNS.name, video_id, ANALYZER_RUNS.frame([]))
    assert main(["status"]) == 0
    assert "left to do: 2 videos, 40 s of video; how long it takes is known after the first video" in (
        capsys.readouterr().out
    )


def test_reasons_of_one_kind_are_one(own_archive, capsys):
    fill(own_archive, depth_estimation=("undefined", NO_MODEL), cut_analysis=("failed", "the disk is full"))
    reasons = [f"only {count} of /films/{name} pictures are like it" for count, name in ((3, "a.mp4"), (12, "b c.mp4"))]
    for video_id, reason in zip((SPEECH, SILENT), reasons, strict=True):
        rows = [record(video_id, "blip2", "undefined", reason.replace("b c", "b"))]
        rows.append(record(video_id, "depth_estimation", "undefined", NO_MODEL))
        own_archive.replace_partition(ANALYZER_RUNS.name, video_id, ANALYZER_RUNS.frame(rows))
    with own_archive.connect() as connection:
        found = {item.analyzer: (item.videos, item.status) for item in unanswered(connection, 10)}
    assert found == {"blip2": (2, "undefined"), "depth_estimation": (2, "undefined")}
    assert main(["status"]) == 0
    assert f"not answered by depth_estimation for 2: {NO_MODEL}" in capsys.readouterr().out


def test_the_page_says_the_same_and_escapes_it(places, own_archive, capsys):
    fill(own_archive, cut_analysis=("failed", "<script>alert(1)</script> of a.mp4"))
    assert main(["status", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["videos"]["with_failures"] == 2
    page = (places / "reports" / "status.html").read_text()
    assert facts["page"] == str(places / "reports" / "status.html")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; of a.mp4" in page
    assert "<script" not in page
    assert "vid-assets backfill --retry" in page
    assert page.count(f'href="{SILENT}.html"') == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (600, "10 min"), (5400, "1.5 h"), (86400, "24 h"), (864000, "10.0 days")],
)
def test_lengths_in_words(seconds, text):
    assert lasting(seconds) == text


def test_the_archive_page_links_the_state_as_soon_as_there_is_one(places, own_archive):
    from vid_assets.report.index import write_index

    page = write_index(places / "reports")
    assert "status.html" not in page.read_text()
    assert main(["status"]) == 0
    assert '<a href="status.html">' in page.read_text()
