"""Merging commits into segments, and removing files: under readers, kills and old warehouses."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path

import duckdb  # noqa: TID253 - the sessions of users are under test
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.errors import WarehouseError
from resources.warehouse import compaction, reading
from resources.warehouse.commits import commits
from resources.warehouse.database import Database
from resources.warehouse.generations import SEGMENT_PARTITIONS, current
from resources.warehouse.resource import ColumnSpec, TableSpec, Warehouse
from resources.warehouse.stage import STAGED, close_stage
from resources.warehouse.views import SETTLE_S

ROOT = Path(__file__).parents[2]
COLUMNS = (
    ColumnSpec("video_id", pl.String, "text", "Partition key"),
    ColumnSpec("row", pl.Int64, "1", "Number of the row"),
    ColumnSpec("value", pl.Float64, "1", "Value"),
)
LUMA, OTHER = TableSpec("luma", "One row per frame", COLUMNS), TableSpec("other", "One row per frame", COLUMNS)


def rows(video_id: str, value: float, count: int = 3) -> pl.DataFrame:
    return LUMA.frame({"video_id": video_id, "row": row, "value": value} for row in range(count))


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse(path=str(tmp_path / "warehouse"))
    made.publish([LUMA, OTHER])
    return made


def seen(warehouse: Warehouse, table: str = "luma") -> list[tuple]:
    """What both ways of reading show; they must agree."""
    with warehouse.connect() as connection:
        by_sql = connection.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
    assert warehouse.read_table(table).collect().sort("video_id", "row").rows() == by_sql
    assert warehouse.partitions(table) == sorted({row[0] for row in by_sql})
    return by_sql


def folders(warehouse: Warehouse, name: str) -> list[str]:
    return sorted(folder.name for folder in (warehouse.root / name).iterdir())


def test_merged_rows_are_the_same_rows(warehouse: Warehouse) -> None:
    for number in range(5):
        warehouse.commit(
            {"luma": {f"v{number}": rows(f"v{number}", number)}, "other": {f"v{number}": rows(f"v{number}", 1.0)}}
        )
    warehouse.commit({"luma": {"v1": rows("v1", 9.0), "v2": None}})
    before = seen(warehouse), seen(warehouse, "other")
    made = warehouse.compact(keep_s=0).generation
    assert (seen(warehouse), seen(warehouse, "other")) == before
    assert [(segment.partitions, segment.rows) for segment in made.segments] == [(5, {"luma": 12, "other": 15})]
    assert folders(warehouse, "tail") == ["0" * 16]
    file = made.segments[0].folder(warehouse.root) / "luma.parquet"
    assert pl.read_parquet(file)["video_id"].is_sorted()
    assert warehouse.compact(keep_s=0).generation == made


def test_replaced_and_removed_partitions_leave_the_segments(warehouse: Warehouse) -> None:
    everything = {f"v{number}": rows(f"v{number}", 0.0) for number in range(8)}
    warehouse.commit({"luma": everything, "other": everything})
    (first,) = warehouse.compact(keep_s=0).generation.segments
    warehouse.commit({"luma": {"v1": rows("v1", 1.0), "v2": None}})
    before = seen(warehouse)
    made = warehouse.compact(keep_s=0).generation
    older, newer = made.segments
    assert (older.rows, newer.rows) == ({"luma": 18, "other": 24}, {"luma": 3})
    assert seen(warehouse) == before
    assert warehouse.read_partition("luma", "v2") is None
    # what is untouched is the same file under another name
    assert not first.folder(warehouse.root).exists()
    assert older.folder(warehouse.root).joinpath("other.parquet").stat().st_nlink == 1
    warehouse.commit({"luma": dict.fromkeys(everything), "other": dict.fromkeys(everything)})
    assert warehouse.compact(keep_s=0).generation.segments == ()
    assert seen(warehouse) == seen(warehouse, "other") == []
    assert folders(warehouse, "segments") == []


def test_the_number_of_segments_grows_like_a_logarithm(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    counts, written = [], 0
    monkeypatch.setattr(Database, "renew", lambda _self: None)  # the views are not asked here
    for number in range(100):
        warehouse.commit({"luma": {f"v{number}": rows(f"v{number}", 0.0, 1)}})
        before = {segment.name for segment in current(warehouse.root).segments}
        made = warehouse.compact(keep_s=0).generation
        written += sum(segment.partitions for segment in made.segments if segment.name not in before)
        counts.append(len(made.segments))
    assert max(counts) <= 7  # the logarithm of 100
    assert written <= 100 * 7
    assert len(warehouse.partitions("luma")) == 100
    assert len(warehouse.compact(everything=True, keep_s=0).generation.segments) == 1
    monkeypatch.setattr(compaction, "SEGMENT_PARTITIONS", 100)
    warehouse.commit({"luma": {"more": rows("more", 0.0, 1)}})
    assert len(warehouse.compact(everything=True, keep_s=0).generation.segments) == 2
    assert SEGMENT_PARTITIONS > 1000


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("commit"),
            st.dictionaries(
                st.sampled_from(["luma", "other"]),
                st.dictionaries(st.sampled_from("abcde"), st.integers(0, 3), min_size=1),
                min_size=1,
            ),
        ),
        st.tuples(st.sampled_from(["compact", "everything"]), st.none()),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_is_written_and_merged_the_last_rows_count(tmp_path_factory: pytest.TempPathFactory, steps) -> None:
    warehouse = Warehouse(path=str(tmp_path_factory.mktemp("w")))
    warehouse.publish([LUMA, OTHER])
    expected: dict[str, dict[str, pl.DataFrame]] = {"luma": {}, "other": {}}
    for turn, (what, change) in enumerate(steps):
        if what == "commit":
            made = {
                table: {key: rows(key, turn, count) for key, count in keys.items()} for table, keys in change.items()
            }
            warehouse.commit(made)
            for table, keys in made.items():
                expected[table].update(keys)
        else:
            warehouse.compact(everything=what == "everything", keep_s=0)
    for table, keys in expected.items():
        assert (
            warehouse.read_table(table)
            .collect()
            .sort("video_id", "row")
            .equals(pl.concat([LUMA.frame([]), *keys.values()]).sort("video_id", "row"))
        )
        for key, frame in keys.items():
            found = warehouse.read_partition(table, key)
            assert frame.is_empty() if found is None else frame.equals(found)


def test_files_stay_as_long_as_a_session_shows_them(warehouse: Warehouse) -> None:
    warehouse.commit({"luma": {"a": rows("a", 0.1), "b": rows("b", 0.1)}})
    warehouse.compact(keep_s=0)
    opened = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True) as session:
    for line in sys.stdin:
        print(session.execute("SELECT sum(value), count(*) FROM luma").fetchall(), flush=True)
"""
    results = str(warehouse.root / "results.duckdb")
    process = subprocess.Popen(
        [sys.executable, "-c", opened, results], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def ask() -> tuple:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        return tuple(json.loads(process.stdout.readline().replace("(", "[").replace(")", "]"))[0])

    try:
        assert ask() == pytest.approx((0.6, 6))
        with warehouse.connect() as mine:
            for turn in range(1, 5):
                warehouse.commit({"luma": {"a": rows("a", turn)}})
                warehouse.compact(everything=True, keep_s=0)
                time.sleep(SETTLE_S)
                assert ask() == pytest.approx((3 * turn + 0.3, 6))
                assert mine.execute("SELECT sum(value) FROM luma").fetchall()[0] == pytest.approx((3 * turn + 0.3,))
        assert len(folders(warehouse, "segments")) == 2
        assert len(folders(warehouse, "tail")) == 5
    finally:
        process.communicate(timeout=30)
    warehouse.compact(keep_s=0)
    assert len(folders(warehouse, "segments")) == 1
    assert folders(warehouse, "tail") == ["0" * 16]
    assert len(list((warehouse.root / ".generations").iterdir())) == 4


def test_a_long_transaction_ends_with_the_rows_that_it_began_with(warehouse: Warehouse) -> None:
    warehouse.commit({"luma": {"a": rows("a", 1.0)}, "other": {"a": rows("a", 1.0)}})
    time.sleep(SETTLE_S)
    with duckdb.connect(warehouse.root / "results.duckdb", read_only=True) as session:
        session.execute("BEGIN")
        assert session.execute("SELECT sum(value) FROM luma").fetchall() == [(3.0,)]
        warehouse.commit({"luma": {"a": rows("a", 2.0)}, "other": {"a": rows("a", 2.0)}})
        warehouse.compact(everything=True, keep_s=0)
        warehouse.commit({"other": {"a": None}})
        warehouse.compact(everything=True, keep_s=0)
        time.sleep(SETTLE_S)
        assert session.execute("SELECT sum(value) FROM luma").fetchall() == [(3.0,)]
        assert session.execute("SELECT sum(value) FROM other").fetchall() == [(3.0,)]
        session.execute("COMMIT")
        assert session.execute("SELECT sum(value) FROM luma").fetchall() == [(6.0,)]
        assert session.execute("SELECT count(*) FROM other").fetchall() == [(0,)]


def test_enough_commits_start_a_compaction_in_the_background(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "COMMITS", 3)
    for number in range(3):
        assert current(warehouse.root).number == 0
        warehouse.commit({"luma": {f"v{number}": rows(f"v{number}", 0.0)}})
    end = time.monotonic() + 60
    while not current(warehouse.root).number and time.monotonic() < end:
        time.sleep(0.05)
    assert len(current(warehouse.root).segments) == 1
    assert commits(warehouse.root, current(warehouse.root).horizon) == []
    assert (warehouse.root / ".locks" / "compaction.log").read_text() == ""
    assert len(seen(warehouse)) == 9


def test_what_a_killed_run_has_staged_is_published_by_the_next(warehouse: Warehouse) -> None:
    code = """
import os, signal, sys
import polars as pl
from resources.warehouse.resource import Warehouse
stage = Warehouse(path=sys.argv[1]).stage("run-1")
stage.replace_partition("luma", "a", pl.DataFrame({"video_id": ["a"], "row": [0], "value": [1.0]}))
stage.merge_partition("luma", "b", pl.DataFrame({"video_id": ["b"], "row": [0], "value": [2.0]}), on="row")
stage.publish()
stage.replace_partition("luma", "a", pl.DataFrame({"video_id": ["a"], "row": [0], "value": [3.0]}))
stage.remove_partition("luma", "b")
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", code, warehouse.path], cwd=ROOT)
    assert ended.returncode == -signal.SIGKILL
    time.sleep(SETTLE_S)
    assert seen(warehouse) == [("a", 0, 1.0), ("b", 0, 2.0)]
    warehouse.stage("run-2")
    assert seen(warehouse) == [("a", 0, 3.0)]
    # a run that lives keeps what it has
    other = Warehouse(path=warehouse.path)
    warehouse.stage("run-2").replace_partition("luma", "c", rows("c", 1.0))
    assert other.adopt() == 0
    close_stage(warehouse, "run-2")


def test_two_runs_over_one_video_keep_each_other_s_rows(warehouse: Warehouse) -> None:
    one, two = warehouse.stage("run-1"), warehouse.stage("run-2")
    for place, stage in enumerate((one, two)):
        row = LUMA.frame([{"video_id": "a", "row": place, "value": float(place)}])
        stage.merge_partition("luma", "a", row, on="row")
        staged = stage.read_partition("luma", "a")
        assert staged is not None
        assert staged.equals(row)
    one.replace_partition("other", "b", rows("b", 1.0, 1))
    one.merge_partition("other", "b", rows("b", 2.0, 2), on="row")
    two.merge_partition("other", "c", rows("c", 1.0), on="row")
    two.replace_partition("other", "c", rows("c", 2.0, 1))
    two.remove_partition("other", "c")
    two.merge_partition("other", "c", rows("c", 2.0, 1), on="row")
    warehouse.commit({"other": {"b": rows("b", 9.0, 3), "c": rows("c", 9.0, 3)}})
    for run in ("run-1", "run-2"):
        close_stage(warehouse, run)
    assert seen(warehouse) == [("a", 0, 0.0), ("a", 1, 1.0)]
    assert seen(warehouse, "other") == [("b", 0, 2.0), ("b", 1, 2.0), ("c", 0, 2.0)]


def test_what_cannot_be_published_of_a_dead_run_holds_up_nobody(warehouse: Warehouse) -> None:
    folder = warehouse.root / STAGED / "run-1-dead"
    folder.mkdir(parents=True)
    rows("a", 1.0).write_ipc(folder / "luma@a@.arrow")
    (folder / "luma@b@.arrow").write_bytes(b"")
    rows("c", 1.0).with_columns(value=pl.lit("text")).write_ipc(folder / "luma@c@.arrow")
    warehouse.stage("run-2")
    close_stage(warehouse, "run-2")
    assert warehouse.partitions("luma") == ["a"]
    assert list((warehouse.root / STAGED).iterdir()) == []


def test_a_stage_reads_what_it_merges_into_once(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    for turn in range(3):
        warehouse.commit({"luma": {f"v{number}": rows(f"v{number}", turn, 2) for number in range(turn, 20)}})
        if turn == 1:
            warehouse.compact(keep_s=0)
    warehouse.commit({"luma": {"v3": None}})
    read: list[Path] = []
    scan = reading._rows
    monkeypatch.setattr(reading, "_rows", lambda file, *more: read.append(file) or scan(file, *more))
    with warehouse.batch() as stage:
        for number in range(25):
            stage.merge_partition("luma", f"v{number}", rows(f"v{number}", 9.0, 1), on="row")
        read.clear()
    assert len(read) == 3  # two commits and a segment
    expected = [(f"v{number}", 0, 9.0) for number in range(25)]
    expected += [(f"v{number}", 1, float(min(number, 2))) for number in range(20) if number != 3]
    assert seen(warehouse) == sorted(expected)


def test_a_compaction_that_fails_is_told_until_one_succeeds(warehouse: Warehouse, monkeypatch) -> None:
    monkeypatch.setattr(compaction, "COMMITS", 1)
    bad = warehouse.root / "segments"
    bad.write_text("a file in its place")
    warehouse.commit({"luma": {"a": rows("a", 1.0)}})
    end = time.monotonic() + 120
    while not (problem := compaction.problem(warehouse.root)) and time.monotonic() < end:
        time.sleep(0.1)
    assert problem is not None
    assert "segments" in problem
    bad.unlink()
    warehouse.compact()
    assert compaction.problem(warehouse.root) is None


def test_a_warehouse_of_a_newer_version_is_one_line(warehouse: Warehouse) -> None:
    warehouse.commit({"luma": {"a": rows("a", 1.0)}})
    warehouse.compact()
    (file,) = (warehouse.root / ".generations").glob("*.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"layout": 9, "unheard_of": True}))
    told = r"^.*: a newer version of vid_assets wrote it \(layout 9, this one knows 1\); update vid_assets"
    for use in (lambda: warehouse.publish([LUMA]), warehouse.compact, lambda: warehouse.read_partition("luma", "a")):
        with pytest.raises(WarehouseError, match=told):
            use()


def work_until_killed(path: str, seed: int, begun: Event) -> None:
    """Commit pairs of tables with the same value, replace them, and compact, forever."""
    dice, warehouse = random.Random(seed), Warehouse(path=path)
    begun.set()
    for turn in range(1_000_000):
        key = f"v{dice.randrange(6)}"
        pair = rows(key, seed * 1_000_000.0 + turn, dice.randrange(1, 50))
        warehouse.commit({"luma": {key: pair}, "other": {key: pair}})
        if dice.random() < 0.3:
            warehouse.compact(everything=dice.random() < 0.3, keep_s=0.5)


@pytest.mark.parametrize("kills", [25, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_at_any_moment_no_row_is_lost_and_none_doubled(warehouse: Warehouse, kills: int) -> None:
    context, dice = multiprocessing.get_context("forkserver"), random.Random(kills)
    context.set_forkserver_preload(["polars", "resources.warehouse.resource", "duckdb"])
    both = """SELECT count(*), count(*) FILTER (a.value <> b.value OR a.n <> b.n OR a.value <> a.highest) FROM
        (SELECT video_id, min(value) AS value, max(value) AS highest, count(*) AS n FROM luma GROUP BY ALL) AS a
        FULL JOIN (SELECT video_id, min(value) AS value, count(*) AS n FROM other GROUP BY ALL) AS b USING (video_id)"""
    known = 0
    for kill in range(kills):
        begun = context.Event()
        worker = context.Process(target=work_until_killed, args=(warehouse.path, kill, begun))
        worker.start()
        assert begun.wait(60)
        time.sleep(dice.uniform(0.05, 0.6))
        worker.kill()
        worker.join()
        assert worker.exitcode == -signal.SIGKILL
        with duckdb.connect(warehouse.root / "results.duckdb", read_only=True) as session:
            videos, torn = session.execute(both).fetchone() or (0, 0)
        assert torn == 0
        assert videos >= known
        known = videos
    assert known == 6
    time.sleep(SETTLE_S)  # what the last worker committed right before its end
    before = seen(warehouse), seen(warehouse, "other")
    warehouse.compact(everything=True, keep_s=0)
    assert (seen(warehouse), seen(warehouse, "other")) == before
    assert before[0] == before[1]
    assert len(folders(warehouse, "segments")) == 1
    assert folders(warehouse, "tail") == ["0" * 16]


def read_until_told(path: str, done: str, findings: str, looks: "Synchronized[int]") -> None:
    """Query in fresh sessions and in a long one; count it, and note each error or half commit."""
    half = (
        "SELECT count(*) FROM (SELECT video_id, sum(value) AS s FROM luma GROUP BY ALL) AS a FULL JOIN "
        "(SELECT video_id, sum(value) AS s FROM other GROUP BY ALL) AS b USING (video_id) "
        "WHERE a.s IS DISTINCT FROM b.s"
    )
    wrong = []
    with duckdb.connect(Path(path) / "results.duckdb", read_only=True) as long:
        while not Path(done).exists():
            for fresh in (False, True):
                try:
                    session = duckdb.connect(Path(path) / "results.duckdb", read_only=True) if fresh else long.cursor()
                    with session:
                        found = session.execute(half).fetchall()
                    if found != [(0,)]:
                        wrong.append(f"half: {found}")
                except duckdb.Error as error:
                    wrong.append(f"{type(error).__name__}: {error}")
                with looks.get_lock():
                    looks.value += 1
    Path(findings).write_text(json.dumps(wrong[:20]))


@pytest.mark.parametrize("queries", [150, pytest.param(10_000, marks=pytest.mark.slow)])
def test_readers_are_never_failed(warehouse: Warehouse, tmp_path: Path, queries: int) -> None:
    """While videos are added, replaced and removed, and everything is merged and removed at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["polars", "resources.warehouse.resource", "duckdb"])
    warehouse.commit({name: {"v0": rows("v0", 1.0)} for name in ("luma", "other")})
    done, dice, looks = tmp_path / "done", random.Random(3), context.Value("i", 0)
    reports = [tmp_path / f"findings-{number}" for number in range(2)]
    readers = [
        context.Process(target=read_until_told, args=(warehouse.path, str(done), str(report), looks))
        for report in reports
    ]
    for reader in readers:
        reader.start()
    turn = 0
    try:
        while looks.value < queries or turn <= 10:
            turn += 1
            key = f"v{dice.randrange(40)}"
            made = None if dice.random() < 0.1 else rows(key, turn, dice.randrange(1, 30))
            warehouse.commit({"luma": {key: made}, "other": {key: made}})
            if turn % 5 == 0:
                warehouse.compact(everything=turn % 25 == 0, keep_s=0)
    finally:
        done.touch()
        for reader in readers:
            reader.join(60)
    assert [json.loads(report.read_text()) for report in reports] == [[], []]


