"""What is said, word by word, with times.

The model finds where speech is and turns it into words (Whisper: Radford et al., "Robust Speech Recognition via
Large-Scale Weak Supervision", 2022). Such a model puts words to sounds that are none: it says so by its own
probability that there is no speech, or shows it by saying the same over and over. A segment is dropped if its no-
speech probability is over 0.6 (over 0.3 where its words are on average less than 0.6 sure), or if its text compresses
to less than 1/2.4 of its length. The thresholds are the paper's; there the first counts only where the words are
unsure, but over humming the model is sure of them. What remains may be nothing: then there is no speech.

Edges of words beside a pause are moved to where the level rises from that of the pauses around, or falls back to it:
by 0.4 s at most, and not where sounds other than speech hide the pause.

It does not tell speakers apart, and it does not hear sung words, whispers under music, or several voices at once
well.
"""

# scipy comes without types.
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import zlib

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.tasks.speech import SPEECH, SpeechModel
from vid_assets.contract import Analyzer, Answer, Audio, Column, NotApplicable
from vid_assets.drawing import timeline

NO_SPEECH = 0.6
DOUBTFUL, UNSURE = 0.3, 0.6
REPETITION = 2.4
STEP_S, WINDOW_S, CLICK_STEPS = 0.005, 0.02, 9
# The level of the pauses is the 5th percentile within so many seconds. Speech is so much louder, and not so much
# fainter than the loudest there.
AROUND_S, PAUSE_PERCENT, LOUDER_DB, FAINTER_DB = 5.0, 5.0, 10.0, 25.0
# Models that look for speech lose most of a short word now and then, but add little to one.
FARTHEST_OUT_S, FARTHEST_IN_S = 0.4, 0.3

Array = NDArray[np.float64]


def repetition(text: str) -> float:
    """Length of a text over its length compressed: about 1 for a sentence, large if it repeats itself."""
    data = text.strip().encode()
    return len(data) / len(zlib.compress(data))


def spoken(words: pl.DataFrame) -> pl.DataFrame:
    """The words of the segments that are speech, in the order of time, segments numbered from 0 without gaps."""
    segments = words.group_by("segment", maintain_order=True).agg(
        said=pl.col("word").str.join(" "), silent=pl.col("no_speech").max(), sure=pl.col("confidence").mean()
    )
    kept = [
        segment
        for segment, said, silent, sure in segments.select("segment", "said", "silent", "sure").iter_rows()
        if silent <= (DOUBTFUL if sure < UNSURE else NO_SPEECH) and repetition(said) <= REPETITION
    ]
    numbered = pl.DataFrame({"segment": kept, "number": range(len(kept))}, {"segment": pl.Int64, "number": pl.Int64})
    return (
        words.join(numbered, on="segment", maintain_order="left")
        .with_columns(segment=pl.col("number"))
        .sort("start_s", "end_s", maintain_order=True)
    )


def levels(audio: Audio) -> Array:
    """Level every `STEP_S` in dB against full scale, without what is as short as a click, float64 [n]."""
    from scipy.ndimage import median_filter, uniform_filter1d

    step, window = (round(seconds * audio.sample_rate) for seconds in (STEP_S, WINDOW_S))
    power = uniform_filter1d(np.square(audio.samples, dtype=np.float64), window)[::step]
    return median_filter(10 * np.log10(np.maximum(power, 1e-12)), CLICK_STEPS)


