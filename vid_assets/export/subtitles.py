"""Subtitles from words with times: SubRip (``.srt``) and WebVTT (``.vtt``)."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

# Broadcasters ask for two lines of 42 characters, at most 7 s, and a new cue after a pause.
LINE, LINES = 42, 2
LONGEST_S, PAUSE_S = 7.0, 1.5
# Languages written without spaces between words.
_UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km"})


@dataclass(frozen=True, slots=True)
class Word:
    """One word.

    Attributes:
        text: The word with its punctuation.
        start_s: Start in seconds.
        end_s: End in seconds.
        phrase: Number of its phrase.
    """

    text: str
    start_s: float
    end_s: float
    phrase: int


@dataclass(frozen=True, slots=True)
class Cue:
    """The lines shown at one time: whole milliseconds, and one or more lines."""

    start_ms: int
    end_ms: int
    lines: Sequence[str]


def cues(words: Iterable[Word], language: str = "en") -> list[Cue]:
    """Cut words into cues that do not overlap, each at least a millisecond long.

    Args:
        words: Words in order of time.
        language: ISO 639-1; some languages have no spaces between words.
    """
    space = "" if language in _UNSPACED else " "
    groups = [group for group in _groups(words, space) if group]
    starts = [round(group[0].start_s * 1000) for group in groups]
    made = []
    for place, group in enumerate(groups):
        end = round(max(word.end_s for word in group) * 1000)
        if place + 1 < len(groups):
            end = min(end, starts[place + 1])
        text = space.join(word.text for word in group)
        made.append(Cue(starts[place], max(end, starts[place] + 1), _lines(text)))
    return made


def srt(cues: Iterable[Cue]) -> str:
    """Format the cues as SubRip."""
    blocks = (
        f"{number}\n{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}\n"
        + "\n".join(line.replace("-->", "->") for line in cue.lines)
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


def _groups(words: Iterable[Word], space: str) -> Iterator[list[Word]]:
    group: list[Word] = []
    for raw in words:
        word = Word(" ".join(raw.text.split()), raw.start_s, raw.end_s, raw.phrase)
        if not word.text:
            continue
        if group and _is_full([*group, word], space):
            yield group
            group = []
        group.append(word)
    yield group


def _is_full(group: Sequence[Word], space: str) -> bool:
    """Whether the last of these words belongs in the next cue."""
    *before, word = group
    return (
        word.phrase != before[-1].phrase
        or word.start_s - before[-1].end_s > PAUSE_S
        or word.end_s - before[0].start_s > LONGEST_S
        or len(_lines(space.join(item.text for item in group))) > LINES
    )


def _lines(text: str) -> list[str]:
    return textwrap.wrap(text, LINE, break_long_words=" " not in text, break_on_hyphens=False)


def _time(ms: int, point: str) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{point}{ms % 1000:03d}"
