"""A DuckLake behind the warehouse: the same answers as the folder gives, from many machines."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.errors import WarehouseError
from resources.warehouse.records import ANALYZER_RUNS, VIDEOS
from resources.warehouse.resource import AnalyzerSpec, ColumnSpec, TableSpec, TextSpec, ViewSpec, Warehouse
from vid_assets.sql.questions import MACROS

ROOT = Path(__file__).parents[2]


def spec(name: str, **columns: Any) -> TableSpec:
    more = (ColumnSpec(column, dtype, "1", "A value") for column, dtype in columns.items())
    return TableSpec(name, "One row per frame", (ColumnSpec("video_id", pl.String, "text", "Key"), *more))


LUMA, TEXT = spec("luma", start_s=pl.Float64, luma=pl.Float64), spec("words", start_s=pl.Float64, text=pl.String)


def rows(video_id: str, *lumas: float) -> pl.DataFrame:
    return LUMA.frame({"video_id": video_id, "start_s": i / 2, "luma": luma} for i, luma in enumerate(lumas))


def words(video_id: str, *texts: str) -> pl.DataFrame:
    return TEXT.frame({"video_id": video_id, "start_s": float(i), "text": text} for i, text in enumerate(texts))


def contents(warehouse: Warehouse) -> dict[str, dict[str, list[tuple]]]:
    """All rows by table and partition, in their order."""
    return {
        table: {key: warehouse.read_partition(table, key).rows() for key in warehouse.partitions(table)}  # pyright: ignore[reportOptionalMemberAccess]
        for table in ("luma", "words")
    }


KEYS = st.sampled_from(["a", "b", "c-0123456789ab"])
LUMAS = st.lists(st.floats(0, 1), max_size=4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("replace"), KEYS, LUMAS),
        st.tuples(st.just("merge"), KEYS, st.lists(st.floats(0, 1), min_size=1, max_size=4)),
        st.tuples(st.just("remove"), KEYS, st.just([])),
        st.tuples(st.just("both"), KEYS, LUMAS),
        st.tuples(st.just("compact"), KEYS, st.just([])),
    ),
    min_size=2,
    max_size=6,
)


def step(warehouse: Warehouse, what: str, key: str, lumas: list[float]) -> None:
    if what == "replace":
        warehouse.replace_partition("luma", key, rows(key, *lumas))
    elif what == "merge":
        warehouse.merge_partition("luma", key, rows(key, *lumas), on="start_s")
    elif what == "remove":
        warehouse.remove_partition("luma", key)
    elif what == "both":
        texts = words(key, *map(str, lumas))
        warehouse.commit({"luma": {key: rows(key, *lumas), "b": None}, "words": {key: texts}})
    else:
        warehouse.compact(everything=True, keep_s=0)


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_folder_and_lake_hold_the_same_after_the_same_steps(
    steps: list[tuple[str, str, list[float]]],
    new_lake: Callable[[], Warehouse],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    lake, folder = new_lake(), Warehouse(path=str(tmp_path_factory.mktemp("folder")))
    for warehouse in (lake, folder):
        warehouse.publish([LUMA, TEXT])
        for each in steps:
            step(warehouse, *each)
    assert contents(lake) == contents(folder)
    for table in ("luma", "words"):
        by = ["video_id", "start_s"]
        assert lake.read_table(table).collect().sort(by).equals(folder.read_table(table).collect().sort(by))


TYPES: dict[str, tuple[Any, Any]] = {
    "f64": (pl.Float64, 0.1), "f32": (pl.Float32, 0.5), "i64": (pl.Int64, -(2**62)), "i32": (pl.Int32, -5),
    "i16": (pl.Int16, 7), "i8": (pl.Int8, -8), "u64": (pl.UInt64, 2**63), "u32": (pl.UInt32, 9), "u16": (pl.UInt16, 3),
    "u8": (pl.UInt8, 255), "text": (pl.String, "ä 'x' \n"), "kind": (pl.Enum(["a", "b"]), "b"),
    "yes": (pl.Boolean, True), "raw": (pl.Binary, b"\x00\xff"), "day": (pl.Date, date(2026, 1, 2)),
    "at": (pl.Datetime("us", "UTC"), datetime(2026, 1, 2, 3, 4, 5, 6, UTC)),
    "naive": (pl.Datetime("us"), datetime(2026, 1, 2, 3, 4, 5, 6)),
    "many": (pl.List(pl.Float64), [0.5, None]), "deep": (pl.List(pl.List(pl.String)), [["x"], []]),
    "box": (pl.Struct({"x": pl.Int64, "name": pl.String}), {"x": 1, "name": None}),
    "boxes": (pl.List(pl.Struct({"x": pl.Float64})), [{"x": 0.5}]),
}  # fmt: skip


def test_each_type_comes_back_as_it_went_in(lake: Warehouse) -> None:
    typed = spec("typed", **{name: dtype for name, (dtype, _) in TYPES.items()})
    lake.publish([typed])
    frame = typed.frame([{"video_id": "a", **{name: value for name, (_, value) in TYPES.items()}}, {"video_id": "a"}])
    lake.replace_partition("typed", "a", frame)
    for read in (lambda: lake.read_partition("typed", "a"), lambda: lake.read_table("typed").collect()):
        assert read().equals(frame)
        assert read().schema == frame.schema
    assert lake.read_table("typed").filter(pl.col("i8") == -8).select("text").collect().rows() == [("ä 'x' \n",)]
    assert lake.read_table("typed").head(1).collect().height == 1


def test_a_new_column_is_added_and_one_that_is_gone_stays_for_older_code(lake: Warehouse) -> None:
    lake.publish([LUMA])
    lake.replace_partition("luma", "a", rows("a", 0.5))
    later = spec("luma", start_s=pl.Float64, chroma=pl.List(pl.Int64))
    assert lake.publish([later])
    lake.replace_partition("luma", "b", later.frame([{"video_id": "b", "start_s": 1.0, "chroma": [1]}]))
    assert lake.read_table("luma").collect().sort("video_id").rows() == [("a", 0.0, None), ("b", 1.0, [1])]
    assert lake.publish([LUMA])
    assert lake.read_table("luma").collect().sort("video_id").rows() == [("a", 0.0, 0.5), ("b", 1.0, None)]
    assert not lake.publish([LUMA])


def test_a_column_of_another_type_is_refused(lake: Warehouse) -> None:
    lake.publish([LUMA])
    with pytest.raises(WarehouseError, match=r"luma\.luma: the lake has DOUBLE, this code declares VARCHAR"):
        lake.publish([spec("luma", start_s=pl.Float64, luma=pl.String)])


def test_a_stage_appears_at_once_and_what_a_killed_run_left_is_published(lake: Warehouse) -> None:
    lake.publish([LUMA, TEXT])
    stage = lake.stage("run-1")
    stage.replace_partition("luma", "a", rows("a", 0.5))
    stage.merge_partition("words", "a", words("a", "x"), on="start_s")
    assert contents(lake) == {"luma": {}, "words": {}}
    code = (
        "import os, sys; from tests.cluster.test_lake import *; warehouse = Warehouse(path=sys.argv[1]);"
        "stage = warehouse.stage('run-2'); stage.replace_partition('luma', 'b', rows('b', 0.25)); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, lake.path], cwd=ROOT, check=False).returncode == 9
    assert lake.adopt() == 1
    stage.close()
    assert contents(lake) == {
        "luma": {"a": [("a", 0.0, 0.5)], "b": [("b", 0.0, 0.25)]},
        "words": {"a": [("a", 0.0, "x")]},
    }


WRITER = """
import sys
from tests.cluster.test_lake import *
warehouse, number = Warehouse(path=sys.argv[1]), int(sys.argv[2])
for turn in range(4):
    key = f"own-{number}-{turn}"
    warehouse.commit({"luma": {key: rows(key, 0.5), "shared": rows("shared", float(number))}})
    mine = words("shared", *["x"] * 32)[number * 4 + turn : number * 4 + turn + 1]
    warehouse.merge_partition("words", "shared", mine, on="start_s")