def fitted(words: list[tuple[float, float]], level: Array) -> list[tuple[float, float]]:
    """Words with those edges that lie in or beside a pause moved to where speech begins and ends.

    Args:
        words: Start and end of each in seconds, in the order of time.
        level: As `levels` gives it.
    """
    found: list[tuple[float, float]] = []
    count = len(level)
    for number, (start, end) in enumerate(words):
        low, high = (min(round(at / STEP_S), count - 1) for at in (start, end))
        before = round(words[number - 1][1] / STEP_S) if number else 0
        after = round(words[number + 1][0] / STEP_S) if number + 1 < len(words) else count - 1
        around = level[max(low - round(AROUND_S / STEP_S), 0) : high + round(AROUND_S / STEP_S)]
        loud = level > max(float(np.percentile(around, PAUSE_PERCENT)) + LOUDER_DB, float(around.max()) - FAINTER_DB)
        if before < low and (first := onset(loud, low, before, high)) is not None:
            start = first * STEP_S
        if high < after and (last := onset(loud[::-1], *(count - 1 - at for at in (high, after, low)))) is not None:
            end = (count - 1 - last) * STEP_S
        found.append((start, max(start, end)))
    return found


def onset(loud: NDArray[np.bool_], at: int, earliest: int, latest: int) -> int | None:
    """The step at which the speech begins that `at` lies in or before; None if that is not to be seen near it.

    Args:
        loud: Whether the level is that of speech, bool [n].
        at: Where it is thought to begin.
        earliest: The first step where it may.
        latest: The last one.
    """
    earliest = max(earliest, at - round(FARTHEST_OUT_S / STEP_S))
    latest = min(latest, at + round(FARTHEST_IN_S / STEP_S))
    while loud[at] and at > earliest:
        at -= 1
    inside = np.flatnonzero(loud[at : latest + 1])
    return at + int(inside[0]) if len(inside) and not loud[at] else None


TABLE = {
    "segment": Column(pl.Int64, "1", "Number of the phrase it belongs to, from 0.", ge=0),
    "word": Column(pl.String, "text", "The word, with its punctuation."),
    "start_s": Column(pl.Float64, "s", "Where it starts.", ge=0),
    "end_s": Column(pl.Float64, "s", "Where it ends.", ge=0),
    "confidence": Column(pl.Float64, "1", "The model's probability of the word.", ge=0, le=1),
    "no_speech": Column(pl.Float64, "1", "The model's probability that its phrase is no speech.", ge=0, le=NO_SPEECH),
    "language": Column(pl.String, "text", "Language of the whole, ISO 639-1."),
}


def run(audio: Audio, model: SpeechModel) -> Answer:
    """One row a word, in order; not applicable where nobody speaks."""
    if not audio.samples.any():
        return NotApplicable("the sound is silent")
    heard = model.transcribe(audio)
    words = spoken(heard.filter(pl.col("word").str.strip_chars() != ""))
    if words.is_empty():
        dropped = (
            f"; {heard.height} made-up {'word was' if heard.height == 1 else 'words were'} dropped"
            if heard.height
            else ""
        )
        return NotApplicable(f"no speech in the sound{dropped}")
    duration_s = len(audio.samples) / audio.sample_rate
    words = words.with_columns(pl.col("word").str.strip_chars(), pl.col("start_s", "end_s").clip(0, duration_s))
    places = fitted(words.select("start_s", "end_s").rows(), levels(audio))
    times = pl.DataFrame(places, {"start_s": pl.Float64, "end_s": pl.Float64}, orient="row")
    return words.with_columns(times).sort("start_s", "end_s", maintain_order=True).select(list(TABLE))


def preview(table: pl.DataFrame, audio: Audio) -> NDArray[np.uint8] | None:
    """The waveform with its words, and up to six phrases, each with its text over or beside its time."""
    if table.is_empty():
        return None
    lanes = {"words": [(start, end, "") for start, end in table.select("start_s", "end_s").iter_rows()]}
    for part in table.partition_by("segment", maintain_order=True)[:6]:
        start_s, end_s = part["start_s"].min(), part["end_s"].max()
        lanes[f"phrase {part['segment'][0]}"] = [(start_s, end_s, " ".join(part["word"]))]
    return timeline(lanes, len(audio.samples) / audio.sample_rate, audio.samples)


ANALYZER = Analyzer(
    name="speech_transcription",
    version="2",
    group="text_and_speech",
    inputs=("audio",),
    run=run,
    budget=0.08,
    table=TABLE,
    task=SPEECH,
    preview=preview,
)
