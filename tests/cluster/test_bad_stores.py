"""What is wrong with a shared store is told in one line, before work is done, and nothing is half published."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import postgres
from resources.errors import OtherCode, WarehouseError, WarehouseUnreachable
from resources.warehouse.lake.catalogue import catalogue
from resources.warehouse.lake.store import LakeStore
from resources.warehouse.resource import Warehouse
from tests.cluster.test_lake import LUMA, TEXT, contents, rows, spec, words


def one_line(error: pytest.ExceptionInfo[WarehouseError], *parts: str) -> None:
    text = str(error.value)
    assert "\n" not in text
    assert postgres.PASSWORD not in text
    assert [part for part in (*parts, "; ") if part not in text] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text, server: text.replace(f"port={server.port}", f"port={postgres.free_port()}"), "refused"),
        (lambda text, _: text.replace("host=127.0.0.1", "host=nowhere.invalid"), "nowhere.invalid"),
        (lambda text, _: text.replace(postgres.PASSWORD, "wrong"), "authentication failed"),
        (lambda text, _: text.replace("dbname=lake", "dbname=none"), "does not exist"),
    ],
    ids=["port", "host", "password", "database"],
)
def test_a_wrong_catalogue_is_named(
    change: Callable[[str, postgres.Server], str], said: str, lake: Warehouse, server: postgres.Server
) -> None:
    with pytest.raises(WarehouseUnreachable) as error:
        Warehouse(path=change(lake.path, server)).publish([LUMA])
    one_line(error, "ducklake:postgres:", said, "VID_WAREHOUSE")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("ducklake:sqlite:lake.db", "only a catalogue in Postgres"),
        ("ducklake:postgres:host = = =", "libpq cannot read it"),
        ("s3://bucket/results", "neither a folder nor a DuckLake"),
        ("postgresql://db/lake", "neither a folder nor a DuckLake"),
    ],
)
def test_an_address_of_another_kind_is_refused(path: str, said: str) -> None:
    with pytest.raises(WarehouseError) as error:
        Warehouse(path=path).publish([LUMA])
    one_line(error, said, "VID_WAREHOUSE")


def test_a_new_lake_needs_a_place_for_its_files(lake: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WarehouseError, match="nothing is published here"):
        lake.read_table("luma").collect() if lake.partitions("luma") else None
    monkeypatch.delenv("VID_WAREHOUSE_DATA")
    with pytest.raises(WarehouseError) as error:
        lake.publish([LUMA])
    one_line(error, "VID_WAREHOUSE_DATA", "not set")


def test_files_in_another_place_than_the_lake_has_are_refused(
    lake: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.publish([LUMA])
    monkeypatch.setenv("VID_WAREHOUSE_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(WarehouseError) as error:
        lake.publish([LUMA])
    one_line(error, str(tmp_path / "elsewhere"), "the lake has its files in")


def test_a_folder_that_is_not_mounted_or_full_is_named_before_work(
    lake: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.publish([LUMA])
    lake.replace_partition("luma", "a", rows("a", 0.5))
    (data,) = tmp_path.glob("lake*")
    from resources.warehouse.lake import writable

    writable._check.cache_clear()
    data.rename(tmp_path / "away")
    with pytest.raises(WarehouseUnreachable) as error:
        lake.publish([LUMA])
    one_line(error, str(data), "No such file")
    data.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", data], check=False).returncode:
        pytest.skip("this machine allows no mounts")
    try:
        with pytest.raises(WarehouseUnreachable) as error:
            lake.publish([LUMA])
        one_line(error, str(data), "No space left")
        subprocess.run(["mount", "-o", "remount,ro", data], check=True)
        with pytest.raises(WarehouseUnreachable) as error:
            lake.publish([LUMA])
        one_line(error, str(data), "Read-only")
    finally:
        subprocess.run(["umount", data], check=True)


def test_a_store_that_fills_up_in_the_middle_loses_nothing(lake: Warehouse, tmp_path: Path) -> None:
    lake.publish([LUMA, TEXT])
    (data,) = tmp_path.glob("lake*")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", data], check=False).returncode:
        pytest.skip("this machine allows no mounts")
    try:
        stage = lake.stage("run")
        stage.replace_partition("words", "a", words("a", "x"))
        many = rows("a", *[number / 7**9 for number in range(30_000)])
        stage.replace_partition("luma", "a", many)
        with pytest.raises(WarehouseUnreachable) as error:
            stage.publish()
        one_line(error, "ducklake:postgres:")
        assert contents(lake) == {"luma": {}, "words": {}}
    finally:
        subprocess.run(["umount", data], check=True)
    stage.close()
    assert lake.read_partition("luma", "a").equals(many)  # pyright: ignore[reportOptionalMemberAccess]
    assert contents(lake)["words"] == {"a": [("a", 0.0, "x")]}


def test_a_lake_of_a_newer_release_is_refused(lake: Warehouse) -> None:
    lake.publish([LUMA])
    store = lake.store
    assert isinstance(store, LakeStore)
    known = catalogue(store._address)
    known.put({**known.definition(), "release": "99.0.1"})
    with pytest.raises(OtherCode) as error:
        lake.publish([spec("luma", other=LUMA.columns[1].dtype)])
    one_line(error, "99.0.1", "install the same release")


def test_a_run_on_a_machine_with_other_code_is_refused_until_the_code_is_the_same(lake: Warehouse) -> None:
    head, node = {"sources": "abc", "profile": "cpu"}, {"sources": "abd", "profile": "gpu"}
    lake.publish([LUMA], code=head)
    lake.publish([LUMA], code=head, replace=False)
    with pytest.raises(OtherCode) as error:
        lake.publish([LUMA], code=node, replace=False)
    one_line(error, "sources abc there, abd here", "profile cpu there, gpu here", "install the same")
    with pytest.raises(OtherCode, match="tables and views"):
        lake.publish([LUMA, TEXT], code=head, replace=False)
    assert lake.publish([LUMA, TEXT], code=node)
    lake.publish([LUMA, TEXT], code=node, replace=False)


def test_a_database_that_was_restarted_is_found_again(lake: Warehouse, server: postgres.Server) -> None:
    lake.publish([LUMA])
    lake.replace_partition("luma", "a", rows("a", 0.5))
    server.control("-m", "immediate", "stop")
    try:
        with pytest.raises(WarehouseUnreachable) as error:
            lake.replace_partition("luma", "b", rows("b", 0.5))
        one_line(error, "ducklake:postgres:")
    finally:
        server.start()
    lake.replace_partition("luma", "b", rows("b", 0.5))
    assert lake.partitions("luma") == ["a", "b"]
    assert lake.read_partition("luma", "a") is not None
