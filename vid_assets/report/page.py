"""The page of one video: computes all that the templates need, so that the templates decide nothing."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import polars as pl

from resources.warehouse.records import STATUSES
from vid_assets.contract import Analyzer, Frames
from vid_assets.measures.shots import shot_spans
from vid_assets.report.facts import Facts
from vid_assets.report.lanes import Curve, Lane, describe, lane, number, spoken
from vid_assets.report.pictures import inlined, shot_pictures, strip
from vid_assets.report.player import Playback, captions, layers

if TYPE_CHECKING:
    from jinja2 import Environment

WIDE, NARROW = 1600, 800  # px of the film strip on wide and narrow screens
SPOKEN, LINES, CUTS = 4_000, 1_200, 400  # most lines of speech, lines of another table, marks of cuts
_HEIGHT = 36.0
_SPENT = ("queue_s", "load_s", "decode_s", "compute_s", "write_s")
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of speech, text or description.

    Attributes:
        time: Its start in words.
        start_s: Its start in seconds.
        text: The line.
        note: What else is known.
        end_s: Its end in seconds; None without one.
        words_s: The start of each of its words in seconds, with spaces between; empty if unknown.
    """

    time: str
    start_s: float
    text: str
    note: str = ""
    end_s: float | None = None
    words_s: str = ""


def video_page(
    facts: Facts,
    frames: Frames | None,
    previews: Mapping[str, str] = MappingProxyType({}),
    plays: Playback | None = None,
) -> str:
    """Return the whole HTML page of one video.

    Args:
        facts: What is known about the video.
        frames: Sampled pictures; None without any.
        previews: Pictures of results as data URLs, by analyzer.
        plays: Where the player finds the video; None for a page without a player.
    """
    duration_s = facts.duration_s
    plays = plays if duration_s > 0 else None
    shown = frames if frames is not None and len(frames) and duration_s > 0 else None
    cuts = facts.tables.get("cut_analysis")
    shots = [] if cuts is None else shot_spans(cuts, duration_s)
    pictures = shot_pictures(shown, shots) if shown else []
    return environment().get_template("video.html").render(
        facts=facts,
        about=_about(facts),
        ticks=ticks(duration_s),
        strips=[inlined(strip(shown, duration_s, width)) for width in (WIDE, NARROW)] if shown else [],
        shots=[(number, span, inlined(picture) if picture is not None else "") for number, span, picture in pictures],
        shot_count=len(shots),
        previews=[(item.name, previews[item.name]) for item in facts.analyzers if item.name in previews],
        cuts=[start_s for start_s, _ in shots[1:]][:CUTS],
        groups=_groups(facts),
        texts=[
            (name, lines[: SPOKEN if lines[0].words_s else LINES], len(lines))
            for name, lines in _texts(facts).items()
            if lines
        ],
        plays=plays,
        watched=_watched(facts, plays) if plays else {},
        rows=_rows(facts),
        answers=_answers(facts),
        spent=_SPENT,
    )  # fmt: skip


