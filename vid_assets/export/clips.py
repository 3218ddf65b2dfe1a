"""Clips of a video: the packets of its file from the key frame before each moment on, copied without encoding."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from resources.warehouse.records import TRACKS
from resources.warehouse.resource import Warehouse
from vid_assets.errors import MediaError, SettingsError
from vid_assets.export.confined import made
from vid_assets.export.formats import Written
from vid_assets.export.subject import Subject, nearest
from vid_assets.registry import discover

Span = tuple[float, float]
_SPANS = """
SELECT video_id, start_s, end_s FROM clips($what, source := $source, gap_s := $gap_s)
WHERE $video_id IS NULL OR video_id = $video_id ORDER BY video_id, start_s"""
_NAMES = """
SELECT kind FROM events WHERE trim(kind) <> '' AND ($video_id IS NULL OR video_id = $video_id)
    AND ($source IS NULL OR analyzer = $source) GROUP BY kind
ORDER BY bool_and(analyzer = 'speech_transcription'), count(*) DESC, kind"""
_CLOCK = r"(?:(?:(\d+):)?(\d{1,3}):)?(\d+(?:\.\d+)?)"
_RANGE = re.compile(rf"{_CLOCK}\s*-\s*{_CLOCK}")
# A clip that begins no more than a frame early begins where it is asked to.
_EARLY_S = 0.05
_SHOWN = 8


class Wanted(NamedTuple):
    """Which moments to cut out.

    Attributes:
        what: A word, as the macro `clips` takes it, or a range of time such as ``1:05-1:20.5``.
        source: Analyzer that must have found it; None for any.
        gap_s: Moments at most so far apart are one clip.
        margin_s: Seconds to add on both sides.
    """

    what: str
    source: str | None = None
    gap_s: float = 1.0
    margin_s: float = 0.5


def spans_of(wanted: Wanted, warehouse: Warehouse, video_id: str | None) -> dict[str, list[Span]]:
    """Return the moments to cut out of each video that has any, in order.

    Args:
        wanted: Which moments.
        warehouse: The warehouse with the events.
        video_id: The video; None for all.

    Raises:
        SettingsError: A range of time is empty, or is meant for all videos; or no analyzer has this name.
        MediaError: Nothing is found; the error names what is there.
    """
    if found := _RANGE.fullmatch(wanted.what.strip()):
        start_s, end_s = _seconds(found.groups()[:3]), _seconds(found.groups()[3:])
        if start_s >= end_s or video_id is None:
            problem = "a range of time is of one video" if video_id is None else "it ends before it starts"
            raise SettingsError(f"--clips {wanted.what}", problem, "name a video and a range such as 1:05-1:20.5")
        return {video_id: [(start_s, end_s)]}
    given = {"what": wanted.what, "source": wanted.source, "video_id": video_id}
    gap_s = max(wanted.gap_s, 2 * wanted.margin_s)
    spans: dict[str, list[Span]] = {}
    _check_source(wanted.source)
    with warehouse.connect() as connection:
        for found_in, start_s, end_s in connection.execute(_SPANS, given | {"gap_s": gap_s}).fetchall():
            around = max(0.0, start_s - wanted.margin_s), end_s + wanted.margin_s
            spans.setdefault(found_in, []).append(around)
        if not spans:
            del given["what"]
            names = [name for (name,) in connection.execute(_NAMES, given).fetchall()]
            raise _nothing(wanted.what, video_id, names)
    return spans


def _check_source(source: str | None) -> None:
    known = ["cues", *sorted(analyzer.name for analyzer in discover())]
    if source is not None and source not in known:
        near = nearest(source, known) or known
        raise SettingsError(f"--source {source}", "no such analyzer", f"use one of {', '.join(near)}")


def _nothing(what: str, video_id: str | None, names: Sequence[str]) -> MediaError:
    near = nearest(what, names)
    place = f"in {video_id}" if video_id else "in any video"
    there = ", ".join((near or names)[:_SHOWN]) or "nothing yet"
    return MediaError(f"--clips {what}", f"is not found {place}", f"{'near it' if near else 'there'} is {there}")


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds = (float(part or 0) for part in parts)
    return hours * 3600 + minutes * 60 + seconds


def write_clips(subject: Subject, spans: Sequence[Span], folder: Path) -> Written:
    """Cut these spans out of the file of a video.

    Raises:
        MediaError: The file is missing or cannot be cut, or a span lies behind its end.
    """
    duration_s, origin = subject.duration_s, subject.facts["start_s"] or 0.0
    inside = [(start_s, min(end_s, duration_s)) for start_s, end_s in spans if start_s < duration_s]
    if len(inside) < len(spans):
        late = clock(max(start_s for start_s, _ in spans))
        raise MediaError(subject.video_id, f"{late} lies behind its end", f"it lasts {clock(duration_s)}")
    placed = [(start_s + origin, end_s + origin) for start_s, end_s in inside]
    job = {"name": "cut", "spans": placed, "leader": _leader(subject)}
    notes, missing = [], []
    with made(subject, job, folder) as (report, part):
        for (start_s, end_s), clip in zip(inside, report["clips"], strict=True):
            name = f"{subject.video_id}_{_name(start_s)}-{_name(end_s)}"
            if clip is None:
                missing.append(f"{clock(start_s)}: the file has no key frame before {clock(end_s)}")
                continue
            (part / clip["name"]).replace(folder / f"{name}{Path(clip['name']).suffix}")
            notes += _early(name, start_s, clip["start_s"] - origin)
    return Written(len(inside) - len(missing), tuple(notes), tuple(missing))


def _early(name: str, start_s: float, begins_s: float) -> list[str]:
    if begins_s < start_s - _EARLY_S:
        return [f"{name} begins {start_s - begins_s:.2f} s earlier, at the key frame before: {clock(begins_s)}"]
    if begins_s > start_s + _EARLY_S:
        return [f"{name} begins {begins_s - start_s:.2f} s later, at the first key frame: {clock(begins_s)}"]
    return []


def _leader(subject: Subject) -> int:
    """Return the number of the track that is looked at, or else listened to.

    Raises:
        MediaError: No track was.
    """
    rows = subject.rows(TRACKS.name).filter(pl.col("taken"))
    ranks: Mapping[str, int] = {"video": 0, "audio": 1}
    found = sorted((ranks[kind], index) for kind, index in rows.select("kind", "index").iter_rows() if kind in ranks)
    if not found:
        raise subject.nothing(TRACKS.name, "no track of it can be copied")
    return found[0][1]


def clock(seconds: float) -> str:
    """Return a time as ``0:01:02.500``."""
    ms = round(max(0.0, seconds) * 1000)
    return f"{ms // 3_600_000}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def _name(seconds: float) -> str:
    return clock(seconds).replace(":", ".")
