"""``vid-assets export``: write the tables of a video as files, or its speech as subtitles."""

import base64
import json
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import polars as pl

    from resources.warehouse.resource import Warehouse


class Format(StrEnum):
    """What to write: the tables, or subtitles of the speech."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    SRT = "srt"
    VTT = "vtt"


_SUBTITLES = (Format.SRT, Format.VTT)
Video = Annotated[
    str,
    typer.Argument(metavar="VIDEO", show_default=False, help="Its id, the start of it, its file name, or its path."),
]
As = Annotated[Format, typer.Option("--format", help="csv, jsonl and parquet: tables; srt and vtt: subtitles.")]
Tables = Annotated[
    list[str] | None, typer.Option("--table", metavar="NAMES", help="With commas; default: all with rows.")
]
Out = Annotated[
    str,
    typer.Option(
        "--out", metavar="PATH", help="Folder for tables, file for subtitles, - for standard output. Default: the id."
    ),
]


def export(video: Video, format: As = Format.CSV, tables: Tables = None, out: Out = "") -> int:
    """Write the tables of a video, one file per table, or its speech as subtitles."""
    from resources.settings import settings
    from resources.warehouse.resource import Warehouse
    from vid_assets.cli.console import complain, console
    from vid_assets.errors import SettingsError
    from vid_assets.sql.publish import publish

    warehouse = Warehouse(path=str(settings().warehouse))
    publish(warehouse)
    if format in _SUBTITLES:
        if tables:
            problem, fix = "a table cannot be written as subtitles", "leave --table out, or use csv, jsonl or parquet"
            raise SettingsError(f"--format {format}", problem, fix)
        text = subtitles(warehouse, find(video, warehouse), format)
        return _write_text(text, out or f"{find(video, warehouse)}.{format}")
    names = _chosen(tables)
    video_id = find(video, warehouse)
    found = {name: rows for name in names if (rows := warehouse.read_partition(name, video_id)) is not None}
    if tables and (empty := [name for name in names if name not in found]):
        complain(f"{video_id}: no rows of {', '.join(empty)}; vid-assets status {video_id} says why", console())
    if out == "-":
        return _print_table(found, format)
    folder = Path(out or video_id)
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in found.items():
        write(rows, folder / f"{name}.{format}", format)
    sys.stdout.write(f"{len(found)} tables in {folder}\n")
    return int(not found or (bool(tables) and len(found) < len(names)))


def find(video: str, warehouse: "Warehouse") -> str:
    """Return the id of a video given by its id, the start of its id, its file name, or the path of its file.

    Raises:
        MediaError: No video matches, or more than one does.
    """
    from resources.warehouse.records import SOURCES
    from vid_assets.errors import MediaError
    from vid_assets.media.source import identify

    paths = dict(warehouse.read_table(SOURCES.name).select("video_id", "path").collect().iter_rows())
    if video in paths:
        return video
    if Path(video).is_file() and (known := identify(Path(video)).video_id) in paths:
        return known
    by_name = [video_id for video_id, path in paths.items() if Path(path).name == video]
    found = by_name or [video_id for video_id in paths if video and video_id.startswith(video)]
    if len(found) == 1:
        return found[0]
    if found:
        raise MediaError(video, f"{len(found)} videos are meant", f"name one of {_some(found)}")
    fix = f"name one of {_some(list(paths))}" if paths else "analyse it first: vid-assets analyze PATH"
    raise MediaError(video, "no such video in the warehouse", fix)


def subtitles(warehouse: "Warehouse", video_id: str, format: Format) -> str:
    """Return the speech of the video as subtitles.

    Raises:
        MediaError: The video has no words.
    """
    from vid_assets.analyzers.speech_transcription import ANALYZER
    from vid_assets.cli.subtitles import Word, cues, srt, vtt
    from vid_assets.errors import MediaError
    from vid_assets.pipeline.records import read_records

    rows = warehouse.read_partition(ANALYZER.name, video_id)
    if rows is None or rows.is_empty():
        record = read_records(video_id, warehouse).get(ANALYZER.name)
        why = f"{record['status']}, {record['reason']}" if record else "not run yet"
        raise MediaError(video_id, "there are no words to write", f"{ANALYZER.name}: {why}")
    columns = rows.sort("start_s", "end_s").select("word", "start_s", "end_s", "segment")
    made = cues((Word(*row) for row in columns.iter_rows()), rows["language"][0])
    return srt(made) if format is Format.SRT else vtt(made)


def write(rows: "pl.DataFrame", path: Path, format: Format) -> None:
    """Write a table to a file, atomically.

    CSV has no lists: they become JSON. Neither CSV nor JSON has bytes: they become base64.
    """
    unfinished = path.with_name(f".{path.name}.part")
    if format is Format.PARQUET:
        rows.write_parquet(unfinished)
    else:
        unfinished.write_text(as_text(rows, format), encoding="utf-8")
    unfinished.replace(path)


def as_text(rows: "pl.DataFrame", format: Format) -> str:
    """Return the table as CSV with a header, or as one JSON object per line."""
    import polars as pl

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


def _json(column: "pl.Series") -> Iterator[str | None]:
    for value in column.to_list():
        yield None if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _chosen(texts: Sequence[str] | None) -> list[str]:
    """Return the tables that the option names; without it, all tables of a video.

    Raises:
        SettingsError: A table does not exist.
    """
    from resources.warehouse.records import ANALYZER_RUNS, SOURCES, VIDEOS
    from vid_assets.errors import SettingsError
    from vid_assets.registry import discover

    known = [SOURCES.name, VIDEOS.name, ANALYZER_RUNS.name, *sorted(analyzer.name for analyzer in discover())]
    names = [name.strip() for text in texts or () for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in known]:
        raise SettingsError(f"--table {','.join(unknown)}", "no such table", f"use some of {', '.join(known)}")
    return list(dict.fromkeys(names)) or known


def _print_table(found: "dict[str, pl.DataFrame]", format: Format) -> int:
    from vid_assets.errors import SettingsError

    if len(found) != 1 or format is Format.PARQUET:
        fix = "name one with --table, as csv or jsonl, or give --out a folder"
        raise SettingsError("--out -", "standard output takes one table, as text", fix)
    sys.stdout.write(as_text(next(iter(found.values())), format))
    return 0


def _write_text(text: str, out: str) -> int:
    if out == "-":
        sys.stdout.write(text)
        return 0
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{out}\n")
    return 0


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(sorted(names)[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
