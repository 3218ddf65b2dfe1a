"""What is said, word by word, with times.

The model finds where speech is and turns it into words (Whisper: Radford et al., "Robust Speech Recognition via
Large-Scale Weak Supervision", 2022). Such a model puts words to sounds that are none: it says so by its own
probability that there is no speech, or shows it by saying the same over and over. A segment is dropped if its no-
speech probability is over 0.6 (over 0.3 where its words are on average less than 0.6 sure), or if its text compresses
to less than 1/2.4 of its length. The thresholds are the paper's; there the first counts only where the words are
unsure, but over humming the model is sure of them. What remains may be nothing: then there is no speech.

It does not tell speakers apart, and it does not hear sung words, whispers under music, or several voices at once
well.
"""

import zlib

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Analyzer, Answer, Audio, Column, NotApplicable, SpeechModel
from vid_assets.drawing import timeline

NO_SPEECH = 0.6
DOUBTFUL, UNSURE = 0.3, 0.6
REPETITION = 2.4


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
        dropped = f"; {heard.height} made-up words were dropped" if heard.height else ""
        return NotApplicable(f"no speech in the sound{dropped}")
    duration_s = len(audio.samples) / audio.sample_rate
    start, end = pl.col("start_s").clip(0, duration_s), pl.col("end_s").clip(0, duration_s)
    return words.with_columns(word=pl.col("word").str.strip_chars(), start_s=start, end_s=end).select(list(TABLE))


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
    version="1",
    group="text_and_speech",
    inputs=("audio",),
    run=run,
    table=TABLE,
    model="whisper",
    preview=preview,
)
