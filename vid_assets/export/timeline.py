"""The cuts of a video for an editor: CMX 3600 (``edl``), OpenTimelineIO (``otio``), Final Cut Pro (``fcpxml``).

The timeline plays the whole video, cut at its shots or scenes. A gradual transition is cut in its middle.
"""

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import polars as pl

from vid_assets.export.formats import SHOTS, Format
from vid_assets.export.subject import Subject
from vid_assets.export.timecode import drops, first_frame, rate_of, timecode
from vid_assets.media.paths import is_remote, path_of, shown

# Editors start their timelines here.
_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """A video and where it is cut.

    Attributes:
        name: Name of the file.
        url: Where it is.
        rate: Frames per second.
        drop: Whether its timecode drops frame numbers.
        start: Frame number that the file's timecode shows at the first picture.
        size: Width and height in px, as shown.
        has_audio: Whether there is sound.
        edges: First frame of each piece, from 0, and the number of frames.
        kind: What a piece is: shot or scene.
    """

    name: str
    url: str
    rate: Fraction
    drop: bool
    start: int
    size: tuple[int, int]
    has_audio: bool
    edges: Sequence[int]
    kind: str = "shot"

    @property
    def pieces(self) -> list[tuple[str, int, int]]:
        """Name, first frame and number of frames of each piece."""
        spans = enumerate(pairwise(self.edges), 1)
        return [(f"{self.kind} {number}", first, end - first) for number, (first, end) in spans]


def timeline(subject: Subject, format: Format, table: str = SHOTS) -> tuple[str, list[str]]:
    """Return the cuts of a video as text, and what the reader should know.

    Raises:
        MediaError: The video has no picture, or no answer of the analyzer.
    """
    cuts = cuts_of(subject, table)
    write = {Format.EDL: edl, Format.OTIO: otio, Format.FCPXML: fcpxml}[format]
    notes = []
    if subject.facts["variable_frame_rate"]:
        notes.append(f"its frame rate varies; cuts are placed by time, at {float(cuts.rate):.3f} frames per second")
    elif format is Format.EDL and cuts.rate.denominator not in (1, 1001):
        notes.append(f"timecode has no {float(cuts.rate):.3f} frames per second; written at {max(1, round(cuts.rate))}")
    return write(cuts), notes


def cuts_of(subject: Subject, table: str = SHOTS) -> Cuts:
    """Return where a video is cut: at its shots, or at its scenes.

    Raises:
        MediaError: As `timeline`.
    """
    rows, facts = subject.rows(table, "there are no cuts to write"), subject.facts
    rate, offset = rate_of(facts["fps"]), facts["picture_start_s"] or 0.0
    count = facts["frame_count"]
    if facts["variable_frame_rate"]:
        count = max(1, round((facts["duration_s"] - offset) * rate))
    places = {round((seconds - offset) * rate) for seconds in _seconds(rows, table)}
    start, drop = first_frame(facts["start_timecode"], rate) or (0, drops(rate))
    path = subject.source["path"]
    return Cuts(
        name=shown(facts["file_name"]),
        url=path if is_remote(path) else path_of(path).absolute().as_uri(),
        rate=rate,
        drop=drop,
        # The timecode is that of time 0; the first picture may be later.
        start=start + round(offset * rate),
        size=(facts["width"], facts["height"]),
        has_audio=bool(facts["has_audio"]),
        edges=[0, *sorted(place for place in places if 0 < place < count), count],
        kind="shot" if table == SHOTS else "scene",
    )


def _seconds(rows: pl.DataFrame, table: str) -> list[float]:
    if table != SHOTS:
        return rows["start_s"].to_list()
    middle = (pl.col("start_s") + pl.col("end_s")) / 2
    return rows.select(pl.when(pl.col("kind") == "cut").then("end_s").otherwise(middle)).to_series().to_list()


