"""What prune removes, and what it leaves because something uses it."""

import os
import shutil
import time
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from resources.warehouse.records import SOURCES
from resources.warehouse.resource import Warehouse
from vid_assets.archive.prune import prune
from vid_assets.archive.register import register, take_in
from vid_assets.archive.scan import Archive
from vid_assets.media import MediaSettings, open_media
from vid_assets.media.remote import fetch, local_path, unused_copies
from vid_assets.report.previews import keep_preview
from vid_assets.sql.publish import publish
from vid_assets.synthetic.clips import Clip, Shot, render

DAY_S = 86400.0


def clip_at(path: Path) -> Path:
    render(Clip(shots=(Shot(0.2),), width=64, height=36), path, audio=False)
    os.utime(path, (1e9, 1e9))
    return path


@pytest.fixture
def home(tmp_path):
    """A folder with an archive of one registered clip, its warehouse and instance, and the clip's source."""
    (tmp_path / "archive").mkdir()
    clip = clip_at(tmp_path / "archive/clip.mp4")
    warehouse = Warehouse(path=str(tmp_path / "warehouse"))
    publish(warehouse)
    with dg.DagsterInstance.ephemeral() as instance:
        yield tmp_path, warehouse, instance, register(clip, warehouse, instance)


def pruned(home, days=0.0, *, results=False, busy=(), dry_run=False):
    folder, warehouse, instance, _ = home
    return prune(
        instance, warehouse, folder / "scratch", folder / "reports", (), days,
        former_checks=("schema",), results=results, busy=busy, dry_run=dry_run,
    )  # fmt: skip


def test_streams_of_all_settings_count_as_one_video_and_open_ones_stay(home):
    folder, _, _, source = home
    scratch = folder / "scratch"
    for settings in (MediaSettings(), MediaSettings(long_side=32)):
        open_media(source.path, source.video_id, scratch, settings).close()
    assert pruned(home, busy=[source.video_id]).streams == []
    assert pruned(home, dry_run=True).streams == [source.video_id]
    media = open_media(source.path, source.video_id, scratch, MediaSettings())
    assert pruned(home).streams == [source.video_id]
    assert [path.parent.name for path in scratch.glob("*/meta.json")] == [source.video_id]
    media.close()
    assert pruned(home).streams == [source.video_id]
    assert list(scratch.glob("*/meta.json")) == []


def test_copies_stay_while_they_are_used(home):
    folder, *_, source = home
    copies = folder / "scratch/fetched"
    copies.mkdir(parents=True)
    ages_in_days = {source.content_hash: 5, "0" * 64: 5, "1" * 64: 0.1, ".1-killed": 5, ".2-running": 0.5}
    for name, age in ages_in_days.items():
        (copies / name).touch()
        os.utime(copies / name, (time.time() - age * DAY_S,) * 2)
    assert pruned(home, 1.0, busy=[source.video_id]).copies == [".1-killed", "0" * 64]
    assert {path.name for path in copies.iterdir()} == {source.content_hash, "1" * 64, ".2-running"}
    assert pruned(home, 0.0).copies == sorted(["1" * 64, source.content_hash])


def test_a_copy_that_is_opened_counts_as_used(tmp_path):
    url = "memory://films/clip.mp4"
    MemoryFileSystem().pipe("/films/clip.mp4", clip_at(tmp_path / "clip.mp4").read_bytes())
    source = fetch(url, tmp_path)
    os.utime(source.path, (1e9, 1e9))
    assert unused_copies(tmp_path, 2e9, ()) == [source.path]
    before = time.time() - 1
    assert local_path(url, source.content_hash, tmp_path) == source.path
    assert unused_copies(tmp_path, before, ()) == []


def test_results_of_a_vanished_file_go_but_an_open_stream_stays(home):
    folder, warehouse, instance, source = home
    scratch = folder / "scratch"
    media = open_media(source.path, source.video_id, scratch, MediaSettings())
    keep_preview(folder / "reports", source.video_id, "example", np.zeros((36, 64, 3), np.uint8))
    with Archive(str(folder / "archive"), scratch) as archive:
        take_in(archive, scratch, warehouse, instance)
        shutil.move(source.path, folder / "elsewhere.mp4")
        assert take_in(archive, scratch, warehouse, instance).vanished == [source.video_id]
    assert pruned(home, 1.0, results=True).results == []
    assert pruned(home, results=True).results == [source.video_id]
    assert warehouse.read_partition(SOURCES.name, source.video_id) is None
    assert instance.get_dynamic_partitions("videos") == []
    assert (scratch / source.video_id / "meta.json").is_file()
    assert not list((folder / "reports/previews").iterdir())
    media.close()


def test_what_killed_writers_left_goes_after_an_hour(home):
    folder, _, instance, _ = home
    (folder / "reports/cards").mkdir(parents=True)
    old = [
        folder / "reports/.1.ab.part",
        folder / "reports/cards/.1.cd.part",
        Path(instance.root_directory) / ".2.part",
    ]
    new = folder / "reports/.3.part"
    for part in (*old, new):
        part.touch()
    for part in old:
        os.utime(part, (time.time() - 3700,) * 2)
    assert pruned(home, dry_run=True).leftovers == 3
    assert all(part.exists() for part in old)
    pruned(home)
    assert not any(part.exists() for part in old)
    assert new.exists()
