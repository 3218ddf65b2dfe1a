"""What a run does with a lake as its warehouse."""

from collections.abc import Collection
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from benchmarks.archive import queries
from resources.errors import OtherCode
from resources.warehouse.lake.store import LakeStore
from resources.warehouse.resource import Warehouse
from tests.cluster.test_lake import LUMA, rows
from vid_assets.sql.publish import publish


def test_a_lost_run_is_to_begin_anew(lake: Warehouse, tmp_path: Path) -> None:
    @dg.op
    def nothing(warehouse: dg.ResourceParam[Warehouse]) -> None:
        warehouse.path  # noqa: B018

    @dg.job
    def job() -> None:
        nothing()

    for warehouse, strategy in ((lake, "ALL_STEPS"), (Warehouse(path=str(tmp_path / "folder")), None)):
        with dg.DagsterInstance.ephemeral() as instance:
            made = job.execute_in_process(instance=instance, resources={"warehouse": warehouse})
            run = instance.get_run_by_id(made.run_id)
            assert run is not None
            assert run.tags.get("dagster/retry_strategy") == strategy


def test_a_run_asks_a_lake_once_for_what_it_reads(lake: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.publish([LUMA])
    lake.replace_partition("luma", "a", rows("a", 0.1, 0.2))
    asked: list[tuple[str, list[str]]] = []
    read = LakeStore.partitions

    def partitions(store: LakeStore, table: str, keys: Collection[str]) -> dict[str, pl.DataFrame]:
        asked.append((table, list(keys)))
        return read(store, table, keys)

    monkeypatch.setattr(LakeStore, "partitions", partitions)
    with lake.batch() as stage:
        for _ in range(3):
            assert stage.read_partition("luma", "a") is not None
            assert stage.read_partition("luma", "b") is None
        stage.merge_partition("luma", "a", rows("a", 0.5), on="start_s")
        merged = stage.read_partition("luma", "a")
        assert merged is not None
        assert sorted(merged["luma"].to_list()) == [0.2, 0.5]
        assert asked == [("luma", ["a"]), ("luma", ["b"])]
        # meanwhile another run adds a row, which is there when this one is published
        lake.merge_partition("luma", "a", rows("a", 0.0, 0.0, 0.7)[2:], on="start_s")
    assert sorted(luma for _, _, luma in lake.read_table("luma").collect().rows()) == [0.2, 0.5, 0.7]


def test_a_run_reads_a_table_at_a_time_and_knows_what_it_published(
    lake: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.publish([LUMA])
    lake.commit({"luma": {key: rows(key, 0.1) for key in "abc"}})
    asked: list[list[str]] = []
    read = LakeStore.partitions

    def partitions(store: LakeStore, table: str, keys: Collection[str]) -> dict[str, pl.DataFrame]:
        asked.append(sorted(keys))
        return read(store, table, keys)

    monkeypatch.setattr(LakeStore, "partitions", partitions)
    with lake.batch() as stage:
        stage.replace_partition("luma", "a", rows("a", 0.2))
        stage.expect(["luma"], ["a", "b", "c", "d"])
        stage.expect(["luma"], ["b", "d"])
        assert asked == [["b", "c", "d"]]
        stage.remove_partition("luma", "b")
        stage.remove_partition("luma", "d")
        stage.publish()
        assert [stage.read_partition("luma", key) is not None for key in "abcd"] == [True, False, True, False]
        assert stage.read_partition("luma", "a").equals(rows("a", 0.2))  # pyright: ignore[reportOptionalMemberAccess]
        assert asked == [["b", "c", "d"]]
        # others may have added to what rows are merged into, so that is read again
        stage.merge_partition("luma", "c", rows("c", 0.0, 0.7)[1:], on="start_s")
        stage.publish()
        asked.clear()
        assert stage.read_partition("luma", "c")["luma"].sort().to_list() == [0.1, 0.7]  # pyright: ignore[reportOptionalSubscript]
        assert asked == [["c"]]
    assert sorted(row[0] for row in lake.read_table("luma").collect().rows()) == ["a", "c", "c"]


def test_a_run_on_a_machine_with_another_profile_is_refused(lake: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID_PROFILE", "offline")
    publish(lake)
    publish(lake, in_run=True)
    monkeypatch.setenv("VID_PROFILE", "cpu")
    with pytest.raises(OtherCode, match="profile offline there, cpu here"):
        publish(lake, in_run=True)
    publish(lake)  # who asks for runs decides
    publish(lake, in_run=True)


def test_the_ten_questions_have_answers(lake: Warehouse) -> None:
    publish(lake)
    assert len(queries()) == 10
    with lake.connect() as connection:
        for query in queries().values():
            connection.execute(query).fetchall()
        described = connection.execute("SELECT count(DISTINCT table_name) FROM data_dictionary").fetchone()
    assert described is not None
    assert described[0] > 35
