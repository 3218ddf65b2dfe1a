"""Speed of speech: rates of each phrase, pauses between phrases, and filled pauses.

- Phrases are runs of words without a pause of 0.25 s or more (Goldman-Eisler, "Psycholinguistics", 1968).
- Speech rate counts words and syllables over the time from the first word to the last, including pauses. Articulation
  rate counts syllables over the time of the words alone (Laver, "Principles of Phonetics", 1994).
- Syllables are counted from spelling by groups of vowels, with the rules for silent e and for suffixes that Fry and
  Flesch counters use. Compared with the CMU Pronouncing Dictionary, the count is right for nine of ten English words.

Rates depend on the words of `speech_transcription`. Words that it drops, such as most filled pauses, are pauses here.
Passages of speech that it did not understand are not pauses, and the whole is shorter by their time. Syllables of
languages other than English are counted by their vowels only.
"""

import re
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Analyzer, Answer, Audio, Column, Undefined
from vid_assets.drawing import timeline

PAUSE_S = 0.25
FILLERS = frozenset({"ah", "eh", "er", "erm", "hm", "hmm", "mhm", "mm", "uh", "uhm", "um"})
VOWELS = re.compile(r"[aeiouyàáâäãåæèéêëìíîïòóôöõøœùúûüýÿ]+")
# Adjacent vowels that are spoken separately.
APART = re.compile(r"ia(?!n$|l$|r)|iu|io(?!n|u)|[^q]ua(?!r)|eo(?!u)|ism$|[aeiou]ing$|uou|[aeiou]y[aeou]")
# Vowels that are not spoken: in -e, -es, -ed, -que, and in -e before a suffix.
SILENT = re.compile(
    r"[^aeiouyl]e$|[aeiouy]le$|[^aeioutdy]ed$|[aeiouy]les$|[^aeiouysxzcgl]es$|que$|[^aeiouy]e(?:ly|ness|ment|less|ful|some)$"
)

Word = tuple[str, float, float]


def syllables(word: str) -> int:
    """Number of syllables of a word by its spelling; at least 1 with a letter or digit, else 0."""
    text = re.sub(r"['’]", "", word.casefold())
    letters = re.sub(r"[\W_]+", " ", text).split()
    return sum(_of_part(part) for part in letters)


def _of_part(part: str) -> int:
    return max(len(VOWELS.findall(part)) + len(APART.findall(part)) - len(SILENT.findall(part)), 1)


def phrases(words: list[Word]) -> list[list[Word]]:
    """The words in runs without pauses of `PAUSE_S` or more."""
    runs: list[list[Word]] = []
    for word in words:
        if runs and word[1] - runs[-1][-1][2] < PAUSE_S:
            runs[-1].append(word)
        else:
            runs.append([word])
    return runs


def _stretch(kind: str, words: list[Word], lost_s: float = 0.0) -> dict[str, object]:
    """A row of rates, without the seconds that were not understood; null if the words have no length."""
    count, spoken = len(words), sum(end - start for _, start, end in words)
    parts = sum(syllables(word) for word, _, _ in words)
    length = words[-1][2] - words[0][1] - lost_s
    return {
        "kind": kind,
        "start_s": words[0][1],
        "end_s": words[-1][2],
        "text": " ".join(word for word, _, _ in words) if kind == "phrase" else None,
        "words": count,
        "syllables": parts,
        "words_a_minute": 60 * count / length if length > 0 else None,
        "syllables_a_minute": 60 * parts / length if length > 0 else None,
        "articulation_rate": parts / spoken if spoken > 0 else None,
    }


def _event(kind: str, start_s: float, end_s: float, text: str | None = None) -> dict[str, object]:
    return {"kind": kind, "start_s": start_s, "end_s": end_s, "text": text}


def run(audio: Audio, speech_transcription: pl.DataFrame) -> Answer:
    """One row for the whole, then phrases, pauses and fillers, ordered by time.

    Args:
        audio: The sound; gives the length.
        speech_transcription: The words.
    """
    lost = speech_transcription.filter(~pl.col("understood")).select("start_s", "end_s").rows()
    columns = speech_transcription.sort("start_s", "end_s").select("word", "start_s", "end_s")
    words: list[Word] = [row for row in columns.iter_rows() if syllables(row[0])]
    if not words:
        return Undefined("no words to count")
    runs = phrases(words)
    rows = [_stretch("phrase", run) for run in runs]
    between = [(one[-1][2], two[0][1]) for one, two in pairwise(runs)]
    rows += [_event("pause", start, end) for start, end in between if not _shared(start, end, lost)]
    rows += [_event("filler", start, end, word) for word, start, end in words if _bare(word) in FILLERS]
    rows.sort(key=lambda row: (row["start_s"], row["end_s"]))
    whole = _stretch("whole", words, _shared(words[0][1], words[-1][2], lost))
    return pl.DataFrame([whole, *rows], schema=ANALYZER.schema)


def _shared(start_s: float, end_s: float, spans: list[tuple[float, float]]) -> float:
    """Seconds of a stretch that lie in the spans; spans do not overlap."""
    return sum(max(min(end_s, end) - max(start_s, start), 0.0) for start, end in spans)


def _bare(word: str) -> str:
    return re.sub(r"\W", "", word.casefold())


def preview(table: pl.DataFrame, audio: Audio, speech_transcription: pl.DataFrame) -> NDArray[np.uint8] | None:
    """The waveform; phrases with their words per minute, pauses and fillers if any."""
    if table.is_empty():
        return None
    lanes: dict[str, list[tuple[float, float, str]]] = {"phrase": [], "pause": [], "filler": []}
    for kind, start_s, end_s, rate, text in table.select(
        "kind", "start_s", "end_s", "words_a_minute", "text"
    ).iter_rows():
        if kind in lanes:
            label = f"{rate:.0f} wpm" if rate is not None else text or f"{end_s - start_s:.1f} s"
            lanes[kind].append((start_s, end_s, label))
    lanes = {name: bars for name, bars in lanes.items() if bars}
    return timeline(lanes, len(audio.samples) / audio.sample_rate, audio.samples)


TABLE = {
    "kind": Column(pl.String, "text", "whole (first word to last), phrase, pause or filler."),
    "start_s": Column(pl.Float64, "s", "Start time.", ge=0),
    "end_s": Column(pl.Float64, "s", "End time.", ge=0),
    "text": Column(pl.String, "text", "The phrase or the filler; null otherwise.", nullable=True),
    "words": Column(pl.Int64, "1", "Number of words; null for pauses and fillers.", ge=1, nullable=True),
    "syllables": Column(pl.Int64, "1", "Number of syllables; null for pauses and fillers.", ge=1, nullable=True),
    "words_a_minute": Column(pl.Float64, "1/min", "Words per minute of its length.", ge=0, nullable=True),
    "syllables_a_minute": Column(pl.Float64, "1/min", "Syllables per minute of its length.", ge=0, nullable=True),
    "articulation_rate": Column(pl.Float64, "1/s", "Syllables per second of the words alone.", ge=0, nullable=True),
}

ANALYZER = Analyzer(
    name="speech_rate",
    version="2",
    group="text_and_speech",
    inputs=("audio", "speech_transcription"),
    run=run,
    table=TABLE,
    preview=preview,
)
