"""Partitions, tables and views of the warehouse; its behaviour under many processes is in test_warehouse_processes."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb  # noqa: TID253 - the sessions of users are under test
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.errors import WarehouseError
from resources.warehouse.commits import commits
from resources.warehouse.resource import FIXED_TABLES, AnalyzerSpec, ColumnSpec, TableSpec, Warehouse
from resources.warehouse.schema import schema_file
from resources.warehouse.stage import STAGED, close_stage
from resources.warehouse.views import SETTLE_S

LUMA = TableSpec(
    "luma",
    "One row per frame",
    (
        ColumnSpec("video_id", pl.String, "text", "Partition key"),
        ColumnSpec("start_s", pl.Float64, "s", "When it's shown"),
        ColumnSpec("luma", pl.Float64, "1", "Mean luma"),
    ),
)
FIXED = {spec.name: spec for spec in FIXED_TABLES}
T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def rows(video_id: str, *lumas: float) -> pl.DataFrame:
    return LUMA.frame({"video_id": video_id, "start_s": i / 2, "luma": luma} for i, luma in enumerate(lumas))


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(path=str(tmp_path / "warehouse"))


def query(warehouse: Warehouse, sql: str) -> list[tuple]:
    with warehouse.connect() as connection:
        return connection.execute(sql).fetchall()


def found(warehouse: Warehouse, key: str) -> pl.DataFrame:
    frame = warehouse.read_partition("luma", key)
    assert frame is not None
    return frame


def files_of(warehouse: Warehouse, folder: str) -> set[str]:
    return {file.name for file in (warehouse.root / folder).rglob("*") if not file.is_dir()}


def test_a_partition_is_replaced_read_and_removed(warehouse: Warehouse) -> None:
    warehouse.publish([LUMA])
    warehouse.replace_partition("luma", "a", rows("a", 0.1, 0.2))
    warehouse.replace_partition("luma", "b", rows("b", 0.5))
    warehouse.replace_partition("luma", "a", rows("a", 0.3))
    assert warehouse.partitions("luma") == ["a", "b"]
    assert found(warehouse, "a").equals(rows("a", 0.3))
    assert query(warehouse, "FROM luma ORDER BY video_id") == [("a", 0.0, 0.3), ("b", 0.0, 0.5)]
    assert warehouse.read_table("luma").collect().sort("video_id").equals(pl.concat([rows("a", 0.3), rows("b", 0.5)]))
    warehouse.remove_partition("luma", "a")
    warehouse.remove_partition("luma", "never_there")
    assert warehouse.read_partition("luma", "a") is None
    assert warehouse.read_partition("luma", "never_there") is None
    assert warehouse.partitions("luma") == ["b"]
    assert query(warehouse, "FROM luma") == [("b", 0.0, 0.5)]
    assert warehouse.read_table("luma").collect().equals(rows("b", 0.5))
    warehouse.replace_partition("luma", "a", rows("a", 0.4))
    assert query(warehouse, "FROM luma WHERE video_id = 'a'") == [("a", 0.0, 0.4)]


def test_an_unpublished_table_takes_partitions_but_has_no_readers(warehouse: Warehouse) -> None:
    assert warehouse.partitions("luma") == []
    warehouse.replace_partition("luma", "a", rows("a", 0.1))
    assert warehouse.partitions("luma") == ["a"]
    with pytest.raises(WarehouseError, match="not published"):
        warehouse.read_table("luma")
    with pytest.raises(WarehouseError, match="nothing is published"):
        warehouse.connect()
    warehouse.remove_partition("luma", "never_there")
    assert warehouse.partitions("luma") == ["a"]
    warehouse.remove_partition("luma", "a")
    assert warehouse.partitions("luma") == []


@pytest.mark.parametrize("key", ["", ".hidden", "a/b", "../a", "a b", "@schema", "a*", "[a]", "a\0", "a\n", "x" * 181])
def test_keys_that_are_no_safe_file_names_are_refused(warehouse: Warehouse, key: str) -> None:
    for use in (
        lambda: warehouse.replace_partition("luma", key, rows("a")),
        lambda: warehouse.read_partition("luma", key),
        lambda: warehouse.remove_partition("luma", key),
    ):
        with pytest.raises(WarehouseError, match="cannot be in a file name") as caught:
            use()
        assert repr(key) in caught.value.culprit


@pytest.mark.parametrize("table", ["", "a-b", "../a", "a b", "1a", "ä"])
def test_tables_that_are_no_identifiers_are_refused(warehouse: Warehouse, table: str) -> None:
    with pytest.raises(WarehouseError, match="not an identifier"):
        warehouse.replace_partition(table, "a", rows("a"))
    with pytest.raises(WarehouseError, match="not a plain name"):
        TableSpec(table, "x", LUMA.columns)


def test_long_and_foreign_keys_work(warehouse: Warehouse) -> None:
    warehouse.publish([LUMA])
    keys = ["_leading", "ü" * 90, "x" * 180, "clip-1.25+b.parquet", "視頻-0123456789ab"]
    for key in keys:
        warehouse.replace_partition("luma", key, rows(key, 0.5))
    assert warehouse.partitions("luma") == sorted(keys)
    assert {key for (key,) in query(warehouse, "SELECT video_id FROM luma")} == set(keys)


def test_specs_that_contradict_themselves_are_refused(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="more than once"):
        TableSpec("t", "x", (LUMA.columns[0], LUMA.columns[0]))
    with pytest.raises(WarehouseError, match="no columns"):
        TableSpec("t", "x", ())
    for dtype in (pl.Null(), pl.Object(), pl.Duration("us"), pl.Datetime("ns"), pl.List(pl.Time), pl.Struct([])):
        with pytest.raises(WarehouseError, match=r"t\.c: type .* cannot be stored"):
            TableSpec("t", "x", (ColumnSpec("c", dtype, "1", "x"),))
    with pytest.raises(WarehouseError, match="unknown columns"):
        LUMA.frame([{"video_id": "a", "lumma": 1.0}])
    for taken in ("videos", "video_quality", "analyzers"):
        with pytest.raises(WarehouseError, match="more than one table or view"):
            warehouse.publish([TableSpec(taken, "x", LUMA.columns)])
    with pytest.raises(WarehouseError, match="choose another folder"):
        Warehouse(path=f"{warehouse.path}/why?").publish([])


def test_frames_that_would_break_the_view_are_refused(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match=r"luma\.start_s: type Null cannot be stored"):
        warehouse.replace_partition("luma", "a", pl.DataFrame({"video_id": ["a"], "start_s": [None]}))
    warehouse.publish([LUMA])
    with pytest.raises(WarehouseError, match=r"luma\.luma: the rows have String, the published table has Float64"):
        warehouse.replace_partition("luma", "a", pl.DataFrame({"video_id": ["a"], "luma": ["bright"]}))
    for other in (rows("b", 0.1), pl.concat([rows("a", 0.1), rows("b", 0.1)]), rows("a", 0.1).drop("video_id")):
        with pytest.raises(WarehouseError, match="table luma, key 'a': it has rows of another partition"):
            warehouse.replace_partition("luma", "a", other)
    assert warehouse.partitions("luma") == []


def test_a_failed_write_leaves_the_old_rows_and_no_litter(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.replace_partition("luma", "a", rows("a", 0.1))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        warehouse.replace_partition("luma", "a", rows("a", 0.2))
    assert found(warehouse, "a").equals(rows("a", 0.1))
    assert files_of(warehouse, "tail") == {"luma.parquet"}
    assert list((warehouse.root / ".tmp").iterdir()) == []


def test_the_last_write_wins_also_where_the_clock_was_set_back(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.publish([LUMA])
    now = time.time_ns()
    for minutes, luma in ((0, 0.1), (-5, 0.2), (-5, 0.3), (-9, 0.4)):
        monkeypatch.setattr(time, "time_ns", lambda minutes=minutes: now + minutes * 60 * 10**9)
        warehouse.replace_partition("luma", "a", rows("a", luma))
    assert found(warehouse, "a").equals(rows("a", 0.4))
    assert query(warehouse, "SELECT luma FROM luma") == [(0.4,)]


def test_merging_replaces_rows_of_the_same_value_and_keeps_the_others(warehouse: Warehouse) -> None:
    warehouse.merge_partition("luma", "a", rows("a", 0.1, 0.2), on="start_s")
    warehouse.merge_partition("luma", "a", rows("a", 0.3).cast({"luma": pl.Float64}), on="start_s")
    merged = warehouse.read_partition("luma", "a")
    assert merged is not None
    assert merged.sort("start_s").equals(rows("a", 0.3, 0.2))
    grown = rows("a", 0.4).with_columns(pl.lit(None, pl.Float64).alias("start_s"), extra=pl.lit(1))
    for _ in range(2):
        warehouse.merge_partition("luma", "a", grown, on="start_s")
    merged = warehouse.read_partition("luma", "a")
    assert merged is not None
    assert merged["extra"].to_list() == [None, None, 1]


def test_threads_that_merge_at_once_lose_nothing(warehouse: Warehouse) -> None:
    with ThreadPoolExecutor(8) as pool:
        for video in ("a", "b"):
            for second in range(20):
                row = LUMA.frame([{"video_id": video, "start_s": second, "luma": 0.5}])
                pool.submit(warehouse.merge_partition, "luma", video, row, "start_s")
    for video in ("a", "b"):
        merged = warehouse.read_partition("luma", video)
        assert merged is not None
        assert sorted(merged["start_s"]) == list(range(20))


def test_a_session_sees_every_table_as_it_was_at_one_moment(warehouse: Warehouse) -> None:
    other = TableSpec("other", "x", LUMA.columns)
    warehouse.publish([LUMA, other])
    for table in ("luma", "other"):
        warehouse.replace_partition(table, "a", rows("a", 0.1))
    both = "SELECT luma.luma, other.luma FROM luma JOIN other USING (video_id)"
    with warehouse.connect() as session:
        session.execute("BEGIN")
        assert session.execute("SELECT luma FROM luma").fetchall() == [(0.1,)]
        for table in ("luma", "other"):
            warehouse.replace_partition(table, "a", rows("a", 0.2))
        time.sleep(SETTLE_S)
        assert session.execute(both).fetchall() == [(0.1, 0.1)]
        session.execute("COMMIT")
        assert session.execute(both).fetchall() == [(0.2, 0.2)]


def test_a_commit_is_seen_once_it_is_settled(warehouse: Warehouse) -> None:
    warehouse.publish([LUMA])
    with warehouse.connect() as session:
        luma = "SELECT luma FROM luma"
        warehouse.commit({"luma": {"a": rows("a", 0.1)}})
        (first,) = commits(warehouse.root)
        second = first.stamp + 10**9
        time.sleep(SETTLE_S)
        shutil.copytree(first.folder, first.folder.with_name(f"{second:016}"))
        assert session.execute(luma).fetchall() == [(0.1,)]
        warehouse.commit({"luma": {"a": rows("a", 0.2)}})
        assert commits(warehouse.root)[-1].stamp > second
        assert session.execute(luma).fetchall() == [(0.1,)]
        assert warehouse.read_table("luma").collect()["luma"].to_list() == [0.2]


def test_a_commit_of_several_tables_is_one_moment(warehouse: Warehouse) -> None:
    other = TableSpec("other", "x", LUMA.columns)
    warehouse.publish([LUMA, other])
    warehouse.commit({"luma": {"a": rows("a", 0.1), "b": None}, "other": {"a": rows("a", 0.1)}, "videos": {}})
    assert warehouse.commit({}) is None
    assert warehouse.commit({"luma": {}}) is None
    assert query(warehouse, "SELECT count(*) FROM luma JOIN other USING (video_id)") == [(1,)]
    with pytest.raises(WarehouseError, match="another partition"):
        warehouse.commit({"luma": {"c": rows("c", 0.1)}, "other": {"c": rows("a", 0.1)}})
    assert warehouse.partitions("luma") == ["a"]


def test_a_stage_is_seen_by_nobody_else_before_it_is_published(warehouse: Warehouse) -> None:
    warehouse.publish([LUMA])
    warehouse.commit({"luma": {"a": rows("a", 0.1), "b": rows("b", 0.1)}})
    stage = warehouse.stage("run-1")
    assert warehouse.stage("run-1") is stage
    stage.replace_partition("luma", "a", rows("a", 0.2))
    stage.remove_partition("luma", "b")
    stage.merge_partition("luma", "c", rows("c", 0.3), on="start_s")
    stage.merge_partition("luma", "c", rows("c", 0.4, 0.5), on="start_s")
    with pytest.raises(WarehouseError, match="another partition"):
        stage.replace_partition("luma", "d", rows("a", 0.2))
    seen = [stage.read_partition("luma", key) for key in "abcd"]
    assert [None if frame is None else frame["luma"].to_list() for frame in seen] == [[0.2], None, [0.4, 0.5], None]
    assert warehouse.read_table("luma").collect()["luma"].to_list() == [0.1, 0.1]
    stage.publish()
    assert sorted(warehouse.read_table("luma").collect()["luma"]) == [0.2, 0.4, 0.5]
    stage.replace_partition("luma", "a", rows("a", 0.9))
    with stage.connect() as connection:
        assert connection.execute("SELECT luma FROM luma WHERE video_id = 'a'").fetchall() == [(0.9,)]
    close_stage(warehouse, "run-1")
    close_stage(warehouse, "run-1")
    assert files_of(warehouse, STAGED) == set()


def test_a_batch_is_published_at_its_end_and_what_cannot_be_stays(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warehouse.batch() as batch:
        batch.replace_partition("luma", "a", rows("a", 0.1))
        assert warehouse.partitions("luma") == []
    assert warehouse.partitions("luma") == ["a"]

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    batch = warehouse.stage("run-1")
    batch.replace_partition("luma", "b", rows("b", 0.1))
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            close_stage(warehouse, "run-1")
    assert warehouse.partitions("luma") == ["a"]
    assert warehouse.adopt() == 1
    assert warehouse.partitions("luma") == ["a", "b"]
    assert warehouse.adopt() == 0


def test_views_of_empty_tables_have_the_declared_types_and_comments(warehouse: Warehouse) -> None:
    assert warehouse.publish([LUMA])
    types = {pl.String: "VARCHAR", pl.Float64: "DOUBLE", pl.Int64: "BIGINT", pl.Boolean: "BOOLEAN"}
    with duckdb.connect(warehouse.root / "results.duckdb", read_only=True) as connection:
        for spec in (*FIXED_TABLES, LUMA):
            described = connection.execute(f"DESCRIBE {spec.name}").fetchall()
            assert [name for name, *_ in described] == list(spec.schema)
            assert all(
                kind == types[dtype]
                for (_, kind, *_), dtype in zip(described, spec.schema.values(), strict=True)
                if dtype in types
            )
            comments = connection.execute(
                "SELECT meaning FROM data_dictionary WHERE table_name = ?", [spec.name]
            ).fetchall()
            assert comments == [(f"{c.description} [{c.unit}]",) for c in spec.columns]
        assert connection.execute("SELECT comment FROM duckdb_views() WHERE view_name = 'luma'").fetchall() == [
            ("One row per frame",)
        ]
        views = [
            name for (name,) in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
        ]
        assert len(views) == len(FIXED_TABLES) + 1 + 5
        for view in views:
            undocumented = "SELECT column_name FROM duckdb_columns() WHERE table_name = ? AND comment IS NULL"
            assert connection.execute(undocumented, [view]).fetchall() == []
            assert connection.execute(f"SELECT count(*) FROM {view}").fetchone() is not None
    assert warehouse.read_table("luma").collect().equals(LUMA.frame([]))


def test_files_of_older_and_newer_code_fit_the_declared_columns(warehouse: Warehouse) -> None:
    warehouse.replace_partition("luma", "fewer", pl.DataFrame({"luma": [0.25], "video_id": ["fewer"]}))
    warehouse.replace_partition(
        "luma", "more", rows("more", 0.5).with_columns(extra=pl.lit("x"), nested=pl.struct(pl.lit(1).alias("deep")))
    )
    warehouse.publish([LUMA])
    expected = [("fewer", None, 0.25), ("more", 0.0, 0.5)]
    assert query(warehouse, "FROM luma ORDER BY video_id") == expected
    assert warehouse.read_table("luma").sort("video_id").collect().rows() == expected
    box = pl.Struct({"x": pl.Float64, "y": pl.Float64})
    grown = TableSpec("luma", "x", (*LUMA.columns[:1], *LUMA.columns[:0:-1], ColumnSpec("box", box, "px", "Where")))
    assert warehouse.publish([grown])
    warehouse.replace_partition("luma", "new", grown.frame([{"video_id": "new", "luma": 1.0, "box": {"x": 1, "y": 2}}]))
    expected = [("fewer", 0.25, None, None), ("more", 0.5, 0.0, None), ("new", 1.0, None, {"x": 1.0, "y": 2.0})]
    assert query(warehouse, "FROM luma ORDER BY video_id") == expected
    assert warehouse.read_table("luma").sort("video_id").collect().rows() == expected
    warehouse.compact(keep_s=0)
    assert query(warehouse, "FROM luma ORDER BY video_id") == expected
    assert warehouse.read_table("luma").collect().rows() == expected
    # a column that this code does not know is kept for the code that does
    kept = pl.concat([pl.read_parquet(file) for file in warehouse.root.glob("segments/*/luma.parquet")])
    assert kept.filter(pl.col("extra") == "x").height == 1


def test_publishing_builds_only_what_changed(warehouse: Warehouse) -> None:
    results = warehouse.root / "results.duckdb"
    assert warehouse.publish([LUMA])
    built = results.stat()
    assert not warehouse.publish([LUMA])
    assert (results.stat().st_ino, results.stat().st_mtime_ns) == (built.st_ino, built.st_mtime_ns)
    assert warehouse.publish([LUMA], [AnalyzerSpec("luma", "picture", "1", None, ("frames",))])
    assert query(warehouse, "FROM analyzers") == [("luma", "picture", "1", None, ["frames"])]
    results.unlink()
    assert warehouse.publish([LUMA])
    schema_file(warehouse.root, "luma").unlink()
    assert not warehouse.publish([LUMA])
    assert query(warehouse, "FROM luma") == []
    assert not warehouse.publish([LUMA])


@pytest.mark.parametrize("folder", ["plain", 'it\'s [a] *strange* "folder"', "ü 視頻"])
def test_the_folder_may_have_any_name_and_may_move(
    tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = Warehouse(path=str(tmp_path / "here" / folder)), Warehouse(path=str(tmp_path / folder))
    here.publish([LUMA])
    here.replace_partition("luma", "a", rows("a", 0.5))
    here.replace_partition("luma", "b", rows("b", 0.5))
    here.remove_partition("luma", "b")
    time.sleep(SETTLE_S)
    here.root.rename(there.root)
    assert there.publish([LUMA])
    monkeypatch.chdir("/")
    with duckdb.connect(there.root / "results.duckdb") as connection:
        assert connection.execute("FROM luma").fetchall() == [("a", 0.0, 0.5)]
    assert found(there, "a").equals(rows("a", 0.5))
    assert there.read_table("luma").collect().equals(rows("a", 0.5))


def test_a_relative_path_is_taken_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    warehouse = Warehouse(path="data/warehouse")
    warehouse.publish([LUMA])
    warehouse.replace_partition("luma", "a", rows("a", 0.5))
    time.sleep(SETTLE_S)
    monkeypatch.chdir("/")
    with duckdb.connect(tmp_path / "data" / "warehouse" / "results.duckdb", read_only=True) as connection:
        assert connection.execute("FROM luma").fetchall() == [("a", 0.0, 0.5)]


def test_the_file_can_be_attached_under_any_name(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.publish([LUMA], [AnalyzerSpec("luma", "picture", "1", None, ("frames",))])
    warehouse.replace_partition("videos", "a", FIXED["videos"].frame([{"video_id": "a", "duration_s": 2.0}]))
    time.sleep(SETTLE_S)
    with duckdb.connect(tmp_path / "mine.duckdb") as connection:
        connection.execute(f"ATTACH '{warehouse.root / 'results.duckdb'}' AS archive (READ_ONLY)")
        assert connection.execute("SELECT video_id, missing FROM archive.video_quality").fetchall() == [("a", 1)]
        assert connection.execute("SELECT archive.timecode(3661.9996)").fetchall() == [("01:01:02.000",)]


@pytest.mark.parametrize("setting", ["SELECT 1", "SET parquet_metadata_cache = true", "SET cache_local_files = true"])
def test_one_long_session_never_sees_rows_that_were_replaced(warehouse: Warehouse, setting: str) -> None:
    warehouse.publish([LUMA])
    with duckdb.connect(warehouse.root / "results.duckdb") as session, warehouse.connect() as private:
        name = setting.split()[1]
        if name != "1" and not session.execute(f"FROM duckdb_settings() WHERE name = '{name}'").fetchall():
            pytest.skip(f"DuckDB {duckdb.__version__} has no {name}")
        session.execute(setting)
        for turn in range(1000, 1006):
            warehouse.commit({"luma": {"a": rows("a", *[float(turn)] * 100)}})
            made = commits(warehouse.root)[-1]
            # the clock of some file systems ticks in whole seconds
            os.utime(made.folder / "luma.parquet", ns=(10**18, 10**18))
            time.sleep(SETTLE_S)
            for connection in (session, private):
                seen = connection.execute("SELECT min(luma), max(luma), count(*) FROM luma WHERE luma > 0").fetchall()
                assert seen == [(turn, turn, 100)]


def test_definitions_change_under_an_open_session(warehouse: Warehouse) -> None:
    warehouse.publish([LUMA])
    warehouse.replace_partition("luma", "a", rows("a", 0.5))
    results = warehouse.root / "results.duckdb"
    with warehouse.connect() as older:
        warehouse.publish([])
        with warehouse.connect() as newer:
            assert older.execute("SELECT luma FROM luma").fetchall() == [(0.5,)]
            with pytest.raises(duckdb.CatalogException):
                newer.execute("FROM luma")
    with duckdb.connect(results, read_only=True) as connection, pytest.raises(duckdb.CatalogException):
        connection.execute("FROM luma")


def run_row(video: str, analyzer: str, status: str, run: str, start: float, end: float, **more: object) -> dict:
    times = {"started_at": T0 + timedelta(seconds=start), "ended_at": T0 + timedelta(seconds=end)}
    return {"video_id": video, "analyzer": analyzer, "status": status, "run_id": run, **times, **more}


@pytest.fixture
def analysed(warehouse: Warehouse) -> Warehouse:
    """Videos a (10 s) and b (20 s) analysed in one run, x of b again in a second one; c (0 s) in a third; d never."""
    names = ("x", "y", "z")
    warehouse.publish([], [AnalyzerSpec(name, "picture", "1", None, ("frames",)) for name in names])
    for video, seconds in (("a", 10.0), ("b", 20.0), ("c", 0.0)):
        spec = FIXED["videos"]
        warehouse.replace_partition("videos", video, spec.frame([{"video_id": video, "duration_s": seconds}]))
    warehouse.replace_partition("sources", "d", FIXED["sources"].frame([{"video_id": "d"}]))
    runs = [
        run_row("a", "x", "value", "r1", 0, 3, compute_s=2.0, load_s=0.5, decode_s=0.25, queue_s=0.125, write_s=0.0625),
        run_row("a", "y", "not_applicable", "r1", 1, 2, compute_s=0.5, load_s=0.0, decode_s=0.0, reason="no sound"),
        run_row("a", "z", "undefined", "r1", 2, 4, compute_s=1.0, load_s=0.0, decode_s=0.0, reason="no model"),
        run_row("b", "y", "failed", "r1", 2, 8, compute_s=4.0, load_s=1.0, decode_s=0.5, reason='it\'s "odd"'),
        run_row("b", "x", "value", "r2", 100, 102, compute_s=1.5, load_s=0.0, decode_s=0.0),
        run_row("c", "x", "value", "r3", 0, 0, covered=1.0),
        run_row("c", "y", "value", "r3", 0, 0, covered=0.5),
        run_row("a", "retired", "value", "r4", 50, 51, compute_s=0.5, load_s=0.0, decode_s=0.0),
    ]
    for row in runs:
        frame = FIXED["analyzer_runs"].frame([row])
        warehouse.merge_partition("analyzer_runs", row["video_id"], frame, on="analyzer")
    return warehouse


def test_realtime_factor_shares_a_runs_wall_time_out_over_its_videos(analysed: Warehouse) -> None:
    # r1 lasts 8 s and its steps 6 s (a) and 6 s (b), so each video gets 4 s of it; r4 adds 1 s to a, r2 adds 2 s to b.
    assert query(analysed, "FROM realtime_factor") == [
        ("a", 5.0, 10.0, 0.5, 7.0, 4.0, 0.5, 0.25, 2),
        ("b", 6.0, 20.0, 0.3, 8.0, 5.5, 1.0, 0.5, 2),
        ("c", 0.0, 0.0, None, 0.0, None, None, None, 1),
    ]
    walls = "SELECT sum(w) FROM (SELECT epoch(max(ended_at) - min(started_at)) AS w FROM analyzer_runs GROUP BY run_id)"
    assert query(analysed, "SELECT sum(wall_s) FROM realtime_factor") == query(analysed, walls) == [(11.0,)]


def test_refused_files_share_no_run(warehouse: Warehouse) -> None:
    warehouse.publish([])
    for video, at in (("a", 0.0), ("b", 60.0)):
        row = run_row(video, "videos", "failed", "", at, at + 0.5) | {"run_id": None}
        warehouse.replace_partition("analyzer_runs", video, FIXED["analyzer_runs"].frame([row]))
    assert query(warehouse, "SELECT video_id, wall_s, runs FROM realtime_factor") == [("a", 0.5, 0), ("b", 0.5, 0)]


def test_realtime_factor_by_analyzer(analysed: Warehouse) -> None:
    columns = "analyzer, videos, video_s, busy_s, realtime_factor, worst_realtime_factor, compute_s, queue_s"
    assert query(analysed, f"SELECT {columns} FROM realtime_factor_by_analyzer") == [
        ("retired", 1, 10.0, 1.0, 0.1, 0.1, 0.5, None),
        ("x", 3, 30.0, 5.0, 5 / 30, 0.3, 3.5, 0.125),
        ("y", 3, 30.0, 7.0, 7 / 30, 0.3, 4.5, None),
        ("z", 1, 10.0, 2.0, 0.2, 0.2, 1.0, None),
    ]


def test_video_quality_counts_over_the_analyzers_that_there_are(analysed: Warehouse) -> None:
    undefined = {"analyzer": "z", "status": "undefined", "reason": "no model"}
    failed = {"analyzer": "y", "status": "failed", "reason": 'it\'s "odd"'}
    assert query(analysed, "FROM video_quality") == [
        ("a", 3, 1, 1, 1, 0, 0, 0, 2 / 3, None, "z", [undefined]),
        ("b", 3, 1, 0, 0, 1, 0, 1, 1 / 3, None, "y", [failed]),
        ("c", 3, 2, 0, 0, 0, 0, 1, 2 / 3, 0.75, "z", []),
        ("d", 3, 0, 0, 0, 0, 0, 3, 0.0, None, "x", []),
    ]


text = st.text(st.characters(codec="utf-8"))
moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))
COLUMNS: dict[str, tuple[pl.DataType, st.SearchStrategy]] = {
    "f": (pl.Float64(), st.floats(allow_nan=False)),
    "f32": (pl.Float32(), st.floats(allow_nan=False, width=32)),
    "i": (pl.Int64(), st.integers(-(2**63), 2**63 - 1)),
    "u": (pl.UInt8(), st.integers(0, 255)),
    "s": (pl.String(), text | st.sampled_from(["", "\0", "it's", '"', "ü視\U0001f3a5", "a\nb\\"])),
    "b": (pl.Boolean(), st.booleans()),
    "raw": (pl.Binary(), st.binary()),
    "day": (pl.Date(), moments.map(datetime.date)),
    "at": (pl.Datetime("us", "UTC"), moments.map(lambda moment: moment.replace(tzinfo=UTC))),
    "local": (pl.Datetime("us"), moments),
    "list": (pl.List(pl.String), st.lists(st.none() | text, max_size=3)),
    "deep": (pl.List(pl.List(pl.Int64)), st.lists(st.lists(st.integers(-9, 9), max_size=2), max_size=3)),
    "array": (pl.Array(pl.Float64, 3), st.lists(st.floats(allow_nan=False), min_size=3, max_size=3)),
    "struct": (
        pl.Struct({"x": pl.Int64, "it's \"y": pl.List(pl.String)}),
        st.fixed_dictionaries(
            {"x": st.none() | st.integers(-9, 9), "it's \"y": st.none() | st.lists(text, max_size=2)}
        ),
    ),
}
EVERY_TYPE = TableSpec(
    "every_type",
    "x",
    (LUMA.columns[0], *(ColumnSpec(name, dtype, "1", "x") for name, (dtype, _) in COLUMNS.items())),
)
records = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, (_, values) in COLUMNS.items()}), max_size=4
)


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    warehouse = Warehouse(path=str(tmp_path_factory.mktemp("typed")))
    warehouse.publish([EVERY_TYPE])
    return warehouse


@given(records)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_type_comes_back_as_it_went_in(typed: Warehouse, written: list[dict]) -> None:
    frame = EVERY_TYPE.frame({"video_id": "a", **row} for row in written)
    typed.replace_partition("every_type", "a", frame)
    for merged in (False, True):
        if merged:
            typed.compact(everything=True, keep_s=0)
        again = typed.read_partition("every_type", "a")
        assert frame.is_empty() if again is None else frame.equals(again)
        assert typed.read_table("every_type").collect().equals(frame)
        assert frame.schema == typed.read_table("every_type").collect_schema()
        seen = [dict(zip(frame.columns, row, strict=True)) for row in query(typed, "FROM every_type")]
        arrays_as_lists = [row | {"array": row["array"] and list(row["array"])} for row in seen]
        assert arrays_as_lists == frame.to_dicts()
