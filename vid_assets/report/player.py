"""What the player of a page shows: the file, captions, and boxes over the picture.

The columns of a table decide what it becomes. Words and texts with a start and an end become captions. A table with
boxes, at moments or in spans, becomes a layer that can be switched on and off.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from vid_assets.contract import Analyzer
from vid_assets.export.subtitles import Cue, Word, cues, wrapped
from vid_assets.media.paths import is_remote, path_of, shown
from vid_assets.media.playable import obstacle
from vid_assets.report.facts import Facts
from vid_assets.report.lanes import NAMES, spoken, usual_step

PROXIES = "proxies"
MOST_CAPTIONS, MOST_BOXES = 5_000, 40_000
CORNERS = ("x0", "y0", "x1", "y1")
_IDENTITIES = ("track", "product")
# Positions are written in thousandths of the picture, times in hundredths of a second.
_PLACES, _TICKS = 1000, 100
# How long the boxes of a single picture are shown, and those of any picture at most.
_ALONE_S, _LONGEST_S = 0.5, 1.0


@dataclass(frozen=True, slots=True)
class Playback:
    """Where the player finds the video.

    Attributes:
        sources: Addresses to try in turn, relative to the page; each is quoted.
        help: What to do if none can be played.
    """

    sources: tuple[str, ...]
    help: str


def forget_proxy(reports: Path, video_id: str) -> None:
    """Remove the small copy of a video."""
    (reports / PROXIES / f"{video_id}.mp4").unlink(missing_ok=True)


def playback(facts: Facts, reports: Path, path: str) -> Playback:
    """Return where the player finds the video.

    Args:
        facts: What is known about the video.
        reports: Folder of the page and of the proxies.
        path: Stored path or URL of the file.
    """
    proxy = quote(f"{PROXIES}/{facts.video_id}.mp4")
    proxies = [proxy] if (reports / PROXIES / f"{facts.video_id}.mp4").exists() else []
    names = [facts.video.get(name) for name in ("video_codec", "audio_codec", "pixel_format")]
    problem = obstacle(facts.video.get("container") or "", *names)
    if is_remote(path):
        return Playback(
            tuple(proxies), f"{shown(path)} is not on this machine. {_advice(path, 'Pages load no network.')}"
        )
    file = quote(os.fsencode(os.path.relpath(path_of(path).absolute(), reports.absolute())))
    known = f"Not every browser plays {problem}." if problem else "The file may have been moved or removed."
    help = f"This browser cannot play {shown(path)}. {_advice(path, known) if problem else known}"
    return Playback((*proxies, file) if problem else (file, *proxies), help)


def _advice(path: str, known: str) -> str:
    command = f"VID_PROXY=on vid-assets analyze {shown(path)}"
    return f"{known} A small copy that every browser plays is made by: {command}"


def captions(facts: Facts) -> list[dict[str, Any]]:
    """Return the captions to choose from: those of the file itself, and the speech.

    Returns:
        ``name``, and ``cues`` of start and end in ms and the text as WebVTT.
    """
    found = [(name, list(made)[:MOST_CAPTIONS]) for name, made in (*_own(facts), *_speech(facts))]
    return [
        {
            "name": name,
            # what looks like markup is shown as it is
            "cues": [(cue.start_ms, cue.end_ms, escape("\n".join(cue.lines), quote=False)) for cue in made],
        }
        for name, made in found
        if made
    ]


def _own(facts: Facts) -> Iterator[tuple[str, Iterable[Cue]]]:
    if facts.cues is None:
        return
    texts = facts.cues.filter(pl.col("kind").is_in(["subtitle", "caption"]), pl.col("text").is_not_null())
    for (track, language), rows in texts.partition_by("track", "language", as_dict=True, maintain_order=True).items():
        yield f"in the file: {language or f'track {track}'}", _cues(rows)


def _speech(facts: Facts) -> Iterator[tuple[str, Iterable[Cue]]]:
    for analyzer in facts.analyzers:
        table = facts.tables.get(analyzer.name)
        if table is not None and {"word", "segment", "language", "start_s", "end_s"} <= set(table.columns):
            timed = table.drop_nulls(["start_s", "end_s"]).sort("start_s", "end_s")
            words = timed.select("word", "start_s", "end_s", "segment", "language").iter_rows()
            yield spoken(analyzer.name), cues(Word(*row) for row in words)


def _cues(rows: pl.DataFrame) -> Iterator[Cue]:
    for start_s, end_s, text in rows.select("start_s", "end_s", "text").iter_rows():
        lines = [part for line in (text or "").splitlines() for part in wrapped(line)]
        if lines and end_s > start_s:
            yield Cue(round(start_s * 1000), max(round(end_s * 1000), round(start_s * 1000) + 1), lines)


def layers(facts: Facts) -> list[dict[str, Any]]:
    """Return what can be drawn over the picture, by analyzer.

    Returns:
        ``name``, ``labels``, ``step`` (1/100 s between the pictures that were looked at; 0 for spans), ``every`` (one
        of so many pictures is here) and ``boxes``: eight whole numbers for each box. They are its start after that of
        the box before and its length, in 1/100 s; the number of its label; its track (-1 without); left, top, width
        and height in thousandths of the picture.
    """
    found = [
        (analyzer, table)
        for analyzer in facts.analyzers
        if (table := facts.tables.get(analyzer.name)) is not None
        and set(CORNERS) <= set(table.columns)
        and {"time_s", "start_s"} & set(table.columns)
    ]
    return [_layer(analyzer, table.drop_nulls(CORNERS), MOST_BOXES // len(found)) for analyzer, table in found]


def _layer(analyzer: Analyzer, table: pl.DataFrame, most: int) -> dict[str, Any]:
    start = "time_s" if "time_s" in table.columns else "start_s"
    table = table.sort(start, maintain_order=True)
    every = max(1, -(-table.height // most))
    step = 0
    if start == "time_s":
        table = table.filter((pl.col(start).rank("dense") - 1) % every == 0)
        # where little is found, the pictures that were looked at are closer than those with boxes
        step_s = min(usual_step(table[start]) or _ALONE_S, _LONGEST_S * every)
        step = max(1, round(step_s * _TICKS))
    else:
        table = table.gather_every(every)
    naming = next((name for name in NAMES if name in analyzer.table), None)
    identity = next((name for name in _IDENTITIES if name in table.columns), None)
    labels: dict[str, int] = {}
    boxes: list[int] = []
    before = 0
    for row in table.iter_rows(named=True):
        at = round(row[start] * _TICKS)
        label = labels.setdefault(_label(row, naming, identity), len(labels))
        track = row[identity] if identity and row[identity] is not None else -1
        length = step or max(1, round((row["end_s"] - row[start]) * _TICKS))
        x0, y0, x1, y1 = (round(min(max(row[name], 0.0), 1.0) * _PLACES) for name in CORNERS)
        boxes += (at - before, length, label, track, x0, y0, x1 - x0, y1 - y0)
        before = at
    return {"name": spoken(analyzer.name), "labels": list(labels), "step": step, "every": every, "boxes": boxes}


def _label(row: Mapping[str, Any], naming: str | None, identity: str | None) -> str:
    if naming and row[naming] is not None:
        return str(row[naming])
    return f"{identity} {row[identity]}" if identity else ""
