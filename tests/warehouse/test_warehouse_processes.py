"""The warehouse under many processes: writers that are killed, a reader that holds the database file, publishers."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

import duckdb  # noqa: TID253 - the sessions of users are under test
import polars as pl
import pytest

from resources.warehouse.resource import AnalyzerSpec, ColumnSpec, TableSpec, Warehouse
from resources.warehouse.views import SETTLE_S

SHEET = TableSpec(
    "sheet",
    "Rows that tell whether they are all there",
    tuple(
        ColumnSpec(name, dtype, "1", "x")
        for name, dtype in {
            "video_id": pl.String, "turn": pl.Int64, "size": pl.Int64, "row": pl.Int64, "noise": pl.String
        }.items()
    ),
)  # fmt: skip
# Partitions whose rows are not of one write, or not all there.
TORN = """SELECT video_id, count(*), min(size), min(turn), max(turn) FROM sheet GROUP BY video_id
    HAVING count(*) <> min(size) OR min(size) <> max(size) OR min(turn) <> max(turn)
        OR sum("row") <> min(size) * (min(size) - 1) // 2 OR bool_or(noise IS NULL)"""
SHARED = tuple(f"shared{i}" for i in range(4))


def sheet(key: str, turn: int, dice: random.Random) -> pl.DataFrame:
    """From none to many rows, of bytes that do not compress, so that a write takes a while."""
    size = dice.choice([1, 10, 1000, 5000])
    noise = [dice.randbytes(20).hex() for _ in range(size)]
    return pl.DataFrame(
        {"video_id": [key] * size, "turn": [turn] * size, "size": [size] * size, "row": range(size), "noise": noise},
        SHEET.schema,
    )


def write_until_killed(path: str, log: str, name: str, first_turn: int) -> None:
    """Writes its own partitions and the shared ones, noting each of its own before and after."""
    warehouse, dice = Warehouse(path=path), random.Random(f"{name}{first_turn}")
    with Path(log).open("a", buffering=1) as notes:
        for turn in range(first_turn, first_turn + 1_000_000):
            own = f"{name}{turn % 3}"
            notes.write(f"begin {own} {turn}\n")
            warehouse.replace_partition("sheet", own, sheet(own, turn, dice))
            notes.write(f"end {own} {turn}\n")
            shared = dice.choice(SHARED)
            warehouse.replace_partition("sheet", shared, sheet(shared, turn, dice))
            if dice.random() < 0.2:
                warehouse.remove_partition("sheet", dice.choice(SHARED))


def read_until_told(path: str, ready: Event, done: Event, findings: str) -> None:
    """Holds the database file open for writing and queries it; notes what is wrong, and how often it looked."""
    looks = 0
    with Path(findings).open("w", buffering=1) as notes:
        with duckdb.connect(Path(path) / "results.duckdb") as session:
            ready.set()
            while not done.is_set():
                try:
                    torn = session.execute(TORN).fetchall()
                except duckdb.Error as error:
                    torn = [(type(error).__name__, str(error))]
                notes.writelines(f"{row}\n" for row in torn)
                looks += 1
        notes.write(f"looks {looks}\n")


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Processes that begin with this module imported: a fresh start would take longer than the test."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["polars", "resources.warehouse.resource", "duckdb"])
    return context


@pytest.fixture
def started(processes: ForkServerContext) -> Iterator[list[BaseProcess]]:
    running: list[BaseProcess] = []
    yield running
    for process in running:
        process.kill()
        process.join(10)


def test_killed_writers_lose_nothing_and_hold_up_nobody(
    tmp_path: Path, processes: ForkServerContext, started: list[BaseProcess]
) -> None:
    warehouse, dice = Warehouse(path=str(tmp_path / "warehouse")), random.Random(7)
    warehouse.publish([SHEET])
    ready, done, findings = processes.Event(), processes.Event(), tmp_path / "findings"
    reader = processes.Process(target=read_until_told, args=(warehouse.path, ready, done, str(findings)))
    started.append(reader)
    reader.start()
    assert ready.wait(60)
    with pytest.raises(duckdb.IOException, match="lock"):
        duckdb.connect(warehouse.root / "results.duckdb")

    def start(name: str, kills: int) -> BaseProcess:
        log = str(tmp_path / f"log-{name}")
        writer = processes.Process(target=write_until_killed, args=(warehouse.path, log, name, 1_000_000 * kills))
        started.append(writer)
        writer.start()
        return writer

    names = ["p", "q", "r", "s"]
    writers = {name: start(name, 0) for name in names}
    for name in names:
        while not (tmp_path / f"log-{name}").exists():
            assert writers[name].is_alive()
            time.sleep(0.01)
    kills = 16
    for kill in range(1, kills + 1):
        time.sleep(dice.uniform(0.2, 0.5))
        name = dice.choice(names)
        writers[name].kill()
        writers[name].join()
        assert writers[name].exitcode == -signal.SIGKILL
        writers[name] = start(name, kill)
        if kill == kills // 2:
            assert warehouse.publish([SHEET], [AnalyzerSpec("sheet", "picture", "1", None, ())])
            with warehouse.connect() as connection:
                assert connection.execute(TORN).fetchall() == []
    for writer in writers.values():
        writer.kill()
        writer.join()
    done.set()
    reader.join(60)
    *wrong, looks = findings.read_text().splitlines()
    assert wrong == []
    assert int(looks.split()[1]) > 5
    assert reader.exitcode == 0

    for name in names:
        assert_nothing_lost(warehouse, (tmp_path / f"log-{name}").read_text().splitlines())
    time.sleep(SETTLE_S)
    with duckdb.connect(warehouse.root / "results.duckdb", read_only=True) as connection:
        assert connection.execute(TORN).fetchall() == []
        (seen,) = connection.execute("SELECT count(*) FROM sheet").fetchone() or (None,)
    assert seen == warehouse.read_table("sheet").select(pl.len()).collect().item()
    before = warehouse.read_table("sheet").collect().sort("video_id", "row")
    warehouse.compact(everything=True, keep_s=0)
    assert len(list(warehouse.root.glob("segments/*/sheet.parquet"))) == 1
    assert len(list((warehouse.root / "tail").iterdir())) == 1
    assert before.equals(warehouse.read_table("sheet").collect().sort("video_id", "row"))
    assert {*warehouse.partitions("sheet")} <= {*SHARED, *(f"{name}{i}" for name in names for i in range(3))}