print("done")
"""


@pytest.mark.slow
def test_of_eight_writers_none_is_refused_and_none_loses_rows(lake: Warehouse) -> None:
    lake.publish([LUMA, TEXT])
    started = [
        subprocess.Popen([sys.executable, "-c", WRITER, lake.path, str(n)], cwd=ROOT, stdout=subprocess.PIPE)
        for n in range(8)
    ]
    while any(process.poll() is None for process in started):
        lake.compact(everything=True, keep_s=3600)
    assert [process.communicate()[0] for process in started] == [b"done\n"] * 8
    own = [f"own-{number}-{turn}" for number in range(8) for turn in range(4)]
    assert lake.partitions("luma") == sorted([*own, "shared"])
    assert lake.read_table("luma").collect().height == 33
    assert lake.read_table("words").collect()["start_s"].sort().to_list() == [float(number) for number in range(32)]


VICTIM = """
import itertools, sys
from tests.cluster.test_lake import *
warehouse = Warehouse(path=sys.argv[1])
for turn in itertools.count(int(sys.argv[2])):
    key = f"v{turn % 7}"
    warehouse.commit({"luma": {key: rows(key, *[turn / 1e6] * 3)}, "words": {key: words(key, *[str(turn)] * 2)}})
    print(turn, flush=True)
