"""Spoken words with times, and the language of each passage.

The model finds speech, detects the language of each passage, and transcribes it (Whisper: Radford et al., "Robust
Speech Recognition via Large-Scale Weak Supervision", 2022). Such a model also invents words for other sounds, and
English words for languages that it does not know. A segment counts as made up, and is dropped, if

- its words repeat: their text compresses to less than 1/2.4 of its length, or less than 30 % of six or more words
  differ;
- the geometric mean of its words' probabilities is below 0.25;
- the model's own probability of no speech is over 0.6, and that mean is below 0.6. Whisper uses the first only together
  with the second, because it is often high for correct words.

If a detector of voices is certain that a dropped segment is speech, the model does not know its language or cannot
understand it. Such a passage has one row without a word, in which `understood` is false. If there are no other rows,
the answer is undefined. If nothing remains, there is no speech.

Word edges beside a pause move to the point where the level rises from that of the surrounding pauses, or falls back to
it. They move by 0.4 s at most, and not if other sounds hide the pause.

The analyzer does not separate speakers. It is weak on sung words, whispers under music, and several voices at once. It
may confuse similar languages, and may assign another language to one or two isolated words.
"""

# scipy has no type stubs.
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import zlib

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.tasks.speech import SPEECH, SpeechModel
from vid_assets.contract import Analyzer, Answer, Audio, Column, Config, NotApplicable, Undefined, setting
from vid_assets.drawing import timeline

NO_SPEECH, UNSURE = 0.6, 0.6
LEAST_CONFIDENCE = 0.25
UNKNOWN = "speech in a language this model does not know"
REPETITION = 2.4
LOOP_WORDS, FEW = 6, 0.3
# Mean probability at which a detector of voices is certain of speech in a passage. Closer passages are merged.
VOICE, NEAR_S = 0.5, 2.0
NO_VOICE = 0.3  # higher for tones and birds, lower for speech in other languages
STEP_S, WINDOW_S, CLICK_STEPS = 0.005, 0.02, 9
# The level of the pauses is the 5th percentile within the given seconds. Speech is louder than the pauses by the given
# amount, and less than the given amount fainter than the loudest sound there.
AROUND_S, PAUSE_PERCENT, LOUDER_DB, FAINTER_DB = 5.0, 5.0, 10.0, 25.0
# Speech models sometimes lose most of a short word, but add little to one.
FARTHEST_OUT_S, FARTHEST_IN_S = 0.4, 0.3

Array = NDArray[np.float64]


def repetitive(words: list[str]) -> bool:
    """Whether the words repeat."""
    data = " ".join(words).encode()
    different = len({word.casefold().strip(",.!?") for word in words})
    loop = len(words) >= LOOP_WORDS and different < FEW * len(words)
    return loop or len(data) > REPETITION * len(zlib.compress(data))


def made_up(words: list[str], confidence: float, no_speech: float, least_confidence: float = LEAST_CONFIDENCE) -> bool:
    """Whether a segment is made up from sounds other than speech.

    Args:
        words: Words of the segment.
        confidence: Geometric mean of their probabilities.
        no_speech: The model's probability of no speech.
        least_confidence: A segment with a lower confidence is made up, 0..1.
    """
    unsure = confidence < least_confidence or (no_speech > NO_SPEECH and confidence < UNSURE)
    return not words or unsure or repetitive(words)


def judged(heard: pl.DataFrame, least_confidence: float = LEAST_CONFIDENCE) -> pl.DataFrame:
    """The segments with `made_up`, and with `voice`: whether they certainly contain speech.

    Args:
        heard: Answer of a `SpeechModel`.
        least_confidence: As in `made_up`.
    """
    said = pl.col("word").filter(pl.col("word").str.strip_chars() != "").str.strip_chars()
    segments = heard.group_by("segment", maintain_order=True).agg(
        words=said,
        sure=pl.col("confidence").clip(1e-9, 1.0).log().mean().exp(),
        no_speech=pl.col("no_speech").max(),
        voice=pl.col("speech").mean() >= VOICE,
    )
    verdicts = [
        made_up(words, sure, no_speech, least_confidence)
        for words, sure, no_speech in segments.select("words", "sure", "no_speech").iter_rows()
    ]
    return segments.select(
        "segment",
        made_up=pl.Series(verdicts, dtype=pl.Boolean),
        voice=pl.col("voice") & (pl.col("no_speech") <= NO_VOICE),
    )


