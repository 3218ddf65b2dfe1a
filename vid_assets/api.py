"""The results of an archive for Python programs and notebooks.

    import vid_assets

    with vid_assets.open() as archive:
        archive.videos
        archive.search("your country")
        archive.frame("talk.mp4", 65.5)

Tables are polars frames, times are seconds from the start of the video, pictures are uint8 RGB arrays.
"""

import io
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.settings import settings
from resources.warehouse.records import FIXED_TABLES, VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets.configuration import configuration
from vid_assets.errors import MediaError, SettingsError
from vid_assets.export.confined import made
from vid_assets.export.subject import Subject, find, listed, nearest
from vid_assets.registry import computed
from vid_assets.search import find as search
from vid_assets.search.facets import Facets
from vid_assets.search.find import WORDS, Question
from vid_assets.search.pairs import similar_pairs
from vid_assets.search.similar import BITS, similar_videos
from vid_assets.sql.publish import publish

if TYPE_CHECKING:
    import duckdb

_MOMENTS = {
    "video_id": pl.String, "start_s": pl.Float64, "end_s": pl.Float64, "analyzer": pl.String, "text": pl.String,
    "score": pl.Float64,
}  # fmt: skip


class Archive:
    """What the analyzers answered about all videos, read-only. Runs may write at the same time.

    A video is named by its id, the start of its id, its file name, or the path of its file. Close the archive after
    use, or use it as a context manager.

    Args:
        warehouse: Folder of the results, or the address of a DuckLake; None for ``VID_WAREHOUSE``, else
            ``data/warehouse``.

    Raises:
        SettingsError: There are no results in the folder.
    """

    def __init__(self, warehouse: str | PathLike[str] | None = None) -> None:
        place = str(warehouse) if warehouse is not None else settings().warehouse
        self.warehouse = Warehouse(path=place)
        if not self.warehouse.is_shared and not (self.warehouse.root / "results.duckdb").is_file():
            fix = "analyse videos first: vid-assets analyze PATH"
            raise SettingsError(f"warehouse {place}", "there are no results in it", fix)
        publish(self.warehouse)
        self._connection: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection to the results; a later call opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def videos(self) -> pl.DataFrame:
        """Facts of each video: the table ``videos``."""
        return self.table(VIDEOS.name).sort("video_id")

    @property
    def tables(self) -> list[str]:
        """The names of the tables: those of the analyzers, and the pipeline's own."""
        return sorted([*(spec.name for spec in FIXED_TABLES), *(item.name for item in computed())])

    def table(self, name: str, video: str | None = None) -> pl.DataFrame:
        """Return the rows of a table, as the latest commit left them.

        Args:
            name: One of `tables`.
            video: A video; None for all.

        Raises:
            SettingsError: There is no such table.
            MediaError: There is no such video.
        """
        if name not in self.tables:
            known = listed(nearest(name, self.tables) or self.tables)
            raise SettingsError(f"table {name}", "there is no such table", f"use one of {known}")
        rows = self.warehouse.read_table(name)
        return (rows if video is None else rows.filter(pl.col("video_id") == self.find(video))).collect()

    def sql(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> pl.DataFrame:
        """Return the answer of a query in DuckDB's SQL, over the tables, views and macros of ``results.duckdb``.

        All queries see the archive as it was at the first of them; `close` lets the next one see what came since.

        Args:
            query: One statement.
            parameters: Values for ``?`` or ``$1``, or by name for ``$name``.

        Raises:
            duckdb.Error: The query is wrong.
        """
        return pl.DataFrame(self._connected().sql(query, params=parameters))

    def find(self, video: str) -> str:
        """Return the id of a video.

        Raises:
            MediaError: No video matches, or more than one does.
        """
        return find(video, self.warehouse)

    def timeline(self, video: str) -> pl.DataFrame:
        """Return everything that has a time in a video, by time: the macro ``timeline``.

        Raises:
            MediaError: There is no such video.
        """
        return self.sql("FROM timeline(?)", [self.find(video)])

    def search(
        self, text: str, by: str = WORDS, facets: Facets | None = None, *, limit: int = 1000, gap_s: float = 1.0
    ) -> pl.DataFrame:
        """Return moments as ``vid-assets search`` does, one row each. What cannot be searched is a warning.

        Args:
            text: Words.
            by: ``words`` that occur, by video and time; ``meaning`` of what is said, written or described, or
                ``looks`` of the shots, the nearest first.
            facets: What narrows the search.
            limit: Most moments.
            gap_s: For ``words``: results of one analyzer at most this many seconds apart are one moment.

        Raises:
            SettingsError: The question names something that does not exist.
            ModelUnavailable: The profile has no model for this kind of question.
        """
        question = Question(text=text, by=by, facets=facets or Facets(), limit=limit, gap_s=gap_s)
        found = search.find(question, self.warehouse)
        for note in found.notes:
            warnings.warn(note, stacklevel=2)
        return pl.DataFrame(found.moments, _MOMENTS, orient="row")

    def similar(self, video: str, bits: int = BITS) -> pl.DataFrame:
        """Return the videos that show the same pictures, and how much of this one they show: see `similar_videos`.

        Args:
            video: The video.
            bits: Most bits in which the hashes of the same picture may differ, of 64.

        Raises:
            MediaError: There is no such video, or its shots are not known.
        """
        return similar_videos(video, self.warehouse, bits)

    def similar_pairs(self, bits: int = BITS, least: float = 0.5) -> pl.DataFrame:
        """Return the pairs of videos of which one shows at least this share of the other: see `similar_pairs`.

        Raises:
            SettingsError: `bits` is too large.
        """
        return similar_pairs(self.warehouse, bits, least)

    def frame(self, video: str, time_s: float) -> NDArray[np.uint8]:
        """Return the picture that a player shows at a time, upright, at full size: uint8 RGB [height, width, 3].

        The film is decoded as far as this picture, by the confined process.

        Args:
            video: The video.
            time_s: Seconds from the start of the video.

        Raises:
            MediaError: There is no such video, no picture at this time, or the file has changed.
            OutsideError: The file is missing, or cannot be read now.
        """
        from PIL import Image

        subject = Subject(self.find(video), self.warehouse, settings().scratch, configuration().media.settings())
        number = _picture_at(subject, time_s)
        with (
            tempfile.TemporaryDirectory() as folder,
            made(subject, {"name": "stills", "frames": [number]}, Path(folder)) as (report, part),
        ):
            name = f"{number}.jpg"
            if name not in report["files"]:
                raise MediaError(subject.video_id, f"picture {number} cannot be decoded", "ask for another time")
            still = io.BytesIO((part / name).read_bytes())
            return np.asarray(Image.open(still, formats=["JPEG"]).convert("RGB"))

    def _connected(self) -> "duckdb.DuckDBPyConnection":
        if self._connection is None:
            self._connection = self.warehouse.connect()
        return self._connection


def _picture_at(subject: Subject, time_s: float) -> int:
    """Return the number of the picture that is shown at a time."""
    if not 0 <= time_s <= subject.duration_s:
        fix = f"ask for 0 to {subject.duration_s:g} s"
        raise MediaError(subject.video_id, f"it has no time {time_s:g} s", fix)
    media = subject.streams()
    try:
        if media.thumbs is None:
            raise MediaError(subject.video_id, "it has no picture", "listen to it")
        row = int(np.searchsorted(media.thumbs.times_s, time_s, side="right")) - 1
        return int(media.thumbs.indices[max(row, 0)])
    finally:
        media.close()
