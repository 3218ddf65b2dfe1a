"""The tables of a video as files: CSV, JSON lines, Parquet."""

import base64
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from resources.warehouse.records import ANALYZER_RUNS, CUES, SOURCES, TRACKS, VIDEOS
from vid_assets.errors import SettingsError
from vid_assets.export.formats import Format, Written
from vid_assets.export.subject import Subject, nearest
from vid_assets.registry import discover, indexes


def chosen(names: Sequence[str]) -> list[str]:
    """Return these tables; without names, all that have rows by video but those that are made for searching.

    Raises:
        SettingsError: A table does not exist.
    """
    fixed = [spec.name for spec in (SOURCES, VIDEOS, TRACKS, CUES, ANALYZER_RUNS)]
    everything = [*fixed, *sorted(analyzer.name for analyzer in discover())]
    known = [*everything, *(index.name for index in indexes())]
    if unknown := [name for name in names if name not in known]:
        near = [match for name in unknown for match in nearest(name, known)]
        raise SettingsError(f"--table {','.join(unknown)}", "no such table", f"use some of {', '.join(near or known)}")
    return list(dict.fromkeys(names)) or everything


def write_tables(subject: Subject, names: Sequence[str], format: Format, folder: Path) -> Written:
    """Write tables of a video into a folder, one file each; without names, all that have rows.

    Raises:
        MediaError: There are none.
    """
    found = {name: rows for name in chosen(names) if (rows := subject.answer(name)) is not None}
    if not found:
        raise subject.nothing(names[0] if names else VIDEOS.name)
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in found.items():
        write(rows, folder / f"{name}.{format}", format)
    missing = [f"no rows of {name}; {subject.why(name)}" for name in names if name not in found]
    return Written(len(found), missing=tuple(missing))


def text_of(subject: Subject, names: Sequence[str], format: Format) -> str:
    """Return the one table that is named, as text.

    Raises:
        SettingsError: There is more than one, or it is no text.
        MediaError: The table has no rows.
    """
    if len(names) != 1 or format is Format.PARQUET:
        fix = "name one with --table, as csv or jsonl, or give --out a folder"
        raise SettingsError("--out -", "standard output takes one table, as text", fix)
    return as_text(subject.rows(chosen(names)[0]), format)


def write(rows: pl.DataFrame, path: Path, format: Format) -> None:
    """Write a table to a file, atomically.

    CSV has no lists: they become JSON. Neither CSV nor JSON has bytes: they become base64.
    """
    unfinished = path.with_name(f".{path.name}.part")
    if format is Format.PARQUET:
        rows.write_parquet(unfinished)
    else:
        unfinished.write_text(as_text(rows, format), encoding="utf-8")
    unfinished.replace(path)


def as_text(rows: pl.DataFrame, format: Format) -> str:
    """Return the table as CSV with a header, or as one JSON object per line."""
    plain = rows.with_columns(
        pl.Series(column.name, [_base64(value) for value in column], pl.String)
        for column in rows
        if column.dtype == pl.Binary
    )
    if format is Format.JSONL:
        return plain.write_ndjson()
    return plain.with_columns(
        pl.Series(column.name, list(_json(column)), pl.String) for column in plain if column.dtype.is_nested()
    ).write_csv()


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _json(column: pl.Series) -> Iterator[str | None]:
    for value in column.to_list():
        yield None if value is None else json.dumps(value, ensure_ascii=False, default=str)
