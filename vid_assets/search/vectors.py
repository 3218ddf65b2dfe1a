"""The vectors of a table on this machine, memory-mapped, so that one question is compared with all of them at once.

The warehouse has the rows; this is a copy in the scratch folder that can be made again. It has parts, which never
change::

    <scratch>/search/<table>-<digest of the warehouse's path>/
      index.arrow          which part has the rows of which video, and from which run of the analyzer
      <part>.vectors.npy   int8 [rows, numbers]
      <part>.norms.npy     float32 [rows], the lengths of the vectors
      <part>.rows.npy      the other columns, one JSON object per line
      <part>.ends.npy      where each line ends

`Vectors.refreshed` adds what came since: the videos whose answer is another one than that in the index. Many parts, or
many rows that no longer count, are merged into one part.
"""

import hashlib
import json
import os
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.fs import locked
from resources.warehouse.records import ANALYZER_RUNS
from resources.warehouse.resource import Warehouse

Row = dict[str, Any]
FOLDER = "search"
INDEX = "index.arrow"
_KINDS = ("vectors", "norms", "rows", "ends")
_NONE = ""  # the part of a video that has no rows
_SCHEMA = {
    "video_id": pl.String, "answered_at": pl.Datetime("us", "UTC"), "model": pl.String, "answers": pl.Int64,
    "part": pl.String, "first": pl.Int64, "rows": pl.Int64,
}  # fmt: skip
_VIDEOS_A_PART = 2_000  # in memory at once
_MOST_PARTS = 12
_MOST_DEAD = 0.25
_CHUNK = 8_192  # rows; as float32 they fit into the cache of a core


@dataclass(frozen=True, slots=True)
class Hit:
    """A row of the table, and the cosine of the angle between its vector and the question's."""

    score: float
    row: Row


