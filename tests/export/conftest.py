"""An archive of two generated films whose answers the tests know, and one video without any."""

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from resources.warehouse.records import ANALYZER_RUNS, CUES, SOURCES, TRACKS, VIDEOS
from resources.warehouse.resource import Warehouse
from tests.cli.conftest import only_read, places, record
from tests.kit.media_files import tone, write
from vid_assets.contract import Analyzer
from vid_assets.export.subject import Subject
from vid_assets.media import MediaSettings, identify, open_media
from vid_assets.registry import discover
from vid_assets.sql.publish import publish

__all__ = ["places"]
# Of 100 pictures, 25 a second; key frames at every tenth.
CUT, FADE = 35, (60, 71)
COLOURS = [(200, 40, 40), (40, 200, 40), (40, 40, 200)]
LABELS = ["dog", 'a "b" <c> & d']


def picture(index: int) -> np.ndarray:
    """A plain picture: red, from frame 35 on green, from frame 71 on blue."""
    shot = (index >= CUT) + (index >= FADE[1])
    return np.full((72, 128, 3), COLOURS[shot], np.uint8)


def rows_of(name: str, rows: list[dict[str, Any]], video_id: str) -> pl.DataFrame:
    """Rows of an analyzer's table; columns that are not given are null."""
    (analyzer,) = (item for item in discover() if item.name == name)
    assert isinstance(analyzer, Analyzer)
    table = pl.DataFrame([{**dict.fromkeys(analyzer.table), **row} for row in rows], schema=analyzer.schema)
    return table.select(pl.lit(video_id).alias("video_id"), pl.all())


def put(warehouse: Warehouse, name: str, rows: list[dict[str, Any]], video_id: str) -> None:
    warehouse.replace_partition(name, video_id, rows_of(name, rows, video_id))


def register(path: Path, warehouse: Warehouse, scratch: Path) -> str:
    """Give a file its rows in ``sources``, ``videos``, ``tracks`` and ``cues``, as the pipeline does."""
    source = identify(path)
    key = {"video_id": source.video_id, "content_hash": source.content_hash, "size_bytes": source.size}
    modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    rows = [key | {"path": str(path), "modified_at": modified}]
    warehouse.replace_partition(SOURCES.name, source.video_id, SOURCES.frame(rows))
    media = open_media(path, source.video_id, scratch, MediaSettings())
    facts = {name: media.facts[name] for name in VIDEOS.schema if name in media.facts}
    row = facts | asdict(media.video) | key | {"file_name": path.name, "warnings": list(media.warnings)}
    warehouse.replace_partition(VIDEOS.name, source.video_id, VIDEOS.frame([row]))
    for spec, found in ((TRACKS, list(media.tracks)), (CUES, media.cues())):
        if found:
            given = [{"video_id": source.video_id, **item} for item in found]
            warehouse.replace_partition(spec.name, source.video_id, spec.frame(given))
    media.close()
    return source.video_id


def film(path: Path, **changes: Any) -> Path:
    values: dict[str, Any] = {
        "stamps": range(100),
        "picture": picture,
        "codec": "libx264",
        "pixels": "yuv420p",
        "options": {"g": "10", "keyint_min": "10", "sc_threshold": "0", "bf": "2"},
        "sounds": [(0.0, tone(4, 440))],
        "sound_codec": "aac",
    }
    return write(path, **values | changes)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files, which no test changes."""
    folder = tmp_path_factory.mktemp("films")
    film(folder / "My film.mp4")
    film(folder / "other & <b>.mkv", sounds=())
    return folder


@pytest.fixture(scope="session")
def answered(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The films with answers, and a video of which nothing is known but that its sound is silent."""
    folder = tmp_path_factory.mktemp("answered")
    warehouse = Warehouse(path=str(folder / "warehouse"))
    publish(warehouse)
    for path in films.iterdir():
        video_id = register(path, warehouse, folder / "scratch")
        put(warehouse, "cut_analysis", CUTS, video_id)
        put(warehouse, "scene_segmentation", SCENES, video_id)
    video_id = my_film(warehouse)
    put(warehouse, "object_detection", OBJECTS, video_id)
    put(warehouse, "speech_transcription", WORDS, video_id)
    silent = "silent-0123456789ab"
    rows = [{"video_id": silent, "path": "/films/silent.mp4", "content_hash": "0" * 64}]
    warehouse.replace_partition(SOURCES.name, silent, SOURCES.frame(rows))
    runs = [record(silent, "speech_transcription", "not_applicable", "the sound is silent")]
    runs.append(record(silent, "cut_analysis", "failed", "the disk\nis full"))
    warehouse.replace_partition(ANALYZER_RUNS.name, silent, ANALYZER_RUNS.frame(runs))
    return warehouse


@pytest.fixture
def shared(places: Path, answered: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """The warehouse of the settings, one for all tests that only read it."""
    with only_read(answered, monkeypatch):
        yield answered


@pytest.fixture
def warehouse(places: Path, answered: Warehouse) -> Warehouse:
    """The warehouse of the settings, a copy for a test that writes to it."""
    shutil.copytree(answered.path, places / "warehouse")
    return Warehouse(path=str(places / "warehouse"))


def my_film(warehouse: Warehouse) -> str:
    (video_id,) = (key for key in warehouse.partitions(SOURCES.name) if key.startswith("my_film-"))
    return video_id


@pytest.fixture
def subject(warehouse: Warehouse, places: Path) -> Subject:
    """The film with sound, words and objects."""
    return Subject(my_film(warehouse), warehouse, places / "scratch", MediaSettings())


CUTS = [
    {"kind": "cut", "start_s": 1.36, "end_s": 1.4, "last_frame": 34, "first_frame": 35, "confidence": 0.9},
    {"kind": "gradual", "start_s": 2.4, "end_s": 2.84, "last_frame": 60, "first_frame": 71, "confidence": 0.9},
]
SCENES = [
    {"scene": 0, "start_s": 0.0, "end_s": 1.4, "first_shot": 0, "shots": 1, "key_time_s": 0.4, "key_frame": 10},
    {"scene": 1, "start_s": 1.4, "end_s": 4.0, "first_shot": 1, "shots": 2, "key_time_s": 3.0, "key_frame": 75},
]
OBJECTS = [
    {"time_s": frame / 25, "frame": frame, "track": track, "label": label, "score": 0.5 + track / 4}
    | {"x0": 0.25, "y0": 0.5, "x1": 0.75, "y1": 1.0}
    for frame, track, label in ((25, 0, LABELS[0]), (25, 1, LABELS[1]), (38, 0, LABELS[0]), (88, 2, LABELS[0]))
]
HOSTILE = ["<i>I</i>", "said", "-->", "&amp;", "<script>alert(1)</script>", r"{\an8}up", "</tt>"]
WORDS = [
    {
        "segment": 0,
        "word": word,
        "start_s": 1 + place / 4,
        "end_s": 1.2 + place / 4,
        "language": "en",
        "understood": True,
    }
    for place, word in enumerate(HOSTILE)
] + [{"segment": 1, "word": "", "start_s": 3.2, "end_s": 3.6, "understood": False}]
