"""What the decode pass leaves in the warehouse, and in SQL."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest

from resources.warehouse.resource import Warehouse
from resources.warehouse.views import SETTLE_S
from tests.kit.media_files import TextTrack, VideoTrack, mux, noise_pictures, write
from vid_assets.archive.register import register
from vid_assets.pipeline.analyze import analyze, probe
from vid_assets.pipeline.outcome import Run, Status
from vid_assets.registry import discover
from vid_assets.sql.publish import publish

FILM = VideoTrack(pictures=noise_pictures(100))


def run_of(tmp_path: Path, warehouse: Warehouse) -> Run:
    return Run(
        warehouse=warehouse,
        scratch=tmp_path / "scratch",
        profile="offline",
        run_id="run-1",
        started_at=datetime.now(UTC),
    )


@pytest.mark.parametrize("size", [(1, 1), (3, 5000)])
def test_pictures_that_show_nothing_get_a_clear_status(tmp_path: Path, size: tuple[int, int]):
    picture = np.full((size[1], size[0], 3), 50, np.uint8)
    path = write(tmp_path / "a.mkv", stamps=range(3), picture=lambda _: picture)
    warehouse = Warehouse(path=str(tmp_path / "warehouse"))
    publish(warehouse)
    with dg.DagsterInstance.ephemeral() as instance:
        video_id = register(path, warehouse, instance).video_id
    run = run_of(tmp_path, warehouse)
    assert probe(video_id, run, "2").status is Status.VALUE
    concerned = [analyzer for analyzer in discover() if "frames" in analyzer.inputs and not analyzer.upstream]
    assert {"color_analysis", "video_llava"} <= {analyzer.name for analyzer in concerned}
    for analyzer in concerned:
        outcome = analyze(analyzer, video_id, run, "1")
        assert outcome.status is Status.UNDEFINED
        assert "a side of less than 16 px shows nothing" in outcome.reason


def test_what_the_file_says_is_found_in_sql(tmp_path: Path):
    text = TextTrack(lines=[(0.5, 1.5, "Ask not what your country")], codec="subrip", metadata={"language": "eng"})
    path = mux(tmp_path / "a.mkv", FILM, text, chapters=[(0, 4, "Inaugural address")])
    warehouse = Warehouse(path=str(tmp_path / "warehouse"))
    publish(warehouse)
    with dg.DagsterInstance.ephemeral() as instance:
        video_id = register(path, warehouse, instance).video_id
    run = run_of(tmp_path, warehouse)
    assert probe(video_id, run, "2").status is Status.VALUE
    cues = warehouse.read_partition("cues", video_id)
    tracks = warehouse.read_partition("tracks", video_id)
    row = warehouse.read_partition("videos", video_id)
    assert cues is not None
    assert tracks is not None
    assert row is not None
    assert cues["kind"].to_list() == ["chapter", "subtitle"]
    assert tracks["kind"].to_list() == ["video", "subtitle"]
    assert (row["picture_start_s"].item(), row["field_order"].item(), row["sound_start_s"].item()) == (
        0,
        "progressive",
        None,
    )
    found = ask(warehouse, f"SELECT start_s, end_s, analyzer, kind, text FROM timeline('{video_id}')")
    assert found == [
        (0.0, 4.0, "cues", "chapter", "Inaugural address"),
        (0.5, 1.5, "cues", "subtitle", "Ask not what your country"),
    ]
    assert ask(warehouse, "SELECT video_id, start_s FROM search_text('YOUR country')") == [(video_id, 0.5)]


def test_old_warehouses_read_as_null_and_empty(tmp_path: Path):
    warehouse = Warehouse(path=str(tmp_path / "warehouse"))
    publish(warehouse)
    old = pl.DataFrame({"video_id": ["old-0123456789ab"], "file_name": ["old.mp4"], "duration_s": [3.0]})
    warehouse.replace_partition("videos", "old-0123456789ab", old)
    assert ask(warehouse, "SELECT duration_s, picture_start_s, field_order, audio_channel FROM videos") == [
        (3.0, None, None, None)
    ]
    assert ask(warehouse, "FROM tracks") == ask(warehouse, "FROM cues") == []
    assert ask(warehouse, "FROM timeline('old-0123456789ab')") == []


def ask(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    time.sleep(2 * SETTLE_S)
    with warehouse.connect() as connection:
        return connection.sql(query).fetchall()
