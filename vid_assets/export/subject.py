"""One video to take away: its facts, its tables, its file."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import Any

import polars as pl

from resources.warehouse.records import CUES, SOURCES, VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets.errors import MediaError
from vid_assets.media import Media, MediaSettings, identify, open_media
from vid_assets.media.paths import path_of, shown
from vid_assets.media.remote import local_path
from vid_assets.media.source import open_regular
from vid_assets.pipeline.records import read_answer, read_records

_SHOWN = 5
_ALIKE = 0.6


@dataclass(frozen=True)
class Subject:
    """One video.

    Attributes:
        video_id: Its key.
        warehouse: The warehouse with its rows.
        scratch: Folder of the decoded streams.
        media: How the streams are made, and the limits on the cost.
    """

    video_id: str
    warehouse: Warehouse
    scratch: Path
    media: MediaSettings

    def rows(self, table: str, problem: str = "") -> pl.DataFrame:
        """Return its rows of a table.

        Args:
            table: Name of the table.
            problem: What to say if there are none, in place of "there are no rows of ...".

        Raises:
            MediaError: The table has no answer for the video; the error gives the reason.
        """
        rows = self.answer(table)
        if rows is None:
            raise self.nothing(table, problem)
        return rows

    def answer(self, table: str) -> pl.DataFrame | None:
        """Return its rows of a table, which may be none; None if the table has no answer for it."""
        return read_answer(table, self.video_id, read_records(self.video_id, self.warehouse), self.warehouse)

    def nothing(self, table: str, problem: str = "") -> MediaError:
        """Return the error for a table without rows for this video."""
        return MediaError(self.video_id, problem or f"there are no rows of {table}", f"{table}: {self.why(table)}")

    def why(self, table: str) -> str:
        """Return why a table has no rows for this video."""
        record = read_records(self.video_id, self.warehouse).get(table)
        if record:
            return f"{record['status']}, {record['reason'] or 'without rows'}"
        return "the file has none" if table == CUES.name and self._row(VIDEOS.name) else "not run yet"

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """Its row of ``videos``.

        Raises:
            MediaError: It is not decoded, or cannot be.
        """
        row = self._row(VIDEOS.name)
        if row is None:
            raise self.nothing(VIDEOS.name, "nothing is known about it")
        return row

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return self.facts["duration_s"]

    @cached_property
    def source(self) -> Mapping[str, Any]:
        """Its row of ``sources``.

        Raises:
            MediaError: No file is registered.
        """
        row = self._row(SOURCES.name)
        if row is None:
            raise MediaError(self.video_id, "no file is registered for it", "add one with `vid-assets analyze PATH`")
        return row

    @property
    def path(self) -> Path:
        """Where its bytes are on this machine; a remote file is fetched if necessary.

        Raises:
            MediaError: The file has changed.
            OutsideError: The file is missing, or cannot be fetched now.
        """
        return local_path(self.source["path"], self.source["content_hash"] or "", self.scratch)

    def open(self) -> BufferedReader:
        """Open its file.

        Raises:
            MediaError: The file is no longer the one that was analysed.
            OutsideError: The file is missing, or cannot be read now.
        """
        path = self.path
        file = open_regular(path)
        status, modified_at = os.fstat(file.fileno()), self.source["modified_at"]
        same_date = modified_at is not None and abs(modified_at.timestamp() - status.st_mtime) < 1e-3
        if not (same_date and status.st_size == self.source["size_bytes"]) and not self._is_same(path):
            file.close()
            raise MediaError(shown(path), f"its content is no longer that of {self.video_id}", "analyse it again")
        return file

    def _is_same(self, path: Path) -> bool:
        return identify(path).content_hash == self.source["content_hash"]

    def streams(self) -> Media:
        """Return its decoded streams; decode it if they are gone.

        Raises:
            MediaError: The file is missing or cannot be decoded.
        """
        return open_media(self.path, self.video_id, self.scratch, self.media)

    def _row(self, table: str) -> dict[str, Any] | None:
        rows = self.warehouse.read_partition(table, self.video_id)
        return None if rows is None or rows.is_empty() else rows.row(0, named=True)


def all_videos(warehouse: Warehouse) -> list[str]:
    """Return the ids of all registered videos, sorted."""
    return warehouse.read_table(SOURCES.name).select(pl.col("video_id").unique().sort()).collect()["video_id"].to_list()


def find(video: str, warehouse: Warehouse) -> str:
    """Return the id of a video given by its id, the start of its id, its file name, or the path of its file.

    Raises:
        MediaError: No video matches, or more than one does.
    """
    paths = dict(warehouse.read_table(SOURCES.name).select("video_id", "path").collect().iter_rows())
    if video in paths:
        return video
    # no error, unlike pathlib's, for a text that is too long for a path
    if os.path.isfile(video) and (known := identify(Path(video)).video_id) in paths:  # noqa: PTH113
        return known
    names = {video_id: path_of(path).name for video_id, path in paths.items()}
    by_name = [video_id for video_id, name in names.items() if name == video]
    found = by_name or [video_id for video_id in paths if video and video_id.startswith(video)]
    if len(found) == 1:
        return found[0]
    if found:
        raise MediaError(video, f"{len(found)} videos are meant", f"name one of {listed(found)}")
    near = [video_id for video_id, name in names.items() if nearest(video, [video_id, video_id[:-13], name])]
    fix = f"name one of {listed(near or list(paths))}" if paths else "analyse it first: vid-assets analyze PATH"
    raise MediaError(video, "no such video in the warehouse", fix)


def nearest(text: str, names: Sequence[str]) -> list[str]:
    """Return the names that are spelled much like a text, the closest first."""
    by_lower = {name.lower(): name for name in names}
    return [by_lower[name] for name in get_close_matches(text.lower(), by_lower, _SHOWN, _ALIKE)]


def listed(names: Sequence[str]) -> str:
    """Return the first names in alphabetical order, and the number of the others."""
    shown = ", ".join(sorted(names)[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
