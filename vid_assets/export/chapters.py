"""Chapters of a video: for FFmpeg (``chapters``), for web players (``chapters-vtt``), for people (``chapters-txt``).

They are the file's own chapters if it has any, and its scenes otherwise. A scene is named by its number, and by the
description that covers it where there is one.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import polars as pl

from resources.warehouse.records import CUES
from vid_assets.export.formats import SCENES, Format
from vid_assets.export.subject import Subject
from vid_assets.export.subtitles import Cue, vtt

_SPECIAL = re.compile(r"[=;#\\\n]")
_DESCRIPTIONS = "vid2seq"
# A description belongs to a scene if this share of both together is common to both.
_SAME = 0.8
# What YouTube asks of a list in a description.
_FEWEST, _SHORTEST_S = 3, 10


class Chapter(NamedTuple):
    """A part of a video: start and end in whole milliseconds, and its name."""

    start_ms: int
    end_ms: int
    title: str


def chapters(subject: Subject, format: Format, table: str = "") -> tuple[str, list[str]]:
    """Return the chapters of a video as text, and what the reader should know.

    Args:
        subject: The video.
        format: FFmpeg's metadata file, WebVTT, or lines of text.
        table: ``cues`` for the file's own, ``scene_segmentation`` for its scenes; empty for the first that there are.

    Raises:
        MediaError: There are none; the error gives the reason.
    """
    own = [] if table == SCENES else _own(subject)
    if not own and table == CUES.name:
        raise subject.nothing(CUES.name, "it has no chapters of its own")
    found = own or _scenes(subject)
    writers: Mapping[Format, Callable[[Sequence[Chapter]], str]] = {
        Format.CHAPTERS: ffmetadata,
        Format.CHAPTERS_VTT: webvtt,
        Format.CHAPTERS_TXT: lines,
    }
    return writers[format](found), _notes(found) if format is Format.CHAPTERS_TXT else []


def _own(subject: Subject) -> list[Chapter]:
    rows = subject.warehouse.read_partition(CUES.name, subject.video_id)
    if rows is None:
        return []
    rows = rows.filter(pl.col("kind") == "chapter").sort("start_s", "end_s").select("start_s", "end_s", "text")
    return [
        _chapter(start_s, end_s, title, f"Chapter {number}")
        for number, (start_s, end_s, title) in enumerate(rows.iter_rows(), 1)
    ]


def _scenes(subject: Subject) -> list[Chapter]:
    rows = subject.rows(SCENES, "there are no chapters to write").sort("start_s").select("start_s", "end_s")
    if rows.is_empty():
        raise subject.nothing(SCENES, "there are no chapters to write")
    said = subject.warehouse.read_partition(_DESCRIPTIONS, subject.video_id)
    texts = [] if said is None else said.select("start_s", "end_s", "text").rows()
    found = []
    for number, (start_s, end_s) in enumerate(rows.iter_rows(), 1):
        name = f"Scene {number}"
        text = next((text for *span, text in texts if _overlap(span, (start_s, end_s)) >= _SAME), None)
        found.append(_chapter(start_s, end_s, f"{name}: {text}" if text else name, name))
    return found


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the share of two spans together that is common to both."""
    both = max(one[1], other[1]) - min(one[0], other[0])
    return (min(one[1], other[1]) - max(one[0], other[0])) / both if both > 0 else 0.0


def _chapter(start_s: float, end_s: float, title: str | None, name: str) -> Chapter:
    start_ms = round(start_s * 1000)
    return Chapter(start_ms, max(round(end_s * 1000), start_ms + 1), " ".join((title or "").split()) or name)


def ffmetadata(chapters: Sequence[Chapter]) -> str:
    """Format the chapters as FFmpeg's metadata file, which ``ffmpeg -i FILE -map_metadata 1`` puts into a video."""
    parts = [";FFMETADATA1\n"]
    for start_ms, end_ms, title in chapters:
        escaped = _SPECIAL.sub(r"\\\g<0>", title)
        parts.append(f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start_ms}\nEND={end_ms}\ntitle={escaped}\n")
    return "".join(parts)


def webvtt(chapters: Sequence[Chapter]) -> str:
    """Format the chapters as WebVTT, for ``<track kind="chapters">``."""
    return vtt(Cue(start_ms, end_ms, [title]) for start_ms, end_ms, title in chapters)


def lines(chapters: Sequence[Chapter]) -> str:
    """Format the chapters as one line each, as people write them below a video; the first is at 0:00."""
    starts = [0, *(chapter.start_ms for chapter in chapters[1:])]
    return "".join(f"{_clock(start)} {chapter.title}\n" for start, chapter in zip(starts, chapters, strict=True))


def _clock(ms: int) -> str:
    seconds = ms // 1000
    minutes = f"{seconds // 60 % 60:02d}" if seconds >= 3600 else str(seconds // 60)
    return f"{f'{seconds // 3600}:' if seconds >= 3600 else ''}{minutes}:{seconds % 60:02d}"


def _notes(chapters: Sequence[Chapter]) -> list[str]:
    gaps = [after.start_ms - before.start_ms for before, after in pairwise(chapters)]
    if len(chapters) < _FEWEST or min(gaps) < _SHORTEST_S * 1000:
        return [f"YouTube shows chapters only if there are {_FEWEST} or more, of {_SHORTEST_S} s or more each"]
    return []
