"""Rates, pauses and syllables of real speech, through the real transcription; where its words are is known."""

from itertools import pairwise

import numpy as np
import polars as pl

from evaluation._models import model
from evaluation._speech import SYLLABLES, rearranged
from evaluation.figure import Figure
from resources.tasks.speech import SPEECH
from vid_assets.analyzers import speech_transcription
from vid_assets.analyzers.speech_rate import run, syllables

CLIPS = 12
NEAR_S = 0.2
# Counted by ear, from dictionaries' hyphens and stress marks; none is among the analyzer's tests.
COUNTED = {
    1: "health thought spring change branches' large strange walked through breathe house clothes",
    2: "window paper lonely purple garden travel mountain closes wanted people someone village hopeful quiet rhythm",
    3: "banana library elephant together remember holiday yesterday chocolate telephone musical develop factory",
    4: "information watermelon calculator television alligator community independent supermarket society behaviour's",
    5: "university refrigerator communication examination electricity opportunity vocabulary imagination",
}


def measure(seed: int) -> list[Figure]:
    """Error of the rate, pauses found and invented, phrases with the right syllables, and words of a list."""
    rng = np.random.default_rng([seed, 59])
    errors, counts, found, invented, true = [], [], 0, 0, 0
    for _ in range(CLIPS):
        audio, spoken = rearranged(rng)
        words = speech_transcription.run(audio, model(SPEECH))
        table = run(audio, words) if isinstance(words, pl.DataFrame) else None
        assert isinstance(table, pl.DataFrame)
        whole, said = table.row(0, named=True), [word for phrase in spoken for word in phrase]
        length = said[-1].end_s - said[0].start_s
        errors.append(abs(whole["words_a_minute"] / (60 * len(said) / length) - 1))
        counts.append(abs(whole["syllables"] / sum(SYLLABLES[word.word] for word in said) - 1))
        pauses = [(one[-1].end_s, two[0].start_s) for one, two in pairwise(spoken)]
        answers = table.filter(pl.col("kind") == "pause").select("start_s", "end_s").rows()
        hits = [any(abs(a - b) <= NEAR_S and abs(c - d) <= NEAR_S for a, c in answers) for b, d in pauses]
        found, true = found + sum(hits), true + len(pauses)
        invented += sum(all(c <= b or a >= d for b, d in pauses) for a, c in answers)
    listed = [(word, count) for count, words in COUNTED.items() for word in words.split()]
    right = sum(syllables(word) == count for word, count in listed)
    named = {"analyzer": "speech_rate", "unit": "1"}
    return [
        Figure(
            what="mean error of words per minute, of the true rate", value=float(np.mean(errors)), cases=CLIPS,
            at_most=0.12, **named,
        ),
        Figure(
            what="mean error of the syllables of a speech, of the true number", value=float(np.mean(counts)),
            cases=CLIPS, at_most=0.12, **named,
        ),
        Figure(what="pauses found, both ends within 0.2 s", value=found / true, cases=true, at_least=0.85, **named),
        Figure(what="pauses invented, of the true ones", value=invented / true, cases=true, at_most=0.1, **named),
        Figure(
            what="words of a list with the right number of syllables", value=right / len(listed), cases=len(listed),
            at_least=0.85, **named,
        ),
    ]  # fmt: skip
