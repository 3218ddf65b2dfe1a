"""Buckets: partitions of several videos that arrived together."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from resources.catalog.profiles import resolve_profile
from resources.errors import InvalidSetting
from resources.settings import settings
from resources.warehouse.records import ANALYZER_RUNS, SOURCES
from resources.warehouse.resource import Warehouse
from tests.kit.makers import make_analyzer
from vid_assets.archive.partitions import (
    OPEN_FOR,
    WAITING,
    add_missing,
    add_partitions,
    close_buckets,
    members,
    partition_keys,
    partition_of,
)
from vid_assets.archive.plan import Due, DuePartition, Wanted, batches, by_partition
from vid_assets.archive.register import register, take_in
from vid_assets.archive.scan import Archive
from vid_assets.defs import automation, work
from vid_assets.defs.factory import analyzer_asset, videos_asset
from vid_assets.defs.wanted import VIDEOS_VERSION
from vid_assets.pipeline.provenance import archive_version
from vid_assets.settings import Settings
from vid_assets.sql.publish import publish
from vid_assets.streams import MediaResource
from vid_assets.synthetic.clips import Clip, Shot, render

T0 = datetime(2026, 11, 26, 12, 59, tzinfo=UTC)
MATROSKA = b"\x1aE\xdf\xa3"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A warehouse, and an instance with storage of its own; buckets have three videos."""
    monkeypatch.setenv("VID_PARTITION", "bucket")
    monkeypatch.setenv("VID_BUCKET_VIDEOS", "3")
    warehouse = Warehouse(path=str(tmp_path / "warehouse"))
    publish(warehouse)
    with dg.DagsterInstance.ephemeral() as instance:
        yield warehouse, instance


def arrive(warehouse: Warehouse, *names: str, minutes: float = 0.0, bucket: str | None = WAITING) -> None:
    """Register videos, one a second."""
    warehouse.commit(
        {
            SOURCES.name: {
                name: SOURCES.frame(
                    [
                        {
                            "video_id": name,
                            "registered_at": T0 + timedelta(minutes=minutes, seconds=place),
                            "bucket": bucket,
                        }
                    ]
                )
                for place, name in enumerate(names)
            }
        }
    )


def test_a_bucket_is_closed_when_it_is_full_or_an_hour_old(home) -> None:
    warehouse, instance = home
    arrive(warehouse, "e", "d", "c", "b", "a", "f", "g")
    assert close_buckets(warehouse, instance, T0 + timedelta(minutes=1)) == {
        "2026-11-26T12-000001": 3,
        "2026-11-26T12-000002": 3,
    }
    assert members(warehouse, ["2026-11-26T12-000002", "2026-11-26T12-000001", "x"]) == {
        "2026-11-26T12-000002": ["b", "a", "f"],
        "2026-11-26T12-000001": ["e", "d", "c"],
        "x": ["x"],
    }
    arrive(warehouse, "h", minutes=30)
    assert close_buckets(warehouse, instance, T0 + OPEN_FOR) == {}
    arrive(warehouse, "i", minutes=60)
    assert close_buckets(warehouse, instance, T0 + OPEN_FOR + timedelta(seconds=6)) == {"2026-11-26T12-000003": 3}
    assert members(warehouse, ["2026-11-26T12-000003"]) == {"2026-11-26T12-000003": ["g", "h", "i"]}
    arrive(warehouse, "j", minutes=61)
    assert close_buckets(warehouse, instance, T0 + OPEN_FOR, everything=True) == {"2026-11-26T14-000001": 1}
    assert len(partition_keys(instance)) == 4
    assert close_buckets(warehouse, instance, everything=True) == {}


def test_a_closed_bucket_becomes_a_partition_though_its_process_was_killed(home, monkeypatch) -> None:
    warehouse, instance = home
    arrive(warehouse, "a", "b", "c")
    monkeypatch.setattr("vid_assets.archive.partitions.add_partitions", lambda *_: None)
    close_buckets(warehouse, instance)
    assert list(partition_keys(instance)) == []
    monkeypatch.undo()
    add_missing(warehouse, instance)
    assert list(partition_keys(instance)) == ["2026-11-26T12-000001"]


def put(path: Path, text: str) -> Path:
    path.write_bytes(MATROSKA + text.encode())
    os.utime(path, (1e9, 1e9))
    return path


def test_both_kinds_of_partitions_live_in_one_archive(home, tmp_path: Path, monkeypatch) -> None:
    warehouse, instance = home
    (tmp_path / "archive").mkdir()

    def look(everything: bool = False):
        with Archive(str(tmp_path / "archive"), tmp_path / "scratch") as archive:
            return take_in(archive, tmp_path / "scratch", warehouse, instance, everything=everything)

    put(tmp_path / "archive" / "one.mkv", "one")
    monkeypatch.setenv("VID_PARTITION", "video")
    (one,) = look().partitions
    monkeypatch.setenv("VID_PARTITION", "bucket")
    for name in ("two", "three", "four", "five"):
        put(tmp_path / "archive" / f"{name}.mkv", name)
    taken = look()
    ((bucket, count),) = taken.partitions.items()
    assert (len(taken.new), count) == (4, 3)
    # the same content again, and the same file by name, change nothing
    (left,) = set(taken.new) - set(members(warehouse, [bucket])[bucket])
    inside = members(warehouse, [bucket])[bucket][0]
    (tmp_path / "archive" / "copies").mkdir()
    for name in ("one", "two", "three", "four", "five"):
        put(tmp_path / "archive" / "copies" / f"{name}.mkv", name)
    again = look()
    assert (again.new, again.partitions) == ([], {})
    assert register(put(tmp_path / "one.mkv", "one"), warehouse, instance).video_id == one
    assert partition_of(warehouse, inside) == bucket
    # a video that you analyse by name does not wait for others
    monkeypatch.setenv("VID_PARTITION", "video")
    file = next(path for path in (tmp_path / "archive").iterdir() if path.stem == left.rsplit("-", 1)[0])
    register(file, warehouse, instance)
    assert partition_of(warehouse, left) == left
    assert list(partition_keys(instance)) == [one, bucket, left]
    assert look(everything=True).partitions == {}
    # the plan names partitions, newest first, and a change of the setting makes nothing due that was not
    made = automation.planned(instance, warehouse)
    assert [(batch.first, batch.last, batch.videos) for batch in made] == [(one, left, 5)]
    assert [item.assets for item in automation.hopeless(instance, warehouse)] == []


