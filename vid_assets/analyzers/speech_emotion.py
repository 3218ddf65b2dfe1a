"""Arousal of each spoken phrase, and its emotion if the profile has a model for it.

Arousal follows Bone, Lee & Narayanan, "Robust Unsupervised Arousal Rating: A Rule-Based Framework with
Knowledge-Inspired Vocal Features", 2014. It uses median log pitch, mean level, and the ratio of energy above 500 Hz to
energy below (HF500). Each is ranked among all phrases of the video, from -1 (lower than all) to 1 (higher than all).
The rating is the mean of the three, so it needs no training and no known speaker. The paper's weights by agreement are
not used, because a video has too few phrases to estimate them.

Emotion is the most likely class of the model, with its probability. It is null in profile ``offline``, which has no
model.

The rating compares a video with itself: 0 is the middle of the video, not calm. With several speakers, it also
separates their voices. Fewer than four phrases cannot be compared. Sarcasm, and feelings that the voice does not show,
are lost.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.tasks.emotions import EMOTIONS, EmotionModel
from vid_assets.contract import Analyzer, Answer, Audio, Column, Undefined
from vid_assets.drawing import line_plot
from vid_assets.measures.pitch import YIN_WINDOW, pitch

Array = NDArray[np.float64]

FEWEST_PHRASES = 4
SHORTEST_S = 0.3
HIGH_HZ, HIGHEST_HZ = 500.0, 4000.0
PITCHES = 24  # windows of a phrase that are used for its pitch
LEAST_VOICED = 3
FEATURES = ("pitch_hz", "level_db", "hf500")


def features(part: NDArray[np.float32], rate: int) -> dict[str, float | None]:
    """Median pitch in Hz, level in dBFS and HF500 of one phrase; pitch is None if too little is voiced."""
    length = YIN_WINDOW * 2
    starts = np.unique(np.linspace(0, max(len(part) - length, 0), PITCHES).round().astype(int))
    windows = np.stack([np.pad(part[at : at + length], (0, max(0, at + length - len(part)))) for at in starts])
    found = pitch(windows)
    voiced = found[np.isfinite(found)]
    power = np.abs(np.fft.rfft(part)) ** 2
    frequencies = np.fft.rfftfreq(len(part), 1 / rate)
    high = float(power[(frequencies >= HIGH_HZ) & (frequencies < HIGHEST_HZ)].sum())
    low = float(power[(frequencies >= 80) & (frequencies < HIGH_HZ)].sum())
    mean_square = float(np.square(part, dtype=np.float64).mean())
    return {
        "pitch_hz": float(np.median(voiced)) if len(voiced) >= LEAST_VOICED else None,
        "level_db": 10 * float(np.log10(max(mean_square, 1e-12))),
        "hf500": high / max(low, 1e-12),
    }


def ranks(values: list[float | None]) -> list[float | None]:
    """Rank of each value among the others: -1 lower than all, 1 higher than all; None if unknown."""
    known = np.array([value for value in values if value is not None])
    if len(known) < 2:
        return [None] * len(values)
    return [None if value is None else float(np.sign(value - known).sum()) / (len(known) - 1) for value in values]


def run(audio: Audio, speech_rate: pl.DataFrame, model: EmotionModel | None) -> Answer:
    """One row per phrase, in order.

    Args:
        audio: The sound.
        speech_rate: Phrases of the speech.
        model: Classifies emotions; None if the profile has no such model.
    """
    phrases = speech_rate.filter(pl.col("kind") == "phrase", pl.col("end_s") - pl.col("start_s") >= SHORTEST_S)
    spans: list[tuple[float, float]] = phrases.sort("start_s").select("start_s", "end_s").rows()
    if len(spans) < FEWEST_PHRASES and model is None:
        return Undefined(f"{len(spans)} phrases are too few to compare, and this profile has no model of emotions")
    measured = [
        features(audio.samples[round(start * audio.sample_rate) : round(end * audio.sample_rate)], audio.sample_rate)
        for start, end in spans
    ]
    comparable = len(spans) >= FEWEST_PHRASES
    ranked = {name: ranks([one[name] for one in measured]) for name in FEATURES}
    told = _best(model.emotions(audio, spans)) if model is not None else {}
    rows: list[dict[str, object]] = []
    for place, ((start_s, end_s), one) in enumerate(zip(spans, measured, strict=True)):
        known = [rank for name in FEATURES if (rank := ranked[name][place]) is not None]
        emotion, score = told.get(place, (None, None))
        rows.append({
            "start_s": start_s,
            "end_s": end_s,
            "arousal": float(np.mean(known)) if comparable and known else None,
            **one,
            "emotion": emotion,
            "confidence": score,
        })  # fmt: skip
    return pl.DataFrame(rows, schema=ANALYZER.schema)


def _best(scores: pl.DataFrame) -> dict[int, tuple[str, float]]:
    """The most likely emotion of each span, and its score."""
    best = scores.sort("score", descending=True).group_by("span", maintain_order=True).first()
    return {span: (emotion, score) for span, emotion, score in best.select("span", "emotion", "score").iter_rows()}


def preview(table: pl.DataFrame, audio: Audio, speech_rate: pl.DataFrame) -> NDArray[np.uint8] | None:
    """Arousal and its inputs, over the phrases."""
    if table.is_empty():
        return None
    times = table.select((pl.col("start_s") + pl.col("end_s")) / 2).to_series().to_numpy()
    series = {name: table[name].fill_null(float("nan")).to_numpy() for name in ("arousal", *FEATURES)}
    spans: list[tuple[float, float]] = table.select("start_s", "end_s").rows()
    return line_plot(times, series, len(audio.samples) / audio.sample_rate, spans)


TABLE = {
    "start_s": Column(pl.Float64, "s", "Start of the phrase.", ge=0),
    "end_s": Column(pl.Float64, "s", "End of the phrase.", ge=0),
    "arousal": Column(
        pl.Float64, "1", "-1 calmest to 1 most excited phrase of the video; null for too few.", -1, 1, nullable=True
    ),
    "pitch_hz": Column(pl.Float64, "Hz", "Median pitch; null if hardly voiced.", ge=0, nullable=True),
    "level_db": Column(pl.Float64, "dBFS", "Root mean square level.", ge=-120, le=1),
    "hf500": Column(pl.Float64, "1", "Energy above 500 Hz over energy below.", ge=0),
    "emotion": Column(pl.String, "text", "The most likely emotion; null without a model.", nullable=True),
    "confidence": Column(pl.Float64, "1", "Probability of the emotion.", ge=0, le=1, nullable=True),
}

ANALYZER = Analyzer(
    name="speech_emotion",
    version="1",
    group="text_and_speech",
    inputs=("audio", "speech_rate"),
    run=run,
    table=TABLE,
    task=EMOTIONS,
    optional=frozenset({"model"}),
    preview=preview,
)