"""


@pytest.mark.slow
def test_whoever_is_killed_while_it_publishes_leaves_all_or_nothing(lake: Warehouse) -> None:
    lake.publish([LUMA, TEXT])
    last = 0
    for kill in range(12):
        victim = subprocess.Popen(
            [sys.executable, "-c", VICTIM, lake.path, str(last + 1)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert victim.stdout is not None
        last = int(victim.stdout.readline())
        time.sleep(0.011 * kill)
        victim.kill()
        told = [int(line) for line in victim.communicate()[0].split()]
        last = told[-1] if told else last
        found = contents(lake)
        for key, lumas in found["luma"].items():
            turns = {round(luma * 1e6) for _, _, luma in lumas}
            assert len(turns) == 1
            assert len(lumas) == 3
            assert [text for _, _, text in found["words"][key]] == [str(turn) for turn in turns] * 2
        done = {round(lumas[0][2] * 1e6) for lumas in found["luma"].values()}
        assert max(done) in (last, last + 1)  # the last one may have been committed and not told
        last = max(done)


def test_a_transaction_that_began_before_a_compaction_ends_with_right_rows(lake: Warehouse) -> None:
    lake.publish([LUMA, TEXT])
    for turn in range(9):
        lake.commit({"luma": {f"v{turn}": rows(f"v{turn}", 0.5)}, "words": {f"v{turn}": words(f"v{turn}", "x")}})
    with lake.connect() as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM luma").fetchall() == [(9,)]
        lake.commit({"luma": {"v0": rows("v0", 0.1, 0.2), "v1": None}})
        made = lake.compact()
        assert made.files == 2
        assert made.rows == 18
        assert reader.execute("SELECT count(*), sum(luma) FROM luma").fetchall() == [(9, 4.5)]
        assert reader.execute("SELECT count(*) FROM words").fetchall() == [(9,)]
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*), sum(luma) FROM luma").fetchall() == [(9, 3.8)]


def test_what_no_snapshot_needs_is_removed(lake: Warehouse, tmp_path: Path) -> None:
    lake.publish([LUMA, TEXT])
    for turn in range(9):
        lake.commit({"luma": {f"v{turn}": rows(f"v{turn}", 0.5)}})
    (data,) = tmp_path.glob("lake*")
    assert len(list(data.rglob("*.parquet"))) == 9
    assert lake.compact(keep_s=3600).removed == 0
    lake.compact(keep_s=0)
    lake.compact(keep_s=0)
    assert len(list(data.rglob("*.parquet"))) == 1
    assert len(lake.partitions("luma")) == 9


def test_the_views_and_macros_answer_as_those_of_the_folder(lake: Warehouse, tmp_path: Path) -> None:
    folder = Warehouse(path=str(tmp_path / "folder"))
    asked = [AnalyzerSpec("luma", "picture", "1", None, ("frames",))]
    began = datetime(2026, 1, 2, tzinfo=UTC)
    for warehouse in (folder, lake):
        warehouse.publish(
            [LUMA, TEXT], asked, macros=["CREATE MACRO bright(least := 0.4) AS TABLE FROM luma WHERE luma > least"]
        )
        warehouse.replace_partition("luma", "a", rows("a", 0.1, 0.5))
        warehouse.replace_partition("videos", "a", VIDEOS.frame([{"video_id": "a", "duration_s": 4.0}]))
        record = {"video_id": "a", "analyzer": "luma", "status": "value", "started_at": began, "ended_at": began}
        warehouse.merge_partition("analyzer_runs", "a", ANALYZER_RUNS.frame([record]), on="analyzer")
    for query in (
        "FROM realtime_factor", "FROM realtime_factor_by_analyzer", "FROM video_quality", "FROM analyzers",
        "FROM bright()", "FROM bright(least := 0.05) ORDER BY luma", "SELECT timecode(61.5)",
        "SELECT table_name, column_name, data_type, meaning FROM data_dictionary ORDER BY ALL",
    ):  # fmt: skip
        with folder.connect() as one, lake.connect() as other:
            assert other.execute(query).fetchall() == one.execute(query).fetchall(), query


def test_the_macros_of_the_pipeline_can_be_stored(lake: Warehouse) -> None:
    events = (
        "SELECT video_id, 'luma' AS analyzer, start_s, start_s AS end_s, text AS kind, text, 1.0 AS confidence "
        "FROM words"
    )
    views = [
        ViewSpec("events", "Events", events, {}),
        ViewSpec("texts", "Texts", "SELECT 'luma' AS name", {}),
    ]
    macros = [macro for macro in MACROS if macro.startswith(("CREATE MACRO clips(", "CREATE MACRO timeline("))]
    assert len(macros) == 2
    lake.publish([LUMA, TEXT], views=views, macros=macros, texts=[TextSpec(TEXT, "text", "start_s", None)])
    lake.replace_partition("words", "a", words("a", "your dog", "country"))
    with lake.connect() as connection:
        clips = "SELECT start_s, events FROM clips('{}', source := '{}')"
        assert connection.execute("SELECT start_s, events FROM clips('dog')").fetchall() == [(0.0, 1)]
        assert connection.execute(clips.format("dog", "luma")).fetchall() == [(0.0, 1)]
        assert connection.execute(clips.format("dog", "other")).fetchall() == []
        assert connection.execute("SELECT text FROM search_text('Dog yo')").fetchall() == [("your dog",)]
        assert len(connection.execute("FROM timeline('a')").fetchall()) == 2


def test_a_session_is_read_only(lake: Warehouse) -> None:
    import duckdb

    lake.publish([LUMA])
    with lake.connect() as connection, pytest.raises(duckdb.Error, match="read-only"):
        connection.execute("DELETE FROM luma")


def test_threads_share_a_lake(lake: Warehouse) -> None:
    lake.publish([LUMA])
    threads = [
        threading.Thread(target=lambda n=n: lake.replace_partition("luma", f"v{n}", rows(f"v{n}", 0.5)))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lake.partitions("luma") == [f"v{number}" for number in range(6)]
