"""An archive of two videos with everything that is searched."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import uvicorn

from resources.warehouse.records import ANALYZER_RUNS, SOURCES, VIDEOS
from resources.warehouse.resource import Warehouse
from tests.cli.conftest import SILENT, SPEECH, only_read, places, record
from tests.export.conftest import rows_of
from tests.search.makers import painted, shots_of
from vid_assets.indexes.shots import webp
from vid_assets.serve.app import app
from vid_assets.sql.publish import publish

__all__ = ["places"]
HOSTILE = '<img src=x onerror=alert(1)> "quoted" & harbour'
SAID = "Ask not what your country can do."
PICTURES = [webp(painted(shot)) for shot in range(3)]
# Of each video: the second differs in 2 bits from that of the first in one place, and in 12 in another.
HASHES = {SPEECH: [0b0000, 0b1111_1111_1111, None], SILENT: [0b0011, -1, 0b1111_1111_1111 << 30]}
# East and north, for a model that knows only these.
VECTORS = [[1, 127], [127, 1], None]


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    warehouse = Warehouse(path=str(tmp_path_factory.mktemp("searched") / "warehouse"))
    publish(warehouse)
    tables: dict[str, dict[str, pl.DataFrame | None]] = {}

    def put(name: str, video_id: str, rows: pl.DataFrame) -> None:
        tables.setdefault(name, {})[video_id] = rows

    for video_id, file, length, day, brisque, language, label in (
        (SPEECH, "talk.mp4", 20.0, 1, 10.0, "en", "dog"),
        (SILENT, "garden.flac", 90.0, 2, 60.0, "fr", "cat"),
    ):
        key, changed = {"video_id": video_id}, datetime(2026, 5, day, 23, 59, tzinfo=UTC)
        put(SOURCES.name, video_id, SOURCES.frame([key | {"path": f"/films/{file}", "modified_at": changed}]))
        video = key | {"duration_s": length, "file_name": file, "has_picture": file.endswith("mp4")}
        put(VIDEOS.name, video_id, VIDEOS.frame([video]))
        quality = [{"time_s": float(place), "brisque": brisque + place - 1} for place in range(3)]
        put("content_quality", video_id, rows_of("content_quality", quality, video_id))
        said = SAID.split() if video_id == SPEECH else ["country"]
        words = [
            {"segment": 0, "word": word, "start_s": 1 + place / 2, "end_s": 1.4 + place / 2, "language": language}
            for place, word in enumerate(said)
        ]
        if video_id == SPEECH:
            words.append({"segment": 1, "word": HOSTILE, "start_s": 10.0, "end_s": 11.0, "language": language})
        put("speech_transcription", video_id, rows_of("speech_transcription", words, video_id))
        seen = [{"time_s": time_s, "label": label} for time_s in (3.0, 3.5, 9.0)] + [{"time_s": 4.0, "label": "Person"}]
        put("object_detection", video_id, rows_of("object_detection", seen, video_id))
        shots = [
            {"shot": shot, "start_s": 4.0 * shot**2, "end_s": 4.0 * shot**2 + shot + 1, "time_s": 4.0 * shot**2}
            | {"picture": PICTURES[shot], "phash": value, "embedding": VECTORS[shot] if video_id == SPEECH else None}
            for shot, value in enumerate(HASHES[video_id])
        ]
        put("shots", video_id, shots_of(shots, video_id))
    rows = {"source": ["speech_transcription", "text_overlay"], "start_s": [1.0, 5.0], "end_s": [4.4, 6.0]}
    rows |= {"text": [SAID, "EXIT"], "embedding": [[127, 13], [0, 127]], "video_id": [SPEECH] * 2}
    put("passages", SPEECH, pl.DataFrame(rows, warehouse.schema_of("passages")))
    told = [
        record(SPEECH, name, "value") | {"model": "compass", "revision": "1", "rows": 2}
        for name in ("passages", "shots")
    ]
    put(ANALYZER_RUNS.name, SPEECH, ANALYZER_RUNS.frame(told))
    # analysed in a profile without a model for pictures
    put(ANALYZER_RUNS.name, SILENT, ANALYZER_RUNS.frame([record(SILENT, "shots", "value") | {"rows": 3}]))
    warehouse.commit(tables)
    return warehouse


@pytest.fixture
def archive(places: Path, searched: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """The warehouse of the settings, one for all tests, which only read it."""
    with only_read(searched, monkeypatch):
        yield searched


@pytest.fixture(scope="module")
def server(searched, tmp_path_factory):
    """The port of a server over the archive, with a report of one video and a card of the other."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "reports" / "thumbs").mkdir(parents=True)
    (folder / "reports" / f"{SPEECH}.html").write_text('<link rel=icon href="data:,"><title>the report</title>')
    (folder / "reports" / "thumbs" / "other-0123456789ab.webp").write_bytes(webp(painted(7)))
    (folder / "secret.txt").write_text("secret")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        made = uvicorn.Server(uvicorn.Config(app(searched, folder / "reports"), log_level="critical"))
        thread = threading.Thread(target=made.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        made.should_exit = True
        thread.join()