def assert_nothing_lost(warehouse: Warehouse, notes: list[str]) -> None:
    """Each partition holds its last finished write, or the one that the kill may have come after."""
    ended: dict[str, int] = {}
    begun: dict[str, set[int]] = {}
    for line in notes:
        if line.count(" ") != 2:
            continue  # the kill came in the middle of the note
        what, key, turn = line.split()
        if what == "begin":
            begun.setdefault(key, set()).add(int(turn))
        elif what == "end":
            ended[key] = int(turn)
            begun[key] = set()
    assert ended
    for key, turn in ended.items():
        frame = warehouse.read_partition("sheet", key)
        assert frame is not None
        assert frame["turn"][0] in {turn, *begun[key]}


def publish_until_told(path: str, done: Event, turn: int) -> None:
    warehouse = Warehouse(path=path)
    while not done.is_set():
        turn += 2
        warehouse.publish([SHEET], [AnalyzerSpec("sheet", "picture", str(turn), None, ())])


def test_publishers_at_once_leave_a_database_that_opens(
    tmp_path: Path, processes: ForkServerContext, started: list[BaseProcess]
) -> None:
    warehouse = Warehouse(path=str(tmp_path / "warehouse"))
    warehouse.publish([SHEET])
    done = processes.Event()
    for turn in range(3):
        started.append(processes.Process(target=publish_until_told, args=(warehouse.path, done, turn)))
        started[-1].start()
    end = time.monotonic() + 2
    looks = 0
    while time.monotonic() < end or looks < 5:
        for connect in (warehouse.connect, lambda: duckdb.connect(warehouse.root / "results.duckdb", read_only=True)):
            with connect() as connection:
                assert connection.execute("SELECT count(*) FROM sheet").fetchall() == [(0,)]
        looks += 1
    started[0].kill()
    done.set()
    for process in started:
        process.join(60)
    assert [process.exitcode for process in started] == [-signal.SIGKILL, 0, 0]
    version = "SELECT version FROM analyzers"
    with warehouse.connect() as private, duckdb.connect(warehouse.root / "results.duckdb") as public:
        assert private.execute(version).fetchall() == public.execute(version).fetchall()
    assert warehouse.publish([SHEET])
    assert not warehouse.publish([SHEET])


def hold(path: str, before: bool, opened: Event, changed: Event, wrote: Event, leave: Event) -> None:
    session = duckdb.connect(Path(path) / "results.duckdb")
    if before:
        session.execute("CREATE TABLE sheet AS SELECT 42 AS x")
    opened.set()
    assert changed.wait(60)
    session.execute("CREATE OR REPLACE TABLE sheet AS SELECT 43 AS x")
    wrote.set()
    assert leave.wait(60)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("before", [True, False])
def test_a_session_that_writes_does_not_spoil_the_file_that_comes_after(
    tmp_path: Path, processes: ForkServerContext, started: list[BaseProcess], before: bool
) -> None:
    """Its write-ahead log lies where the newer file's would, and is for another file."""
    warehouse = Warehouse(path=str(tmp_path / "warehouse"))
    warehouse.publish([])
    opened, changed, wrote, leave = (processes.Event() for _ in range(4))
    started.append(processes.Process(target=hold, args=(warehouse.path, before, opened, changed, wrote, leave)))
    started[0].start()
    assert opened.wait(60)
    assert warehouse.publish([SHEET])
    changed.set()
    assert wrote.wait(60)
    warehouse.publish([SHEET])
    with duckdb.connect(warehouse.root / "results.duckdb") as connection:
        assert connection.execute("FROM sheet").fetchall() == []
    leave.set()
    started[0].join(60)
    warehouse.publish([SHEET])
    with duckdb.connect(warehouse.root / "results.duckdb") as connection:
        assert connection.execute("FROM sheet").fetchall() == []