@cache
def environment() -> "Environment":
    """Return the templates; they escape everything that is inserted."""
    # imported here: a code location is loaded far more often than a page is written
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("vid_assets.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"clock": clock, "moment": moment, "number": number, "spoken": spoken}
    made.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": False}
    made.globals |= {"share": share, "points": points}
    return made


def clock(seconds: float) -> str:
    """Return seconds as people write them: 1:02.5, or 1:00:02.5 from one hour on."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    text = f"{rest / 10:04.1f}"
    return f"{minutes // 60}:{minutes % 60:02d}:{text}" if minutes >= 60 else f"{minutes}:{text}"


def moment(seconds: float) -> str:
    """Return the address of a moment within a page, as a media fragment."""
    return f"#t={round(seconds, 2):g}" if seconds < 1000 else f"#t={seconds:.2f}"


def share(seconds: float, duration_s: float) -> float:
    """Return the position on the time axis in percent, with three decimals."""
    return round(min(max(100 * seconds / duration_s, 0.0), 100.0), 3)


def points(curve: Curve, duration_s: float) -> list[str]:
    """Return the polylines of a curve in a box of 1000 x 36, each a list of points."""
    span = curve.high - curve.low
    return [
        " ".join(
            f"{1000 * time / duration_s:.1f},{2 + (_HEIGHT - 4) * (1 - (value - curve.low) / span):.1f}"
            for time, value in piece
        )
        for piece in curve.pieces
    ]


def ticks(duration_s: float) -> list[float]:
    """Return the times to write on the axis: round ones, nine at most."""
    if duration_s <= 0:
        return []
    step = next((step for step in _STEPS if duration_s / step <= 9), duration_s / 9)
    return [place * step for place in range(int(duration_s / step + 1e-9) + 1)]


def _about(facts: Facts) -> list[str]:
    video = facts.video
    if not video:
        return []
    picture = f"{video['width']} × {video['height']}, {video['fps']:.4g} fps" if video["has_picture"] else ""
    codecs = " + ".join(name for name in (video["video_codec"], video["audio_codec"]) if name)
    size = f"{video['size_bytes'] / 1e6:.1f} MB"
    sound = "" if video["has_audio"] else "no sound"
    return [text for text in (clock(facts.duration_s), picture or "no picture", sound, codecs, size) if text]


def _answers(facts: Facts) -> list[tuple[str, int, float]]:
    """Return the count of each status and its share of the analyzers in percent, good ones first."""
    found = Counter(facts.records.get(analyzer.name, {}).get("status", "missing") for analyzer in facts.analyzers)
    order = sorted(found, key=(*STATUSES, "missing").index)
    return [(status, found[status], round(100 * found[status] / len(facts.analyzers), 2)) for status in order]


def _groups(facts: Facts) -> list[tuple[str, list[tuple[Analyzer, str, Lane]]]]:
    """Return the analyzers' lanes by group, with the text that replaces a missing lane."""
    found = [(analyzer, *_lane(facts, analyzer)) for analyzer in facts.analyzers]
    return [(name, list(lanes)) for name, lanes in groupby(found, key=lambda item: item[0].group)]


def _lane(facts: Facts, analyzer: Analyzer) -> tuple[str, Lane]:
    record, table = facts.records.get(analyzer.name), facts.tables.get(analyzer.name)
    if record is None:
        return "did not run", Lane()
    if table is None or facts.duration_s <= 0:
        return record["reason"] or f"answered {record['status']}", Lane()
    if table.is_empty():
        return "found nothing", Lane()
    found = lane(analyzer, table, facts.duration_s)
    return ("" if found.bars or found.curves or found.facts else "nothing that changes with time"), found


def _texts(facts: Facts) -> dict[str, list[Line]]:
    """Return what is said, written or described, by analyzer; words are grouped into lines by time."""
    found: dict[str, list[Line]] = {}
    for analyzer in facts.analyzers:
        table = facts.tables.get(analyzer.name)
        if table is None or "start_s" not in analyzer.table:
            continue
        if {"segment", "word"} <= set(table.columns):
            found[analyzer.name] = _spoken(table)
        elif "text" in table.columns:
            rows = table.sort("start_s", maintain_order=True, nulls_last=False).iter_rows(named=True)
            found[analyzer.name] = [_line(analyzer, row) for row in rows if row["text"]]
    return dict(sorted(found.items(), key=lambda item: item[0] != "speech_transcription"))


def _watched(facts: Facts, plays: Playback) -> dict[str, Any]:
    """Return what the player's script reads."""
    return {
        "video": facts.video_id,
        "sources": plays.sources,
        "duration": facts.duration_s,
        "fps": facts.video["fps"] or 25,
        "picture": facts.video["has_picture"],
        "captions": captions(facts),
        "layers": layers(facts),
    }


def _line(analyzer: Analyzer, row: Mapping[str, Any]) -> Line:
    start_s = row["start_s"]
    rest = {name: value for name, value in row.items() if name != "text"}
    note = describe({name: analyzer.table[name] for name in rest}, rest)
    return Line(
        "whole video" if start_s is None else clock(start_s), start_s or 0.0, row["text"], note, row.get("end_s")
    )


def _spoken(table: pl.DataFrame) -> list[Line]:
    said = table.group_by("segment", maintain_order=True).agg(pl.col("start_s"), pl.col("word"))
    found = [(min(starts), starts, words) for _, starts, words in said.iter_rows()]
    return [
        Line(
            clock(start),
            start,
            # a word is what stands between two spaces: the page finds the clicked one by counting them
            " ".join("\N{NO-BREAK SPACE}".join(word.split()) or "\N{NO-BREAK SPACE}" for word in words),
            words_s=" ".join(f"{second:.2f}" for second in starts),
        )
        for start, starts, words in sorted(found, key=lambda item: item[0])
    ]


def _rows(facts: Facts) -> list[dict[str, Any]]:
    """Return one row per analyzer for the table of qualities; `parts` are shares of the longest, in percent."""
    records = [(analyzer, facts.records.get(analyzer.name)) for analyzer in facts.analyzers]
    spent = [{name: record[name] or 0.0 for name in _SPENT[1:]} if record else {} for _, record in records]
    longest = max((sum(parts.values()) for parts in spent), default=0.0) or 1.0
    return [
        {
            "name": analyzer.name,
            "status": record["status"] if record else "missing",
            "reason": (record["reason"] or "") if record else "it did not run for this video",
            "rows": record["rows"] if record else 0,
            "seconds": sum(parts.values()),
            "factor": sum(parts.values()) / facts.duration_s if facts.duration_s > 0 and record else None,
            "model": " ".join(filter(None, (record["model"], record["precision"], record["device"]))) if record else "",
            "parts": [(name, round(100 * value / longest, 2)) for name, value in parts.items() if value > 0],
        }
        for (analyzer, record), parts in zip(records, spent, strict=True)
    ]
