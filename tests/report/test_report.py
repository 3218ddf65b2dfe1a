"""The reports as text: what they hold, that it is escaped, and that they load nothing."""

import json
import os
from base64 import b64encode
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.warehouse.resource import Warehouse
from tests.kit.makers import make_analyzer
from tests.kit.report_archive import HOSTILE, SHOWN, make_archive
from vid_assets.analyzers import cut_analysis
from vid_assets.contract import Column, Frames
from vid_assets.defs.factory import analyzer_asset, videos_asset
from vid_assets.defs.report import REPORT_CHECKS, judged, loaded_from_elsewhere
from vid_assets.registry import discover
from vid_assets.report import collect, write_index, write_report
from vid_assets.report.facts import Facts
from vid_assets.report.lanes import BARS, ROWS, describe, lane, spoken
from vid_assets.report.page import clock, ticks, video_page
from vid_assets.report.pictures import shot_pictures, strip
from vid_assets.report.write import Written, is_stale
from vid_assets.settings import Settings
from vid_assets.streams import MediaResource

VOID = {"meta", "link", "img", "input", "source", "br"}


class Outline(HTMLParser):
    """Checks that tags nest and ids are unique; collects texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    with dg.DagsterInstance.ephemeral() as instance:
        return make_archive(tmp_path_factory.mktemp("archive"), instance)


def outline(path):
    page = Outline()
    page.feed(path.read_text())
    page.close()
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    return page


def test_the_page_holds_every_analyzer_and_escapes_words(archive):
    path = archive.reports / f"{archive.two_shots}.html"
    page = outline(path)
    lanes = {attributes["data-analyzer"] for _, attributes in page.tags if "data-analyzer" in attributes}
    assert lanes == {analyzer.name for analyzer in SHOWN}
    assert HOSTILE in page.text
    assert HOSTILE not in path.read_text()
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert [script.get("type") for script in scripts] == ["application/json", None]
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert "did not run" in page.text
    cuts = [attributes for _, attributes in page.tags if attributes.get("class") == "cut"]
    assert [cut["data-t"] for cut in cuts] == ["Shot 1 starts"]
    assert float(cuts[0]["style"].removeprefix("left:").removesuffix("%")) == pytest.approx(
        100 * 2.0 / collect(archive.warehouse, archive.two_shots, SHOWN).duration_s, abs=0.01
    )


def test_pages_load_nothing(archive):
    for video_id in (archive.two_shots, archive.dark, archive.broken):
        assert loaded_from_elsewhere((archive.reports / f"{video_id}.html").read_text()) == []
    assert loaded_from_elsewhere('<img src="http://example.invalid/a.png">') == ["http://example.invalid/a.png"]
    assert loaded_from_elsewhere("<style>a{background:url(b.png)}</style>") == ["url(b.png"]


def test_a_broken_file_has_a_page_with_the_reason(archive):
    page = outline(archive.reports / f"{archive.broken}.html")
    reason = collect(archive.warehouse, archive.broken, SHOWN).records["videos"]["reason"]
    assert f"This file could not be decoded: {reason}" in page.text
    assert not any(tag == "img" for tag, _ in page.tags)


def test_a_file_that_is_cut_off_says_so(archive):
    facts = collect(archive.warehouse, archive.two_shots, SHOWN)
    assert "not whole" not in video_page(facts, None)
    damaged = replace(facts, video=dict(facts.video) | {"warnings": ["ends at 2.00 s of the 4.00 s", "<b>"]})
    assert "The file is incomplete or damaged: ends at 2.00 s of the 4.00 s; &lt;b&gt;." in video_page(damaged, None)


def test_figures(archive):
    facts = collect(archive.warehouse, archive.two_shots, SHOWN)
    assert facts.missing == ["never_run"]
    assert facts.reconstruction_score == pytest.approx(6 / 7)
    assert facts.duration_s == pytest.approx(4.0, abs=0.1)
    assert facts.wall_s is not None
    assert facts.realtime_factor == pytest.approx(facts.wall_s / facts.duration_s)
    with closing(archive.warehouse.connect()) as connection:
        shares = dict(connection.execute("SELECT video_id, wall_s FROM realtime_factor").fetchall())
    assert facts.wall_s == shares[archive.two_shots]
    assert collect(archive.warehouse, archive.broken, SHOWN).title == "broken.mp4"


def test_the_archive_page_links_every_report(archive):
    page = outline(archive.reports / "index.html")
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert links == {f"{video_id}.html" for video_id in (archive.two_shots, archive.dark, archive.broken)}
    pictures = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) == 2
    assert all((archive.reports / source).is_file() for source in pictures)
    assert "3 reports" in page.text


def test_an_empty_archive_has_a_page(tmp_path):
    assert "There is no report yet" in outline(write_index(tmp_path)).text


def test_a_page_is_stale_once_an_analyzer_has_answered_since(archive):
    arguments = (archive.warehouse, archive.reports, archive.two_shots, SHOWN)
    assert not is_stale(*arguments)
    page = archive.reports / f"{archive.two_shots}.html"
    written = page.stat()
    os.utime(page, (0, 0))
    assert is_stale(*arguments)
    os.utime(page, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert is_stale(archive.warehouse, archive.reports / "elsewhere", archive.two_shots, SHOWN)


def test_reports_are_the_same_again(archive):
    page = archive.reports / f"{archive.dark}.html"
    before = page.read_bytes()
    write_report(archive.warehouse, archive.scratch, archive.reports, archive.dark, SHOWN)
    assert page.read_bytes() == before
    card = json.loads((archive.reports / "cards" / f"{archive.dark}.json").read_text())
    assert card["title"] == "dark.mp4"


def test_the_asset_checks_itself(archive, monkeypatch):
    from vid_assets.defs import report as defs

    monkeypatch.setattr(defs, "discover", lambda: (cut_analysis.ANALYZER,))
    resources = {
        "warehouse": Warehouse(path=archive.warehouse.path),
        "media": MediaResource(),
        "settings": Settings(archive="", scratch=str(archive.scratch), reports=str(archive.reports / "again")),
    }
    assets = [videos_asset(), analyzer_asset(cut_analysis.ANALYZER), defs.report_asset()]
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("videos", [archive.two_shots])
        result = dg.materialize(assets, instance=instance, resources=resources, partition_key=archive.two_shots)
        (event,) = result.asset_materializations_for_node("video_report")
    assert event.partition == archive.two_shots
    assert event.metadata["reconstruction_score"].value == 1.0
    previews = Path(event.metadata["previews"].value)
    page = Path(event.metadata["report"].value).read_text()
    encoded = b64encode((previews / "cut_analysis.webp").read_bytes()).decode()
    assert f'<img class="preview" src="data:image/webp;base64,{encoded}"' in page
    checks = {
        item.check_name: item for item in result.get_asset_check_evaluations() if item.asset_key.path == [defs.REPORT]
    }
    assert set(checks) == {"valid", "plausible"}
    assert checks["valid"].passed
    parts = checks["plausible"].metadata.get("failed_parts")
    assert parts is None or set(parts.value) == {"realtime_factor"}  # depends on the machine


@pytest.mark.parametrize(
    ("wall_s", "status", "told"),
    [
        (30.0, "value", {}),
        (30.1, "not_applicable", {"realtime_factor": "3.01 s per second of video"}),
        (5.0, "undefined", {"reconstruction_score": "50%: example"}),
        (5.0, None, {"reconstruction_score": "50%: example", "complete": "example has no record"}),
    ],
)
def test_what_is_held_against_a_video(wall_s, status, told):
    began = datetime(2026, 1, 1, tzinfo=UTC)
    record = {"started_at": began, "ended_at": began + timedelta(seconds=wall_s)}
    records = {"videos": record, "cut_analysis": record | {"status": "value"}}
    records |= {"example": record | {"status": status}} if status else {}
    facts = Facts("clip-0", {"duration_s": 10.0}, [cut_analysis.ANALYZER, make_analyzer()], records, {})
    found = {check.name: check for check in judged(Written(Path("page.html"), "<p>", facts))}
    assert set(found) == {*REPORT_CHECKS["valid"], *REPORT_CHECKS["plausible"]}
    assert {name: "; ".join(check.problems) for name, check in found.items() if not check.passed} == told
    assert found["realtime_factor"].values["realtime_factor"] == pytest.approx(wall_s / 10)


@pytest.mark.parametrize("analyzer", discover(), ids=lambda analyzer: analyzer.name)
def test_any_analyzer_has_a_lane(analyzer):
    assert lane(analyzer, analyzer.empty(), 10.0) is not None


@given(st.lists(st.tuples(st.floats(0, 99), st.floats(0, 1), st.sampled_from("abcdefghij")), max_size=40))
def test_bars_keep_the_axis_and_every_row(rows):
    table = {
        "kind": Column(pl.String, "text", "Kind"),
        "start_s": Column(pl.Float64, "s", "Start"),
        "end_s": Column(pl.Float64, "s", "End"),
    }
    frame = pl.DataFrame(
        {
            "kind": [kind for *_, kind in rows],
            "start_s": [at for at, *_ in rows],
            "end_s": [at + long for at, long, _ in rows],
        },
        schema={name: column.dtype for name, column in table.items()},
    )
    found = lane(make_analyzer(table=table), frame, 100.0)
    assert len(found.bars) <= ROWS
    drawn = [bar for bars in found.bars for bar in bars.bars]
    assert sum(bar.count for bar in drawn) == len(rows)
    assert all(0 <= bar.start_s <= bar.end_s <= 100 for bar in drawn)


def test_many_bars_are_drawn_as_few():
    times = np.arange(20_000) / 10
    table = {
        "kind": Column(pl.String, "text", "Kind"),
        "start_s": Column(pl.Float64, "s", "Start"),
        "end_s": Column(pl.Float64, "s", "End"),
    }
    frame = pl.DataFrame({"kind": "word", "start_s": times, "end_s": times + 0.05})
    (bars,) = lane(make_analyzer(table=table), frame, 2000.0).bars
    assert 0 < len(bars.bars) <= BARS
    assert sum(bar.count for bar in bars.bars) == 20_000


def test_sightings_become_spans():
    table = {
        "time_s": Column(pl.Float64, "s", "Time"),
        "track": Column(pl.Int64, "1", "Track"),
        "label": Column(pl.String, "text", "Label"),
    }
    frame = pl.DataFrame({"time_s": [0.0, 0.5, 1.0, 1.5, 6.0], "track": [0, 0, 0, 0, 0], "label": ["dog"] * 5})
    (bars,) = lane(make_analyzer(table=table), frame, 10.0).bars
    assert [(bar.start_s, bar.end_s, bar.count) for bar in bars.bars] == [(0.0, 1.5, 4), (6.0, 6.0, 1)]


def test_what_a_missing_model_names_is_no_lane():
    table = {
        "time_s": Column(pl.Float64, "s", "Time"),
        "emotion": Column(pl.String, "text", "Emotion", nullable=True),
        "arousal": Column(pl.Float64, "1", "Arousal"),
    }
    frame = pl.DataFrame({"time_s": [0.0, 1.0], "emotion": [None, None], "arousal": [0.1, 0.2]})
    frame = frame.cast({"emotion": pl.String})
    found = lane(make_analyzer(table=table), frame, 2.0)
    assert found.bars == ()
    assert [curve.name for curve in found.curves] == ["arousal"]
    found = lane(make_analyzer(table=table), frame.with_columns(emotion=pl.Series(["calm_voice", None])), 2.0)
    assert [bars.name for bars in found.bars] == ["calm voice", "not named"]


def test_what_is_only_told_apart_has_curves_of_the_one_seen_most():
    table = {
        "time_s": Column(pl.Float64, "s", "Time"),
        "track": Column(pl.Int64, "1", "Track"),
        "openness": Column(pl.Float64, "1", "Openness"),
        "gaze_deg": Column(pl.Float64, "deg", "Gaze", nullable=True),
    }
    frame = pl.DataFrame(
        {
            "time_s": [0.0, 0.0, 1.0, 2.0],
            "track": [0, 1, 1, 1],
            "openness": [0.1, 0.2, 0.3, 0.4],
            "gaze_deg": [50.0, 1.0, 2.0, None],
        }
    )
    found = lane(make_analyzer(table=table), frame, 3.0)
    assert len(found.bars) == 1
    assert [(curve.name, curve.low, curve.high) for curve in found.curves] == [("track 1 gaze_deg", 1.0, 2.0)]
    (curve,) = lane(make_analyzer(table=table), frame.filter(pl.col("track") == 1), 3.0).curves
    assert curve.name == "gaze_deg"


def test_a_prompt_without_an_answer_is_no_bar():
    table = {
        "start_s": Column(pl.Float64, "s", "Start"),
        "prompt": Column(pl.String, "text", "Prompt"),
        "text": Column(pl.String, "text", "Answer", nullable=True),
    }
    frame = pl.DataFrame({"start_s": [0.0, 1.0], "prompt": ["scene"] * 2, "text": ["a dog", None]})
    (bars,) = lane(make_analyzer(table=table), frame, 2.0).bars
    assert [bar.text for bar in bars.bars] == ["a dog"]


def test_a_shot_too_short_for_a_picture_is_shown():
    frames = Frames(np.zeros((2, 36, 64, 3), np.uint8), np.array([0.0, 0.5]), np.array([0, 12]))
    pictures = shot_pictures(frames, [(0.0, 0.6), (0.6, 0.7)])
    assert [(number, picture is None) for number, _, picture in pictures] == [(0, False), (1, True)]


@pytest.mark.parametrize(("tall", "wide"), [(360, 640), (272, 640), (480, 640), (640, 360), (10, 600), (600, 10)])
def test_the_film_strip_is_full_of_pictures(tall, wide):
    array = np.full((3, tall, wide, 3), 200, np.uint8)
    array[1] = 100
    frames = Frames(array, np.array([0.0, 4.0, 8.0]), np.arange(3))
    picture = strip(frames, 12.0, 1600)
    assert picture.shape == (90, 1600, 3)
    assert set(np.unique(picture)) == {100, 200}
    assert picture[45, 100, 0] == picture[45, 1500, 0] == 200
    assert picture[45, 600, 0] == 100


def test_curves_break_where_nothing_was_measured():
    table = {
        "time_s": Column(pl.Float64, "s", "Time"),
        "level": Column(pl.Float64, "dB", "Level", nullable=True),
        "flat": Column(pl.Float64, "1", "Flat"),
    }
    frame = pl.DataFrame({"time_s": [0.0, 1.0, 2.0, 3.0], "level": [1.0, None, 3.0, 2.0], "flat": [1.0] * 4})
    (curve,) = lane(make_analyzer(table=table), frame, 4.0).curves
    assert (curve.name, curve.low, curve.high) == ("level", 1.0, 3.0)
    assert curve.pieces == (((0.0, 1.0),), ((2.0, 3.0), (3.0, 2.0)))


@pytest.mark.parametrize(
    ("name", "unit", "text"),
    [
        ("speed_change", "", "speed change"),
        ("pitch_hz", "Hz", "pitch"),
        ("level_db", "dBFS", "level"),
        ("key_time_s", "s", "key time"),
        ("words_a_minute", "1/min", "words a minute"),
        ("s", "s", "s"),
    ],
)
def test_names_in_words(name, unit, text):
    assert spoken(name, unit) == text


def test_a_unit_that_is_not_told_stays_in_the_name():
    columns = {"key_frame": Column(pl.Int64, "frame", "Frame"), "key_time_s": Column(pl.Float64, "s", "Time")}
    assert describe(columns, {"key_frame": 150, "key_time_s": 6.0}) == "key frame 150 · key time 6 s"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.0"), (59.96, "1:00.0"), (62.5, "1:02.5"), (3602.5, "1:00:02.5")]
)
def test_times_in_words(seconds, text):
    assert clock(seconds) == text


@given(st.floats(0.01, 200_000))
def test_the_axis_is_never_crowded(duration_s):
    assert 1 <= len(ticks(duration_s)) <= 11
    assert all(0 <= tick <= duration_s * 1.000001 for tick in ticks(duration_s))
