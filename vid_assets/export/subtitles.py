"""Cues of subtitles from words with times, and their formats: SubRip, WebVTT, TTML.

Texts are data: what looks like markup in them is shown as it is.
"""

import re
import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape

# Broadcasters ask for two lines of 42 characters, at most 7 s, and a new cue after a pause.
LINE, LINES = 42, 2
LONGEST_S, PAUSE_S = 7.0, 1.5
# Languages written without spaces between words.
_UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km"})
# SubRip has no way to escape. An invisible word joiner after the bracket keeps players from seeing a tag.
_TAG = re.compile(r"<(?=[/a-zA-Z])|\{(?=\\)")
_JOINER = "\u2060"
# What XML 1.0 cannot hold at all.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TTML = "http://www.w3.org/ns/ttml"


@dataclass(frozen=True, slots=True)
class Word:
    """One word.

    Attributes:
        text: The word with its punctuation.
        start_s: Start in seconds.
        end_s: End in seconds.
        phrase: Number of its phrase, which is in one language.
        language: ISO 639-1; some languages have no spaces between words.
    """

    text: str
    start_s: float
    end_s: float
    phrase: int
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Cue:
    """The lines shown at one time: whole milliseconds, and one or more lines."""

    start_ms: int
    end_ms: int
    lines: Sequence[str]


def cues(words: Iterable[Word]) -> list[Cue]:
    """Cut words, in order of time, into cues that do not overlap, each at least a millisecond long."""
    groups = [group for group in _groups(words) if group]
    starts = [round(group[0].start_s * 1000) for group in groups]
    made = []
    for place, group in enumerate(groups):
        end = round(max(word.end_s for word in group) * 1000)
        if place + 1 < len(groups):
            end = min(end, starts[place + 1])
        made.append(Cue(starts[place], max(end, starts[place] + 1), wrapped(_joined(group))))
    return made


def wrapped(text: str) -> list[str]:
    """Return a text in lines that fit a screen."""
    return textwrap.wrap(text, LINE, break_long_words=" " not in text, break_on_hyphens=False)


def srt(cues: Iterable[Cue]) -> str:
    """Format the cues as SubRip."""
    blocks = (
        f"{number}\n{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}\n"
        + "\n".join(_TAG.sub(rf"\g<0>{_JOINER}", line.replace("-->", "->")) for line in cue.lines)
        for number, cue in enumerate(cues, 1)
    )
    return "".join(f"{block}\n\n" for block in blocks)


def vtt(cues: Iterable[Cue]) -> str:
    """Format the cues as WebVTT."""
    blocks = (
        f"{_time(cue.start_ms, '.')} --> {_time(cue.end_ms, '.')}\n"
        + "\n".join(escape(line, quote=False) for line in cue.lines)
        for cue in cues
    )
    return "WEBVTT\n\n" + "".join(f"{block}\n\n" for block in blocks)


def ttml(cues: Iterable[Cue], language: str = "") -> str:
    """Format the cues as TTML.

    Args:
        cues: The cues.
        language: Language of the texts; empty if unknown.
    """
    root = ET.Element("tt", {"xmlns": _TTML, "xml:lang": language})
    division = ET.SubElement(ET.SubElement(root, "body"), "div")
    for cue in cues:
        times = {"begin": _time(cue.start_ms, "."), "end": _time(cue.end_ms, ".")}
        paragraph = ET.SubElement(division, "p", times)
        first, *others = (_NO_XML.sub("", line) for line in cue.lines)
        paragraph.text = first
        for line in others:
            ET.SubElement(paragraph, "br").tail = line
    ET.indent(division, level=2)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _groups(words: Iterable[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for raw in words:
        word = replace(raw, text=" ".join(raw.text.split()))
        if not word.text:
            continue
        if group and _is_full([*group, word]):
            yield group
            group = []
        group.append(word)
    yield group


def _is_full(group: Sequence[Word]) -> bool:
    """Whether the last of these words belongs in the next cue."""
    *before, word = group
    return (
        word.phrase != before[-1].phrase
        or word.start_s - before[-1].end_s > PAUSE_S
        or word.end_s - before[0].start_s > LONGEST_S
        or len(wrapped(_joined(group))) > LINES
    )


def _joined(group: Sequence[Word]) -> str:
    return ("" if group[0].language in _UNSPACED else " ").join(word.text for word in group)


def _time(ms: int, point: str) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{point}{ms % 1000:03d}"