def edl(cuts: Cuts) -> str:
    """Format the cuts as a CMX 3600 edit decision list; the timeline starts at one hour."""
    rate = cuts.rate if cuts.rate.denominator in (1, 1001) else Fraction(max(1, round(cuts.rate)))
    scale = rate / cuts.rate
    channels = "AA/V" if cuts.has_audio else "V"
    record = _HOUR * round(rate) - (108 * round(rate) // 30 if cuts.drop else 0)
    lines = [f"TITLE: {cuts.name}", f"FCM: {'DROP FRAME' if cuts.drop else 'NON-DROP FRAME'}"]
    for number, (name, first, length) in enumerate(cuts.pieces, 1):
        inside = round(first * scale), round((first + length) * scale)
        frames = [round(cuts.start * scale) + frame for frame in inside] + [record + frame for frame in inside]
        times = " ".join(timecode(frame, rate, drop=cuts.drop) for frame in frames)
        lines += [
            "",
            f"{number:03d}  {'AX':8} {channels:5} C        {times}",
            f"* FROM CLIP NAME: {cuts.name}",
            f"* COMMENT: {name}",
        ]
    return "\n".join([*lines, ""])


def otio(cuts: Cuts) -> str:
    """Format the cuts as the JSON of OpenTimelineIO."""
    kinds = ["Video", *(["Audio"] if cuts.has_audio else [])]
    tracks = [_schema("Track.1", name=kind, kind=kind, children=_clips(cuts)) for kind in kinds]
    stack = _schema("Stack.1", name="tracks", children=tracks)
    root = _schema("Timeline.1", name=cuts.name, global_start_time=None, tracks=stack)
    return json.dumps(root, indent=2, ensure_ascii=False) + "\n"


def _clips(cuts: Cuts) -> list[dict[str, Any]]:
    whole = _range(cuts.start, cuts.edges[-1], cuts.rate)
    media = _schema("ExternalReference.1", target_url=cuts.url, available_range=whole, name=cuts.name)
    return [
        _schema(
            "Clip.1",
            name=name,
            source_range=_range(cuts.start + first, length, cuts.rate),
            media_reference=media,
        )
        for name, first, length in cuts.pieces
    ]


def _range(first: int, length: int, rate: Fraction) -> dict[str, Any]:
    start, duration = (_schema("RationalTime.1", value=value, rate=float(rate)) for value in (first, length))
    return _schema("TimeRange.1", start_time=start, duration=duration)


def _schema(schema: str, /, **fields: Any) -> dict[str, Any]:
    return {"OTIO_SCHEMA": schema, **fields}


def fcpxml(cuts: Cuts) -> str:
    """Format the cuts as Final Cut Pro's XML, version 1.8, which Resolve and Premiere's converters read too."""
    width, height = map(str, cuts.size)
    code = {"tcFormat": "DF" if cuts.drop else "NDF"}
    root = ET.Element("fcpxml", version="1.8")
    resources = ET.SubElement(root, "resources")
    frame = _time(1, cuts.rate)
    ET.SubElement(resources, "format", id="r1", frameDuration=frame, width=width, height=height)
    whole = {"start": _time(cuts.start, cuts.rate), "duration": _time(cuts.edges[-1], cuts.rate)}
    sound = {"hasAudio": "1", "audioSources": "1"} if cuts.has_audio else {}
    ET.SubElement(
        resources,
        "asset",
        {"id": "r2", "name": cuts.name, "src": cuts.url, "hasVideo": "1", "format": "r1"} | whole | sound,
    )
    project = ET.SubElement(ET.SubElement(root, "event", name=cuts.name), "project", name=cuts.name)
    sequence = ET.SubElement(
        project, "sequence", {"format": "r1", "duration": whole["duration"], "tcStart": "0s"} | code
    )
    spine = ET.SubElement(sequence, "spine")
    for name, first, length in cuts.pieces:
        place: Mapping[str, str] = {
            "offset": _time(first, cuts.rate),
            "start": _time(cuts.start + first, cuts.rate),
            "duration": _time(length, cuts.rate),
        }
        ET.SubElement(spine, "asset-clip", {"name": name, "ref": "r2", "format": "r1", **place, **code})
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{text}\n'


def _time(frames: int, rate: Fraction) -> str:
    """Return a time as Final Cut wants it: a multiple of the frame's duration, as a fraction of a second."""
    return f"{frames * rate.denominator}/{rate.numerator}s"