def passages(heard: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Passages of certain speech that was not understood, near ones merged, with the columns of `TABLE`."""
    lost = verdicts.filter("made_up", "voice")
    rows = heard.join(lost, on="segment", how="semi").group_by("segment").agg(
        pl.col("start_s").min(), pl.col("end_s").max(), pl.col("no_speech").max(), pl.col("language").first()
    )  # fmt: skip
    rows = rows.sort("start_s", "end_s").with_columns(language=pl.col("language").replace("", None))
    apart = (pl.col("start_s") - pl.col("end_s").cum_max().shift(1) >= NEAR_S) | (
        pl.col("language").ne_missing(pl.col("language").shift(1))
    )
    merged = rows.group_by(run=apart.fill_null(value=True).cum_sum(), maintain_order=True).agg(
        pl.col("segment").first(), pl.col("start_s").min(), pl.col("end_s").max(), pl.col("no_speech").max(),
        pl.col("language").first(),
    )  # fmt: skip
    return merged.select(
        "segment", "start_s", "end_s", "no_speech", "language", word=pl.lit(""), confidence=pl.lit(0.0),
        understood=pl.lit(value=False),
    ).select(list(TABLE))  # fmt: skip


def levels(audio: Audio) -> Array:
    """Level every `STEP_S` in dB against full scale, without sounds as short as a click, float64 [n]."""
    from scipy.ndimage import median_filter, uniform_filter1d

    step, window = (round(seconds * audio.sample_rate) for seconds in (STEP_S, WINDOW_S))
    power = uniform_filter1d(np.square(audio.samples, dtype=np.float64), window)[::step]
    return median_filter(10 * np.log10(np.maximum(power, 1e-12)), CLICK_STEPS)


def fitted(words: list[tuple[float, float]], level: Array) -> list[tuple[float, float]]:
    """Words with the edges in or beside a pause moved to the start and end of speech.

    Args:
        words: Start and end of each in seconds, ordered by time.
        level: As `levels` returns it.
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
    """The step at which speech that contains or follows `at` begins; None if there is none near it.

    Args:
        loud: Whether the level is that of speech, bool [n].
        at: Estimated start.
        earliest: The first allowed step.
        latest: The last allowed step.
    """
    earliest = max(earliest, at - round(FARTHEST_OUT_S / STEP_S))
    latest = min(latest, at + round(FARTHEST_IN_S / STEP_S))
    while loud[at] and at > earliest:
        at -= 1
    inside = np.flatnonzero(loud[at : latest + 1])
    return at + int(inside[0]) if len(inside) and not loud[at] else None


TABLE = {
    "segment": Column(pl.Int64, "1", "Number of the phrase it belongs to, from 0.", ge=0),
    "word": Column(pl.String, "text", "The word, with its punctuation; empty for a passage that was not understood."),
    "start_s": Column(pl.Float64, "s", "Start time.", ge=0),
    "end_s": Column(pl.Float64, "s", "End time.", ge=0),
    "confidence": Column(pl.Float64, "1", "The model's probability of the word; 0 if not understood.", ge=0, le=1),
    "no_speech": Column(pl.Float64, "1", "The model's probability that the phrase is no speech.", ge=0, le=1),
    "language": Column(pl.String, "text", "Language of the phrase, ISO 639-1; null if unclear.", nullable=True),
    "understood": Column(
        pl.Boolean, "1", "False for a passage of speech that the model does not understand or in an unknown language."
    ),
}


class Settings(Config):
    """Settings of decoding, and of made-up segments."""

    language: str = setting("", "ISO 639-1", "Spoken language; empty to detect it for each passage")
    beam_size: int = setting(5, "1", "Hypotheses that the decoder follows; a higher number is slower", ge=1, le=20)
    min_confidence: float = setting(
        LEAST_CONFIDENCE, "1", "Segments with a lower mean word probability are dropped as made up", ge=0, le=1
    )


def run(audio: Audio, model: SpeechModel, config: Settings = Settings()) -> Answer:
    """One row per word or passage that was not understood, in order; not applicable if nobody speaks.

    Args:
        audio: The sound.
        model: Transcribes the sound.
        config: The settings.
    """
    if not audio.samples.any():
        return NotApplicable("the sound is silent")
    heard = model.transcribe(audio, language=config.language, beam_size=config.beam_size)
    verdicts = judged(heard, config.min_confidence)
    kept = heard.join(verdicts.filter(~pl.col("made_up")), on="segment", how="semi", maintain_order="left")
    duration_s = len(audio.samples) / audio.sample_rate
    lost = passages(heard, verdicts).with_columns(pl.col("start_s", "end_s").clip(0, duration_s))
    words = kept.filter(pl.col("word").str.strip_chars() != "").sort("start_s", "end_s", maintain_order=True)
    if words.is_empty():
        return Undefined(UNKNOWN) if lost.height else NotApplicable(_nobody(heard))
    return _numbered(pl.concat([_worded(words, audio), lost]))


def _nobody(heard: pl.DataFrame) -> str:
    """Reason for the absence of words."""
    count = heard.filter(pl.col("word").str.strip_chars() != "").height
    dropped = f"; {count} made-up {'word was' if count == 1 else 'words were'} dropped" if count else ""
    return f"no speech in the sound{dropped}"


def _worded(words: pl.DataFrame, audio: Audio) -> pl.DataFrame:
    """The rows of words, with their edges moved to the speech."""
    duration_s = len(audio.samples) / audio.sample_rate
    words = words.with_columns(pl.col("word").str.strip_chars(), pl.col("start_s", "end_s").clip(0, duration_s))
    places = fitted(words.select("start_s", "end_s").rows(), levels(audio))
    times = pl.DataFrame(places, {"start_s": pl.Float64, "end_s": pl.Float64}, orient="row")
    return words.with_columns(times).with_columns(understood=pl.lit(value=True)).select(list(TABLE))


def _numbered(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows ordered by time, with segments numbered from 0 without gaps."""
    rows = rows.sort("start_s", "end_s", maintain_order=True)
    numbers = {segment: number for number, segment in enumerate(rows["segment"].unique(maintain_order=True))}
    return rows.with_columns(pl.col("segment").replace_strict(numbers, return_dtype=pl.Int64))


def preview(table: pl.DataFrame, audio: Audio) -> NDArray[np.uint8] | None:
    """The waveform with its words, and up to six phrases with their text over or beside their time."""
    if table.is_empty():
        return None
    words, lost = table.filter("understood"), table.filter(~pl.col("understood"))
    lanes = {"words": [(start, end, "") for start, end in words.select("start_s", "end_s").iter_rows()]}
    if lost.height:
        lanes["not understood"] = [(start, end, "") for start, end in lost.select("start_s", "end_s").iter_rows()]
    for part in words.partition_by("segment", maintain_order=True)[:6]:
        start_s, end_s = part["start_s"].min(), part["end_s"].max()
        lanes[f"phrase {part['segment'][0]}"] = [(start_s, end_s, " ".join(part["word"]))]
    return timeline(lanes, len(audio.samples) / audio.sample_rate, audio.samples)


ANALYZER = Analyzer(
    name="speech_transcription",
    version="4",
    group="text_and_speech",
    inputs=("audio",),
    run=run,
    budget=0.08,
    table=TABLE,
    task=SPEECH,
    config=Settings,
    preview=preview,
)
