"""Words and their times in real speech: as recorded, with its phrases in other orders, and as archives hold it.

On the clips of `_speech_clips` faster-whisper as it comes, with and without its voice activity filter, hears the same
with the same weights: ours must make fewer errors, and be no slower than it.
"""

import time
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

import numpy as np
import polars as pl

from evaluation._models import model
from evaluation._plain_whisper import Samples, plain
from evaluation._real_speech import of_footage
from evaluation._speech import Spoken, original, rearranged
from evaluation._speech_clips import Clip, clips, wordless
from evaluation._words import bare, edits
from evaluation.figure import Calibration, Figure
from resources.tasks.speech import SPEECH
from vid_assets.analyzers.speech_transcription import run
from vid_assets.contract import Audio

CLIPS = 12
NEAR_S = 0.2
# Kinds of clips that none of the three hears well: a word or a phrase without any context.
WITHOUT_CONTEXT = frozenset({"single words", "phrases alone"})
SILENT_CLIPS, SILENT_S = 20, 5.0


def heard(audio: Audio) -> list[Spoken]:
    """What the analyzer answers; nothing where it says that nobody speaks."""
    table = run(audio, model(SPEECH))
    if not isinstance(table, pl.DataFrame):
        return []
    words = table.filter("understood").select("word", "start_s", "end_s")
    return [Spoken(bare(word), *times) for word, *times in words.rows()]


def ours(samples: Samples) -> list[str]:
    """The words alone."""
    return [part for word in heard(Audio(samples)) for part in word.word.split()]


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


def measure(seed: int) -> list[Figure | Calibration]:
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
        *compared(seed),
        *of_footage(),
    ]  # fmt: skip


def errors(hear: Callable[[Samples], list[str]], made: Sequence[Clip]) -> tuple[int, int, float]:
    """Word errors in clips, those of them in clips with context, and the seconds of computing."""
    start = time.process_time()
    wrong = [edits(hear(clip.audio.samples), [word.word for word in clip.spoken]) for clip in made]
    spent = time.process_time() - start
    return sum(wrong), sum(n for n, clip in zip(wrong, made, strict=True) if clip.kind not in WITHOUT_CONTEXT), spent


def compared(seed: int) -> list[Figure]:
    """Ours against faster-whisper as it comes."""
    made, empty = clips(seed), wordless(seed)
    said = sum(len(clip.spoken) for clip in made)
    with_context = sum(len(clip.spoken) for clip in made if clip.kind not in WITHOUT_CONTEXT)
    own, known, own_s = errors(ours, made)
    named = {"analyzer": "speech_transcription", "unit": "1"}
    figures = [
        Figure(
            what="word error rate, speech changed in 14 ways", value=own / said, cases=said, at_most=0.09, **named
        ),
        Figure(
            what="the same without single words and single phrases", value=known / with_context, cases=with_context,
            at_most=0.07, **named,
        ),
        Figure(
            what="words made up, a clip of noise, tone, clicks, music or babble",
            value=sum(len(ours(clip.audio.samples)) for clip in empty) / len(empty), cases=len(empty), at_most=0.0,
            **named,
        ),
    ]  # fmt: skip
    for name, vad_filter in (("faster-whisper", False), ("faster-whisper with its VAD filter", True)):
        other, _, other_s = errors(plain(vad_filter=vad_filter), made)
        figures += [
            Figure(what=f"word errors, of those of {name}", value=own / other, cases=said, at_most=1.0, **named),
            Figure(
                what=f"computing time, of that of {name}", value=own_s / other_s, cases=len(made), at_most=1.0, **named
            ),
        ]  # fmt: skip
    return figures


def share(errors: list[float]) -> float:
    """Of errors within `NEAR_S`."""
    return float(np.mean(np.array(errors) <= NEAR_S))
