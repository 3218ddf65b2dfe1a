"""Words and their times in real speech, as it was recorded and with its phrases in other orders."""

import re
from difflib import SequenceMatcher

import numpy as np
import polars as pl

from evaluation._edits import edits
from evaluation._models import model
from evaluation._speech import Spoken, original, rearranged
from evaluation.figure import Figure
from resources.tasks.speech import SPEECH
from vid_assets.analyzers.speech_transcription import run
from vid_assets.contract import Audio

CLIPS = 12
NEAR_S = 0.2
SILENT_CLIPS, SILENT_S = 20, 5.0


def bare(word: str) -> str:
    """Letters only, in lower case."""
    return re.sub(r"[^a-z']", "", word.lower())


def heard(audio: Audio) -> list[Spoken]:
    """What the analyzer answers; nothing where it says that nobody speaks."""
    table = run(audio, model(SPEECH))
    if not isinstance(table, pl.DataFrame):
        return []
    return [Spoken(bare(word), *times) for word, *times in table.select("word", "start_s", "end_s").rows()]


def pairs(found: list[Spoken], true: list[Spoken]) -> list[tuple[Spoken, Spoken]]:
    """Words that were heard rightly, with the true ones."""
    matcher = SequenceMatcher(None, [one.word for one in found], [one.word for one in true], autojunk=False)
    blocks = matcher.get_matching_blocks()
    return [(found[a + step], true[b + step]) for a, b, size in blocks for step in range(size)]


def of_phrase(found: list[Spoken], phrase: list[Spoken]) -> tuple[float, float]:
    """Errors of the first word's start and of the last one's end, whatever the words are; infinite without any."""
    low, high = phrase[0].start_s - 0.3, phrase[-1].end_s + 0.3
    inside = [word for word in found if low < (word.start_s + word.end_s) / 2 < high]
    if not inside:
        return np.inf, np.inf
    return abs(inside[0].start_s - phrase[0].start_s), abs(inside[-1].end_s - phrase[-1].end_s)


def measure(seed: int) -> list[Figure]:
    """Word error rates, edges of phrases and of words within 0.2 s, and words made up where nobody speaks."""
    rng = np.random.default_rng([seed, 53])
    audio, spoken = original()
    words, true = heard(audio), [word for phrase in spoken for word in phrase]
    rate = edits([word.word for word in words], [word.word for word in true]) / len(true)
    own = [abs(one - two) for a, b in pairs(words, true) for one, two in ((a.start_s, b.start_s), (a.end_s, b.end_s))]
    wrong = count = 0
    outer, edges = [], []
    for _ in range(CLIPS):
        audio, spoken = rearranged(rng)
        found, said = heard(audio), [word for phrase in spoken for word in phrase]
        wrong += edits([word.word for word in found], [word.word for word in said])
        count += len(said)
        outer += [error for phrase in spoken for error in of_phrase(found, phrase)]
        for a, b in pairs(found, said):
            edges += [abs(a.start_s - b.start_s), abs(a.end_s - b.end_s)]
    made_up = 0
    for number in range(SILENT_CLIPS):
        noise = rng.normal(0, 10 ** rng.uniform(-4, -1), round(SILENT_S * 16000))
        made_up += len(heard(Audio((noise * (number % 4 > 0)).astype(np.float32))))
    named = {"analyzer": "speech_transcription", "unit": "1"}
    return [
        Figure(what="word error rate, speech as recorded", value=rate, cases=len(true), at_most=0.1, **named),
        Figure(
            what="edges of words within 0.2 s of the spectrogram's, speech as recorded", value=share(own),
            cases=len(own), at_least=0.95, **named,
        ),
        Figure(
            what="word error rate, phrases in other orders and speeds", value=wrong / count, cases=count, at_most=0.15,
            **named,
        ),
        Figure(
            what="starts and ends of phrases within 0.2 s of the level's, other orders and speeds", value=share(outer),
            cases=len(outer), at_least=0.9, **named,
        ),
        Figure(
            what="edges of words within 0.2 s of the spectrogram's, other orders and speeds", value=share(edges),
            cases=len(edges), at_least=0.95, **named,
        ),
        Figure(
            what="words made up, a clip of noise or silence", value=made_up / SILENT_CLIPS, cases=SILENT_CLIPS,
            at_most=0.05, **named,
        ),
    ]  # fmt: skip


def share(errors: list[float]) -> float:
    """Of errors within `NEAR_S`."""
    return float(np.mean(np.array(errors) <= NEAR_S))