def old_layout(root: Path, table: str, key: str, stamp: int, frame: pl.DataFrame | None) -> None:
    """Write as release 0.1 did."""
    folder = root / table / f"{sum(key.encode()) % 256:02x}"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{key}@{stamp:016}.parquet"
    if frame is None:
        file.symlink_to(Path("..", "@schema.parquet"))
    else:
        frame.write_parquet(file)
    LUMA.frame([]).write_parquet(root / table / "@schema.parquet")


def test_a_warehouse_of_release_0_1_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse, root = Warehouse(path=str(tmp_path)), tmp_path
    monkeypatch.setattr("resources.warehouse.migration.SEGMENT_PARTITIONS", 4)
    for number in range(10):
        old_layout(root, "luma", f"v{number}", 10 + number, rows(f"v{number}", number))
    old_layout(root, "luma", "v1", 30, rows("v1", 11.0).drop("row"))
    old_layout(root, "luma", "v2", 30, None)
    old_layout(root, "luma", "v3", 30, None)
    old_layout(root, "luma", "v3", 31, rows("v3", 13.0))
    old_layout(root, "luma", "v4", 30, rows("v4", 0.0, 0))
    loads = pl.DataFrame({"model": ["m", "n"], "run_id": ["r", "r"], "kind": ["hit", "cold"]})
    old_layout(root, "model_loads", "r.m", 10, loads[:1])
    old_layout(root, "model_loads", "r.n", 10, loads[1:])
    (root / ".catalog").mkdir()
    (root / "mine" / "ab").mkdir(parents=True)
    (root / "results.duckdb").write_bytes(b"an older one")
    assert warehouse.publish([LUMA])
    values = {f"v{number}": float(number) for number in range(10)} | {"v1": 11.0, "v3": 13.0}
    expected = {key: value for key, value in values.items() if key not in ("v2", "v4")}
    assert dict(warehouse.read_table("luma").select("video_id", "value").collect().iter_rows()) == expected
    assert {row[0]: row[2] for row in seen_unsorted(warehouse)} == expected
    found = warehouse.read_partition("model_loads", "r")
    assert found is not None
    assert sorted(found["model"]) == ["m", "n"]
    assert not warehouse.publish([LUMA])
    assert (root / "luma").exists()
    warehouse.compact(keep_s=0)
    assert not (root / "luma").exists()
    assert not (root / ".catalog").exists()
    assert (root / "mine" / "ab").exists()
    assert {row[0]: row[2] for row in seen_unsorted(warehouse)} == expected


def seen_unsorted(warehouse: Warehouse) -> list[tuple]:
    with warehouse.connect() as connection:
        return connection.execute("FROM luma").fetchall()


def test_a_migration_that_is_killed_starts_again(tmp_path: Path) -> None:
    for number in range(300):
        old_layout(tmp_path, "luma", f"v{number}", 10, rows(f"v{number}", number))
    code = "import pathlib, sys; from resources.warehouse.migration import migrate; migrate(pathlib.Path(sys.argv[1]))"
    for wait_s in (0.3, 0.4, 0.5, 0.6):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT)
        time.sleep(wait_s)
        process.kill()
        process.wait()
    warehouse = Warehouse(path=str(tmp_path))
    warehouse.publish([LUMA])
    assert warehouse.read_table("luma").collect().height == 900
    warehouse.compact(keep_s=0)
    assert len(folders(warehouse, "segments")) == 1
    for left in (tmp_path / ".tmp").iterdir():
        os.utime(left, (0, 0))
    warehouse.compact(keep_s=0)
    assert list((tmp_path / ".tmp").iterdir()) == []
