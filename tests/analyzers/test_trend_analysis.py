"""What a video adds to the trends of its archive, and the trends."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.warehouse.records import SOURCES
from resources.warehouse.resource import Warehouse
from tests.kit.makers import make_video
from vid_assets.analyzers import audio_environment, color_analysis, object_detection, temporal_flow, text_overlay
from vid_assets.analyzers.trend_analysis import ANALYZER, FUNCTION_WORDS, preview, run, words_of
from vid_assets.contract import Undefined
from vid_assets.pipeline.checks import check_table
from vid_assets.registry import computed, discover
from vid_assets.sql.publish import table_spec, texts
from vid_assets.sql.questions import MACROS, views


def table(module, *rows):
    return pl.DataFrame(rows, schema=module.ANALYZER.schema)


def test_amounts_are_exact():
    words = pl.DataFrame({"word": ["The", "Harbour,", "harbour", "is", "cold"]})
    shown = table(text_overlay, {"text": "Cold news"})
    objects = table(
        object_detection,
        *({"label": label, "track": track} for label, track in [("car", 0), ("car", 0), ("car", 2), ("dog", 1)]),
    )
    colours = table(color_analysis, *({"colour_name": name} for name in ("red", "red", "blue", "red")))
    flow = table(temporal_flow, {"boundaries": 2, "motion_energy": 0.5}, {"boundaries": 1, "motion_energy": None})
    sounds = table(
        audio_environment,
        {"kind": "speech", "start_s": 0.0, "end_s": 3.0},
        {"kind": "noise", "start_s": 3.0, "end_s": 4.0},
    )
    found = run(make_video(), words, shown, objects, colours, flow, sounds)
    assert found.rows() == [
        ("word", "cold", 2.0), ("word", "harbour", 2.0), ("word", "news", 1.0),
        ("object", "car", 2.0), ("object", "dog", 1.0),
        ("colour", "red", 0.75), ("colour", "blue", 0.25),
        ("pace", "shot boundaries a minute", 18.0), ("pace", "motion energy", 0.5),
        ("sound", "speech", 0.75), ("sound", "noise", 0.25),
    ]  # fmt: skip
    assert all(check.passed for check in check_table(ANALYZER, found, make_video()))
    assert preview(found).std() > 10


def test_nothing_to_rest_on():
    assert isinstance(run(make_video(), *[None] * 6), Undefined)
    only = run(make_video(), None, None, table(object_detection), None, None, None)
    assert only.is_empty()
    assert preview(only) is None


@given(st.lists(st.text()))
def test_words_are_lower_case_and_no_function_words(texts):
    words = words_of(texts)
    assert all(len(word) >= 3 and word not in FUNCTION_WORDS for word in words)
    assert words_of(texts + texts) == {word: 2 * count for word, count in words.items()}


@pytest.fixture
def warehouse(tmp_path):
    """Two videos of March and one of May, in a warehouse with the project's views and macros."""
    made = Warehouse(path=str(tmp_path))
    made.publish([table_spec(item) for item in computed()], (), views(discover()), MACROS, texts(discover()))
    items = {"a": (3, [("word", "harbour", 4.0)]), "b": (3, [("word", "cold", 1.0)]), "c": (5, [("word", "cold", 3.0)])}
    for video_id, (month, rows) in items.items():
        source = {"video_id": video_id, "modified_at": datetime(2026, month, 9, tzinfo=UTC), "path": f"/{video_id}.mp4"}
        made.replace_partition("sources", video_id, SOURCES.frame([source]))
        found = pl.DataFrame(rows, ANALYZER.schema, orient="row")
        made.replace_partition("trend_analysis", video_id, found.select(pl.lit(video_id).alias("video_id"), pl.all()))
    return made


def ask(warehouse, query):
    connection = warehouse.connect()
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_trends_by_month(warehouse):
    query = "SELECT period::VARCHAR, item, videos, per_video, per_video_before, rise, video_ids FROM trends"
    assert ask(warehouse, query) == [
        ("2026-03-01", "harbour", 1, 2.0, None, None, ["a"]),
        ("2026-03-01", "cold", 1, 0.5, None, None, ["b"]),
        ("2026-05-01", "cold", 1, 3.0, 0.5, 2.5, ["c"]),
    ]


def put(warehouse, analyzer, video_id, *rows):
    schema = next(item.schema for item in discover() if item.name == analyzer)
    frame = pl.DataFrame(rows, schema=schema).select(pl.lit(video_id).alias("video_id"), pl.all())
    warehouse.replace_partition(analyzer, video_id, frame)


def test_timeline_search_and_clips(warehouse):
    put(warehouse, "speech_rate", "a", {"kind": "phrase", "start_s": 2.0, "end_s": 4.0, "text": "The harbour is cold"})
    put(
        warehouse, "object_detection", "a",
        *({"time_s": time, "frame": 1, "track": 0, "label": "dog", "score": 0.5} for time in (1.0, 1.5, 2.0, 6.0)),
    )  # fmt: skip
    put(warehouse, "object_detection", "b", {"time_s": 3.0, "frame": 1, "track": 0, "label": "dog", "score": 0.5})
    assert ask(warehouse, "SELECT start_s, end_s, analyzer, kind, text FROM timeline('a')")[:2] == [
        (1.0, None, "object_detection", "dog", "dog"),
        (1.5, None, "object_detection", "dog", "dog"),
    ]
    assert ask(warehouse, "SELECT video_id, start_s FROM search_text('COLD harbour')") == [("a", 2.0)]
    assert ask(warehouse, "FROM search_text('warm harbour')") == []
    assert ask(warehouse, "FROM clips('dog')") == [("a", 1.0, 2.0, 3), ("a", 6.0, 6.0, 1), ("b", 3.0, 3.0, 1)]
    assert ask(warehouse, "FROM clips('dog', gap_s := 5)") == [("a", 1.0, 6.0, 4), ("b", 3.0, 3.0, 1)]
    assert ask(warehouse, "FROM clips('dog', source := 'speech_rate')") == []


def test_every_view_has_its_columns_explained(warehouse):
    unexplained = "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND comment IS NULL"
    assert ask(warehouse, unexplained) == []