@dataclass(frozen=True, slots=True)
class _Part:
    """A part, memory-mapped: whoever has it open keeps it, also when its files are gone."""

    vectors: NDArray[np.int8]
    norms: NDArray[np.float32]
    rows: NDArray[np.uint8]
    ends: NDArray[np.int64]

    def text(self, first: int, count: int) -> bytes:
        """Return the lines of some rows."""
        start = self.ends[first - 1] if first else 0
        return self.rows[start : self.ends[first + count - 1]].tobytes()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The vectors at one moment.

    Attributes:
        index: One line per video: its model, how many rows the table has, and where those with a vector are.
        parts: The parts by name.
    """

    index: pl.DataFrame
    parts: Mapping[str, _Part]

    def nearest(
        self,
        question: NDArray[np.float32],
        model: str,
        count: int,
        videos: Collection[str] | None = None,
        keep: Callable[[Row], bool] = lambda _: True,
    ) -> list[Hit]:
        """Return the rows whose vectors point most nearly where the question does, the nearest first.

        Every row is compared. Of rows of one video with the same text the nearest counts.

        Args:
            question: float32 [numbers].
            model: Only vectors of this model can be compared.
            count: Number of rows.
            videos: Only rows of these videos; None for all.
            keep: Only rows for which it is true.
        """
        mine = self.index.filter(pl.col("model") == model, pl.col("rows") > 0)
        if videos is not None:
            mine = mine.filter(pl.col("video_id").is_in(list(videos)))
        parts = mine.partition_by("part", as_dict=True).items()
        scores = {str(name): _scores(self.parts[str(name)], question, spans) for (name,), spans in parts}
        taken, there = 4 * count, mine["rows"].sum()
        while True:
            best = [
                (float(found[row]), name, int(row)) for name, found in scores.items() for row in _largest(found, taken)
            ]
            best.sort(key=lambda item: (-item[0], item[1], item[2]))
            hits = list(islice(self._rows(best[:taken], keep), count))
            # texts that occur again, or rows that are not kept, can leave too few
            if len(hits) == count or taken >= there:
                return hits
            taken *= 8

    def comparable(self, model: str) -> pl.DataFrame:
        """Return the lines of the videos whose rows all have vectors of a model, or that have no rows."""
        return self.index.filter((pl.col("answers") == 0) | ((pl.col("model") == model) & (pl.col("rows") > 0)))

    def others(self, model: str) -> int:
        """Return the number of videos whose vectors are of another model."""
        return self.index.filter(pl.col("model") != model, pl.col("rows") > 0).height

    def _rows(self, best: Iterable[tuple[float, str, int]], keep: Callable[[Row], bool]) -> Iterator[Hit]:
        seen: set[tuple[object, object]] = set()
        for score, part, number in best:
            row = json.loads(self.parts[part].text(number, 1))
            key = (row["video_id"], row.get("text", row["start_s"]))
            if key not in seen and keep(row):
                seen.add(key)
                yield Hit(score, row)


class Vectors:
    """The vectors of one table. Any number of threads and processes may use the folder at once.

    Args:
        warehouse: The warehouse with the table.
        scratch: The scratch folder.
        table: The table; it has a column ``embedding``.
        columns: Its columns that a hit has, ``start_s`` among them, without ``video_id``.
    """

    def __init__(self, warehouse: Warehouse, scratch: Path, table: str, columns: Sequence[str]) -> None:
        self.warehouse, self.table, self.columns = warehouse, table, ("video_id", *columns)
        digest = hashlib.sha256(os.fsencode(warehouse.root)).hexdigest()[:12]
        self.folder = scratch.absolute() / FOLDER / f"{table}-{digest}"
        self._parts: dict[str, _Part] = {}
        self._opening = threading.Lock()

    def refreshed(self) -> Snapshot:
        """Take in what came since the last time, and return what there is now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._opening, locked(self.folder / ".lock"):
            index = self._renewed(self._read_index())
            names = set(index["part"]) - {_NONE}
            self._parts = {name: self._parts.get(name) or self._open(name) for name in names}
            return Snapshot(index, self._parts)

    def _renewed(self, index: pl.DataFrame) -> pl.DataFrame:
        answers = self._answers()
        kept = index.join(answers, on=["video_id", "answered_at", "model"], how="semi")
        new = answers.join(kept, on="video_id", how="anti")
        if kept.height == index.height and new.is_empty():
            return index
        added = [
            self._written(part)
            for (_,), same in new.partition_by("model", as_dict=True).items()
            for part in same.iter_slices(_VIDEOS_A_PART)
        ]
        index = pl.concat([kept, *added])
        if self._is_scattered(index):
            index = self._merged(index)
        self._write_index(index)
        self._remove_unused(set(index["part"]))
        return index

    def _open(self, name: str) -> _Part:
        return _Part(*(np.load(self.folder / f"{name}.{kind}.npy", mmap_mode="r") for kind in _KINDS))

    def _answers(self) -> pl.DataFrame:
        def told(name: str) -> pl.Expr:
            return pl.col(name).fill_null("")  # a video without texts asked no model

        runs = self.warehouse.read_table(ANALYZER_RUNS.name)
        return (
            runs.filter(pl.col("analyzer") == self.table, pl.col("status") == "value")
            .select(
                "video_id",
                answered_at="ended_at",
                model=pl.concat_str(told("model"), told("revision"), separator=" "),
                answers="rows",
            )
            .collect()
        )

    def _written(self, answers: pl.DataFrame) -> pl.DataFrame:
        """Write a part with the rows of these videos, and return its lines of the index."""
        table = self.warehouse.read_table(self.table).select(*self.columns, "embedding")
        rows = table.filter(pl.col("video_id").is_in(answers["video_id"].implode())).collect()
        rows = rows.filter(pl.col("embedding").is_not_null()).sort("video_id", maintain_order=True)
        part = self._put(rows.drop("embedding").write_ndjson().encode(), _matrix(rows["embedding"]))
        counts = rows.group_by("video_id", maintain_order=True).agg(rows=pl.len().cast(pl.Int64))
        spans = counts.with_columns(first=pl.col("rows").cum_sum() - pl.col("rows"), part=pl.lit(part))
        lines = answers.join(spans, on="video_id", how="left")
        return lines.with_columns(pl.col("first", "rows").fill_null(0), pl.col("part").fill_null(_NONE)).select(
            *_SCHEMA
        )

    def _put(self, text: bytes, vectors: NDArray[np.int8]) -> str:
        """Write a part with these lines and vectors, and return its name; `_NONE` without any."""
        if not len(vectors):
            return _NONE
        name = uuid.uuid4().hex
        rows = np.frombuffer(text, np.uint8)
        chunks = (vectors[start : start + _CHUNK].astype(np.float32) for start in range(0, len(vectors), _CHUNK))
        norms = np.maximum(np.concatenate([np.linalg.norm(chunk, axis=1) for chunk in chunks]), 1e-12)
        ends = np.flatnonzero(rows == ord("\n")) + 1
        for kind, array in zip(_KINDS, (vectors, norms, rows, ends), strict=True):
            np.save(self.folder / f"{name}.{kind}.npy", array)
        return name

    def _is_scattered(self, index: pl.DataFrame) -> bool:
        stored = sum(np.load(path, mmap_mode="r").size for path in self.folder.glob("*.norms.npy"))
        return index["part"].n_unique() > _MOST_PARTS or index["rows"].sum() < (1 - _MOST_DEAD) * stored

    def _merged(self, index: pl.DataFrame) -> pl.DataFrame:
        """Return the index after all parts of each model were merged into one."""
        made = [index.filter(pl.col("rows") == 0).with_columns(part=pl.lit(_NONE))]
        for lines in index.filter(pl.col("rows") > 0).sort("part", "first").partition_by("model"):
            parts = {name: self._open(name) for name in lines["part"].unique()}
            spans = lines.select("part", "first", "rows").rows()
            text = b"".join(parts[name].text(first, rows) for name, first, rows in spans)
            vectors = np.concatenate([parts[name].vectors[first : first + rows] for name, first, rows in spans])
            part = self._put(text, vectors)
            made.append(lines.with_columns(part=pl.lit(part), first=pl.col("rows").cum_sum() - pl.col("rows")))
        return pl.concat(made)

    def _read_index(self) -> pl.DataFrame:
        """Return the lines whose parts are there; none of an index that another release wrote, or that is damaged."""
        empty = pl.DataFrame(schema=_SCHEMA)
        try:
            index = pl.read_ipc(self.folder / INDEX)
        except (OSError, pl.exceptions.PolarsError):
            return empty
        if index.schema != empty.schema:
            return empty
        there = [
            name
            for name in index["part"].unique()
            if name == _NONE or all((self.folder / f"{name}.{kind}.npy").is_file() for kind in _KINDS)
        ]
        return index.filter(pl.col("part").is_in(there))

    def _write_index(self, index: pl.DataFrame) -> None:
        temporary = self.folder / f".{uuid.uuid4().hex}"
        index.write_ipc(temporary)
        temporary.replace(self.folder / INDEX)

    def _remove_unused(self, parts: Collection[str]) -> None:
        for path in self.folder.glob("[!.]*"):
            if path.name != INDEX and path.name.split(".")[0] not in parts:
                path.unlink()


