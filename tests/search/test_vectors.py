"""The memory-mapped copy of a table's vectors: exact answers, and renewal."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.warehouse.records import ANALYZER_RUNS
from resources.warehouse.resource import Warehouse
from vid_assets.indexes import passages
from vid_assets.measures.vectors import as_bytes
from vid_assets.search import vectors as module
from vid_assets.search.vectors import Vectors
from vid_assets.sql.publish import table_spec

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
MODEL = "m 1"
RNG = np.random.default_rng(0)


def key(number: int) -> str:
    return f"v{number}-{number:012x}"


def put(warehouse, number, vectors, texts=None, *, model="m", minute=0):
    """Give a video passages with these vectors, as its analysis at this minute does."""
    video = key(number)
    rows = {
        "video_id": [video] * len(vectors),
        "source": ["cues"] * len(vectors),
        "start_s": [float(place) for place in range(len(vectors))],
        "end_s": [float(place + 1) for place in range(len(vectors))],
        "text": texts or [f"{video} {place} at {minute}" for place in range(len(vectors))],
        "embedding": as_bytes(np.asarray(vectors, np.float32)).tolist(),
    }
    schema = warehouse.schema_of("passages")
    warehouse.replace_partition("passages", video, pl.DataFrame(rows, schema))
    at = NOON + timedelta(minutes=minute)
    record = {"video_id": video, "analyzer": "passages", "status": "value", "model": model, "revision": "1"}
    frame = ANALYZER_RUNS.frame([record | {"started_at": at, "ended_at": at, "rows": len(vectors)}])
    warehouse.replace_partition(ANALYZER_RUNS.name, video, frame)


@pytest.fixture
def warehouse(tmp_path):
    made = Warehouse(path=str(tmp_path / "warehouse"))
    made.publish([table_spec(passages.ANALYZER)])
    return made


@pytest.fixture
def found(warehouse, tmp_path):
    return Vectors(warehouse, tmp_path / "scratch", "passages", ("source", "start_s", "end_s", "text"))


def exact(question, given):
    """The order that numpy finds over all rows, by (video, row)."""
    places = [(video, row) for video, rows in given.items() for row in range(len(rows))]
    table = np.concatenate([as_bytes(rows) for rows in given.values()]).astype(np.float64)
    scores = table @ question / np.linalg.norm(table, axis=1) / np.linalg.norm(question)
    order = np.argsort(-scores, kind="stable")
    return [(key(places[at][0]), float(places[at][1]), pytest.approx(scores[at], abs=1e-5)) for at in order]


def told(hits):
    return [(hit.row["video_id"], hit.row["start_s"], hit.score) for hit in hits]


def test_the_nearest_are_those_of_an_exhaustive_comparison(warehouse, found, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 7)
    given = {number: RNG.normal(size=(RNG.integers(1, 30), 24)).astype(np.float32) for number in range(9)}
    for number, rows in given.items():
        put(warehouse, number, rows)
    for _ in range(5):
        question = RNG.normal(size=24).astype(np.float32)
        assert told(found.refreshed().nearest(question, MODEL, 12)) == exact(question, given)[:12]
    some = {number: given[number] for number in (2, 5)}
    hits = found.refreshed().nearest(question, MODEL, 1000, {key(2), key(5)})
    assert told(hits) == exact(question, some)


def test_what_came_since_is_taken_in_and_what_is_gone_is_not_found(warehouse, found):
    one, two, three = np.eye(3, dtype=np.float32)
    put(warehouse, 1, [one, two])
    assert [hit.row["text"] for hit in found.refreshed().nearest(two, MODEL, 1)] == [f"{key(1)} 1 at 0"]
    put(warehouse, 2, [two])
    put(warehouse, 1, [three], minute=1)
    hits = found.refreshed().nearest(two, MODEL, 5)
    assert [(hit.row["text"], round(hit.score, 3)) for hit in hits] == [
        (f"{key(2)} 0 at 0", 1.0),
        (f"{key(1)} 0 at 1", 0.0),
    ]
    warehouse.remove_partition(ANALYZER_RUNS.name, key(2))
    assert [hit.row["video_id"] for hit in found.refreshed().nearest(two, MODEL, 5)] == [key(1)]


def test_nothing_is_written_again_when_nothing_came(warehouse, found):
    put(warehouse, 1, np.eye(3))
    found.refreshed()
    before = {path.name: path.stat().st_mtime_ns for path in found.folder.iterdir() if path.name != ".lock"}
    found.refreshed()
    assert {path.name: path.stat().st_mtime_ns for path in found.folder.iterdir() if path.name != ".lock"} == before


def test_many_parts_become_one_and_none_is_left_over(warehouse, found):
    given = {}
    for number in range(module._MOST_PARTS + 3):
        given[number] = RNG.normal(size=(2, 8)).astype(np.float32)
        put(warehouse, number, given[number])
        parts = set(found.refreshed().index["part"])
        assert len(parts) <= module._MOST_PARTS
        assert {path.name.split(".")[0] for path in found.folder.glob("[!.]*")} == {*parts, "index"}
    question = RNG.normal(size=8).astype(np.float32)
    assert told(found.refreshed().nearest(question, MODEL, 6)) == exact(question, given)[:6]


def test_the_same_text_of_a_video_is_one_hit(warehouse, found):
    put(warehouse, 1, [[1, 0], [1, 0.1], [0, 1]], ["logo", "logo", "other"])
    hits = found.refreshed().nearest(np.array([1, 0], np.float32), MODEL, 5)
    assert [hit.row["text"] for hit in hits] == ["logo", "other"]


def test_many_doubles_and_rows_that_are_not_kept_do_not_hide_the_others(warehouse, found):
    texts = ["logo"] * 200 + [f"line {place}" for place in range(40)]
    vectors = [[1, 0.001 * place] for place in range(240)]
    put(warehouse, 1, vectors, texts)
    question = np.array([1, 0], np.float32)
    hits = found.refreshed().nearest(question, MODEL, 3)
    assert [hit.row["text"] for hit in hits] == ["logo", "line 0", "line 1"]
    kept = found.refreshed().nearest(question, MODEL, 2, keep=lambda row: row["start_s"] >= 238)
    assert [hit.row["text"] for hit in kept] == ["line 38", "line 39"]
    assert len(found.refreshed().nearest(question, MODEL, 100)) == 41


def test_vectors_of_another_model_are_not_compared(warehouse, found):
    put(warehouse, 1, np.eye(3))
    put(warehouse, 2, np.eye(5), model="other")
    now = found.refreshed()
    assert {hit.row["video_id"] for hit in now.nearest(np.eye(3, dtype=np.float32)[0], MODEL, 9)} == {key(1)}
    assert {hit.row["video_id"] for hit in now.nearest(np.eye(5, dtype=np.float32)[0], "other 1", 9)} == {key(2)}
    assert (now.others(MODEL), now.others("other 1")) == (1, 1)


def test_a_video_without_passages_is_known_and_not_looked_for_again(warehouse, found):
    put(warehouse, 1, np.empty((0, 3)))
    assert found.refreshed().nearest(np.ones(3, np.float32), MODEL, 5) == []
    assert found.refreshed().index["video_id"].to_list() == [key(1)]
    put(warehouse, 2, np.eye(3))
    assert len(found.refreshed().nearest(np.ones(3, np.float32), MODEL, 5)) == 3


@pytest.mark.parametrize("damage", ["garbled", "older", "empty", "part gone", "all gone"])
def test_what_is_damaged_or_of_another_release_is_made_again(warehouse, found, damage):
    put(warehouse, 1, np.eye(3))
    put(warehouse, 2, np.empty((0, 3)))
    before = found.refreshed()
    path = found.folder / module.INDEX
    if damage == "garbled":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "older":
        before.index.drop("answers").write_ipc(path)
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        for file in found.folder.glob("*.norms.npy" if damage == "part gone" else "*"):
            file.unlink()
    again = Vectors(warehouse, found.folder.parents[1], "passages", ("source", "start_s", "end_s", "text")).refreshed()
    assert again.index.drop("part").sort("video_id").equals(before.index.drop("part").sort("video_id"))
    assert len(again.nearest(np.eye(3, dtype=np.float32)[0], MODEL, 9)) == 3


def test_two_processes_share_a_folder(warehouse, found, tmp_path):
    other = Vectors(warehouse, tmp_path / "scratch", "passages", ("source", "start_s", "end_s", "text"))
    put(warehouse, 1, np.eye(3))
    before = found.refreshed()
    assert other.refreshed().index.equals(before.index)
    put(warehouse, 1, 2 * np.eye(3) + 0.1, minute=1)
    other.refreshed()
    assert [hit.row["text"] for hit in before.nearest(np.eye(3, dtype=np.float32)[2], MODEL, 1)] == [f"{key(1)} 2 at 0"]
    assert [hit.row["text"] for hit in found.refreshed().nearest(np.eye(3, dtype=np.float32)[2], MODEL, 1)] == [
        f"{key(1)} 2 at 1"
    ]


@given(st.lists(st.lists(st.floats(-5, 5, width=32), min_size=4, max_size=4), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_bytes_keep_the_direction(rows):
    vectors = np.array(rows, np.float32)
    made = as_bytes(vectors)
    assert made.dtype == np.int8
    for vector, byte in zip(vectors.astype(np.float64), made.astype(np.float64), strict=True):
        if np.abs(vector).max() < 1e-6:
            continue
        assert np.abs(byte).max() == 127
        assert vector @ byte / np.linalg.norm(vector) / np.linalg.norm(byte) > 0.9999
