"""Subtitles, closed captions, chapters and timecodes of a file, collected in the decode pass."""

import contextlib
import json
import re
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

from vid_assets.media.captions import Caption, Captions
from vid_assets.media.digital_captions import DigitalCaptions

CUES = "cues.json"
MOST_CUES, LONGEST_TEXT = 200_000, 2_000
# FFmpeg's value for "until the next one".
NO_END_MS = 0xFFFFFFFF
_OVERRIDE = re.compile(r"\{[^}]*\}|<[^<>]{1,80}>")
_BREAK = re.compile(r"\\[Nn]")


class Cues:
    """Collects the text and times that a file carries besides picture and sound.

    Attributes:
        rows: Cues so far: ``kind``, ``start_s``, ``end_s`` (None: until the next cue of its track), ``text``,
            ``language``, ``track``. Times are on the file's own timeline.
        left_out: Number of cues beyond `MOST_CUES`.
        damaged: Subtitle packets that could not be decoded.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.left_out = self.damaged = 0
        self._captions: dict[int, Captions] = {}
        self._digital: dict[int, DigitalCaptions] = {}
        self._digital_rows: list[tuple[Caption, int, str | None]] = []
        self._digital_beyond = Counter[int]()
        self._last: dict[int, dict[str, Any]] = {}

    def subtitle(self, stream: Any, packet: Any) -> None:
        """Take one packet of a subtitle track."""
        import av.error

        if not packet.size or packet.pts is None:
            return
        start = packet.pts * packet.time_base
        if stream.codec_context.codec.name == "cc_dec":
            self.captions(stream.index, bytes(packet), float(start), stream.language)
            return
        try:
            decoded = stream.codec_context.decode2(packet)
        except (av.error.FFmpegError, ValueError):
            self.damaged += 1
            return
        length = packet.duration * packet.time_base if packet.duration else None
        self._close(stream.index, float(start))
        if decoded is None:
            return
        begin = start + Fraction(decoded.start_display_time, 1000)
        shown_ms = decoded.end_display_time
        end = start + length if length else start + Fraction(shown_ms, 1000) if 0 < shown_ms < NO_END_MS else None
        texts = [text for rect in decoded for text in [_plain(rect)] if text]
        if len(decoded):
            self._add("subtitle", begin, end, "\n".join(texts) or None, stream.language, stream.index)

    def captions(self, track: int, data: bytes, time: float, language: str | None = None) -> None:
        """Take the closed captions of one picture, or of one packet of a caption track."""
        for caption in self._captions.setdefault(track, Captions()).add(data, time):
            self._caption(caption, track, language)
        digital = self._digital.setdefault(track, DigitalCaptions())
        for caption in digital.add(data, time):
            if len(self._digital_rows) < MOST_CUES:
                self._digital_rows.append((caption, track, language))
            else:
                self._digital_beyond[track] += 1

    def _end_captions(self, end: float) -> None:
        """End the captions that are still shown. CEA-708 captions count only without CEA-608 ones: they repeat them."""
        for track, captions in self._captions.items():
            for caption in captions.flush(end):
                self._caption(caption, track, None)
        for track, digital in self._digital.items():
            self._digital_rows += [(caption, track, None) for caption in digital.flush(end)]
        known = {row["track"] for row in self.rows if row["kind"] == "caption"}
        for caption, track, language in self._digital_rows:
            if track not in known:
                self._caption(caption, track, language)
        self.left_out += sum(count for track, count in self._digital_beyond.items() if track not in known)

    def _caption(self, caption: Caption, track: int, language: str | None) -> None:
        self._add("caption", caption.start, caption.end, caption.text, language, track)

    def chapters(self, container: Any) -> None:
        """Take the chapters that the container lists."""
        for chapter in container.chapters():
            base = chapter["time_base"] or Fraction(1)
            metadata = chapter["metadata"]
            start, end = chapter["start"] * base, chapter["end"] * base
            self._add("chapter", start, end, metadata.get("title"), metadata.get("language"), None)

    def _close(self, track: int, time: float) -> None:
        """End the subtitle of a track that lasts until the next one."""
        last = self._last.pop(track, None)
        if last is not None and last["end_s"] is None:
            last["end_s"] = time

    def _add(self, kind: str, start: Any, end: Any, text: str | None, language: str | None, track: int | None) -> None:
        if len(self.rows) >= MOST_CUES:
            self.left_out += 1
            return
        row = {
            "kind": kind,
            "start_s": float(start),
            "end_s": None if end is None else float(end),
            "text": None if text is None else text[:LONGEST_TEXT],
            "language": None if language in (None, "und") else language,
            "track": track,
        }
        self.rows.append(row)
        if kind == "subtitle" and track is not None:
            self._last[track] = row

    def finish(self, folder: Path, origin: float, duration: float, timecode: str | None) -> dict[str, int]:
        """Write the cues that lie within the video.

        Args:
            folder: Folder for the file.
            origin: Start of the video on the file's own timeline, in seconds.
            duration: Length of the video, in seconds.
            timecode: Timecode of the file at the start.

        Returns:
            The file's name and size in bytes; empty without cues.
        """
        self._end_captions(origin + duration)
        if timecode:
            self._add("timecode", origin, origin + duration, timecode, None, None)
        placed = [cue for row in self.rows if (cue := _placed(row, origin, duration))]
        if not placed:
            return {}
        placed.sort(key=lambda cue: (cue["start_s"], cue["end_s"]))
        path = folder / CUES
        path.write_text(json.dumps(placed), encoding="utf-8")
        return {CUES: path.stat().st_size}

    def warnings(self) -> list[str]:
        """Return what was odd, one sentence each."""
        notes = {
            "packets of subtitles that could not be decoded": self.damaged,
            f"cues beyond the first {MOST_CUES}, left out": self.left_out,
        }
        return [f"{text}: {count}" for text, count in notes.items() if count]


def read_cues(folder: Path) -> list[dict[str, Any]]:
    """Return the cues of a decoded video, in order; empty if the file has none."""
    with contextlib.suppress(FileNotFoundError):
        return json.loads((folder / CUES).read_bytes())
    return []


def _placed(row: dict[str, Any], origin: float, duration: float) -> dict[str, Any] | None:
    """Return a cue on the video's time axis, cut to it; None if it lies outside."""
    start = max(0.0, row["start_s"] - origin)
    end = duration if row["end_s"] is None else min(duration, row["end_s"] - origin)
    return None if start >= duration or end < start else row | {"start_s": start, "end_s": end}


def _plain(rect: Any) -> str:
    """Return the text of a subtitle, without styles; empty for a bitmap."""
    if rect.type not in (b"ass", b"text", "ass", "text"):
        return ""
    text = (rect.dialogue or rect.text).decode("utf-8", "replace")
    text = _OVERRIDE.sub("", _BREAK.sub("\n", text)).replace("\\h", " ")
    return "\n".join(line for line in (" ".join(line.split()) for line in text.split("\n")) if line)