def _scores(part: _Part, question: NDArray[np.float32], spans: pl.DataFrame) -> NDArray[np.float32]:
    """Return the cosine for each row of a part; -inf for rows that do not count."""
    counts = np.zeros(len(part.vectors), bool)
    for first, rows in spans.select("first", "rows").iter_rows():
        counts[first : first + rows] = True
    scores = np.full(len(part.vectors), -np.inf, np.float32)
    length = max(float(np.linalg.norm(question)), 1e-12)

    def compare(start: int) -> None:
        chunk = slice(start, start + _CHUNK)
        if counts[chunk].any():
            scores[chunk] = part.vectors[chunk].astype(np.float32) @ question / (part.norms[chunk] * length)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        list(pool.map(compare, range(0, len(scores), _CHUNK)))
    scores[~counts] = -np.inf
    return scores


def _matrix(vectors: pl.Series) -> NDArray[np.int8]:
    """Return lists of the same length as a matrix, int8 [rows, numbers]."""
    if vectors.is_empty():
        return np.empty((0, 0), np.int8)
    return vectors.explode().to_numpy().astype(np.int8, copy=False).reshape(len(vectors), -1)


def _largest(scores: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Return the places of the largest scores that count."""
    count = min(count, len(scores))
    found = np.argpartition(scores, len(scores) - count)[len(scores) - count :] if count else np.empty(0, np.intp)
    return found[np.isfinite(scores[found])]