def test_runs_take_several_small_buckets_or_one_large_one() -> None:
    buckets = {f"v{number}": f"b{number // 4}" for number in range(12)}
    due = [Due(f"v{number}", frozenset("a" if number else "ab"), "missing", 1.0) for number in (11, 10, 1, 0)]
    items = list(by_partition([*due, Due("w", frozenset("a"), "stale")], buckets))
    assert items == [
        DuePartition("b2", frozenset("a"), "missing", 2, 2.0),
        DuePartition("b0", frozenset("ab"), "missing", 2, 2.0),
        DuePartition("w", frozenset("a"), "stale"),
    ]
    large = [DuePartition(key, frozenset("a"), "missing", 8) for key in ("b0", "b1")]
    assert [batch.videos for batch in batches(large, ["b0", "b1"])] == [8, 8]
    assert [batch.videos for batch in batches(large, ["b0", "b1"], size=16)] == [16]


@pytest.mark.parametrize(("name", "value"), [("VID_PARTITION", "videos"), ("VID_BUCKET_VIDEOS", "0")])
def test_a_wrong_setting_is_one_line(monkeypatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSetting, match=f"^{name}='?{value}"):
        settings()


def test_a_step_works_off_what_is_due_in_a_bucket(home, tmp_path: Path, monkeypatch) -> None:
    warehouse, instance = home
    clips = [tmp_path / f"{name}.mp4" for name in ("one", "two", "three")]
    for clip, background in zip(clips, ("grey", "brown", "black"), strict=True):
        render(Clip(shots=(Shot(0.4, background=background),), width=64, height=36), clip)
    clips[1].write_bytes(b"no video" * 100)
    one, two, three = (register(clip, warehouse, instance).video_id for clip in clips)
    for video_id in (one, two, three):
        row = warehouse.read_partition(SOURCES.name, video_id)
        assert row is not None
        warehouse.replace_partition(SOURCES.name, video_id, SOURCES.frame([row.row(0, named=True) | {"bucket": "b"}]))
    add_partitions(instance, ["b"])
    worked: list[str] = []

    def run(video):
        worked.append(video.video_id)
        return make_analyzer().run(video)

    analyzer = make_analyzer(run=run)
    wanted = {
        "videos": Wanted(VIDEOS_VERSION),
        "example": Wanted(archive_version(analyzer, resolve_profile("")), upstream=("videos",)),
    }
    monkeypatch.setattr(work, "wanted_answers", lambda: wanted)
    resources = {
        "warehouse": warehouse,
        "media": MediaResource(),
        "settings": Settings(archive="", scratch=str(tmp_path / "scratch"), reports=str(tmp_path / "reports")),
    }

    def materialize(**tags: str) -> dg.ExecuteInProcessResult:
        worked.clear()
        assets = [videos_asset(), analyzer_asset(analyzer)]
        return dg.materialize(
            assets, instance=instance, resources=resources, tags={f"vid/{name}": value for name, value in tags.items()},
            partition_key="b", raise_on_error=False,
        )  # fmt: skip

    result = materialize()
    assert result.success
    assert sorted(worked) == sorted([one, three])
    (event,) = result.asset_materializations_for_node("example")
    assert event.partition == "b"
    assert {name: entry.value for name, entry in event.metadata.items()} == {
        "videos": 3,
        "failed_videos": 1,
        "failed": [two],
    }
    checks = {
        item.check_name: item for item in result.get_asset_check_evaluations() if item.asset_key.path == ["example"]
    }
    assert checks["answered"].description == "1 failed of 3"
    assert two in str(checks["answered"].metadata["failed_1"].value)
    # the good ones are current: only the bad one is tried again, and the bucket is delivered for the others' sake
    result = materialize()
    assert worked == []
    runs = warehouse.read_table(ANALYZER_RUNS.name).collect()
    failures = dict(runs.select("video_id", "failures").filter(runs["analyzer"] == "videos").iter_rows())
    assert failures == {one: 0, two: 2, three: 0}
    materialize()
    result = materialize()
    assert result.success  # given up: nothing is due
    (event,) = result.asset_materializations_for_node("videos")
    assert {name: entry.value for name, entry in event.metadata.items()} == {"videos": 0}
    materialize(retry="true")
    runs = warehouse.read_table(ANALYZER_RUNS.name).collect()
    assert dict(runs.select("video_id", "failures").filter(runs["analyzer"] == "videos").iter_rows())[two] == 4
    materialize(videos=one)
    assert worked == [one]
