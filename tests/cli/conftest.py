"""Folders of the project's own for a test, and an archive with results that the test knows."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from resources.warehouse.commits import TAIL
from resources.warehouse.records import ANALYZER_RUNS, SOURCES, VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets.sql.publish import publish

SPEECH, SILENT = "talk-0123456789ab", "garden-ba9876543210"
WORDS = ["Ask", "not", "what", "your", "country", "can", "do."]
_NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with Dagster's home and no settings."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    monkeypatch.chdir(tmp_path)
    for name, folder in {
        "DAGSTER_HOME": "home",
        "VID_ARCHIVE": "videos",
        "VID_WAREHOUSE": "warehouse",
        "VID_SCRATCH": "scratch",
        "VID_REPORTS": "reports",
    }.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    for name in ("VID_DISABLED", "VID_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def two_videos(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Two videos: one in which words are said and a dog is seen, one without an answer but a failure."""
    warehouse = Warehouse(path=str(tmp_path_factory.mktemp("two_videos") / "warehouse"))
    publish(warehouse)
    for video_id, name in ((SPEECH, "talk.mp4"), (SILENT, "garden.mp4")):
        source = {"video_id": video_id, "path": f"/films/{name}", "registered_at": _NOON}
        warehouse.replace_partition(SOURCES.name, video_id, SOURCES.frame([source]))
        video = {"video_id": video_id, "duration_s": 20.0, "file_name": name}
        warehouse.replace_partition(VIDEOS.name, video_id, VIDEOS.frame([video]))
    warehouse.replace_partition("speech_transcription", SPEECH, words())
    warehouse.replace_partition("object_detection", SPEECH, sightings())
    rows = [record(SPEECH, "speech_transcription", "value"), record(SPEECH, "object_detection", "value")]
    warehouse.replace_partition(ANALYZER_RUNS.name, SPEECH, ANALYZER_RUNS.frame(rows))
    rows = [record(SILENT, "speech_transcription", "not_applicable", "the sound is silent")]
    rows.append(record(SILENT, "cut_analysis", "failed", "the disk\nis full"))
    warehouse.replace_partition(ANALYZER_RUNS.name, SILENT, ANALYZER_RUNS.frame(rows))
    return warehouse


@pytest.fixture
def archive(places: Path, two_videos: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """The warehouse of the settings, one for all tests, which only read it."""
    (places / "videos").mkdir()
    with only_read(two_videos, monkeypatch):
        yield two_videos


@pytest.fixture
def own_archive(places: Path, two_videos: Warehouse) -> Warehouse:
    """The same warehouse, for a test that writes to it."""
    (places / "videos").mkdir()
    shutil.copytree(two_videos.path, places / "warehouse", ignore=shutil.ignore_patterns("results.duckdb*"))
    warehouse = Warehouse(path=str(places / "warehouse"))
    publish(warehouse)
    return warehouse


@contextmanager
def only_read(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make a warehouse that of the settings, and check that nothing is committed to it."""
    monkeypatch.setenv("VID_WAREHOUSE", warehouse.path)
    tail = Path(warehouse.path) / TAIL
    before = set(tail.iterdir())
    yield
    assert set(tail.iterdir()) == before


def record(video_id: str, analyzer: str, status: str, reason: str | None = None) -> dict:
    """A row of ``analyzer_runs``."""
    times = {"started_at": _NOON, "ended_at": _NOON + timedelta(seconds=1)}
    return {"video_id": video_id, "analyzer": analyzer, "status": status, "reason": reason, "rows": 0} | times


def words() -> pl.DataFrame:
    """`WORDS`, one every half second from 1 s on, in one phrase."""
    starts = [1.0 + 0.5 * place for place in range(len(WORDS))]
    return pl.DataFrame({
        "video_id": SPEECH,
        "segment": [0] * len(WORDS),
        "word": WORDS,
        "start_s": starts,
        "end_s": [start + 0.4 for start in starts],
        "confidence": 0.9,
        "no_speech": 0.1,
        "language": "en",
    })  # fmt: skip


def sightings() -> pl.DataFrame:
    """A dog at 3.0 s, 3.5 s and 9.0 s."""
    from vid_assets.registry import discover

    (detection,) = [analyzer for analyzer in discover() if analyzer.name == "object_detection"]
    values = {"time_s": [3.0, 3.5, 9.0], "label": ["dog"] * 3}
    empty = {name: pl.Series([None] * 3, dtype=column.dtype) for name, column in detection.table.items()}
    frame = pl.DataFrame(empty | values)
    return frame.select(pl.lit(SPEECH).alias("video_id"), *detection.table)
