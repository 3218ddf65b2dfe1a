"""The kind of sound over time: speech, singing, music, noise or silence.

A model returns the probabilities of speech, singing and music. Silence is a level below -60 dB against full scale.
Noise is every other sound. If several kinds occur at once, the first of speech, singing and music with a probability of
at least 0.5 counts. Singing and music use the mean over a second. A sound whose spectrum and level stay the same for
2 s is neither: music and singing change their notes. Stretches shorter than 0.3 s take the kind of the likelier
neighbour, but no sound becomes silence. The level is the root mean square, in dB against a full-scale square wave. Tags
are the model's own words for a stretch (AudioSet classes in the profiles ``cpu`` and ``gpu``). The model of profile
``offline`` has none, so tags are null there.

Speech over music counts as speech. Steady tones, alarms and engines count as noise. Quiet rooms recorded with gain
count as noise, not silence.
"""

from itertools import groupby

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.tasks.sounds import SOUNDS, SoundModel
from vid_assets.contract import Analyzer, Answer, Audio, Column
from vid_assets.drawing import timeline

Array = NDArray[np.float64]

STEP_S = 0.1
KINDS = ("speech", "singing", "music")
ALL_KINDS = (*KINDS, "noise", "silence")
SLOW, SLOW_S = ("singing", "music"), 1.0  # these last longer, so their probability is averaged over a second
LEAST = 0.5
SILENCE_DBFS = -60.0
SHORTEST_S = 0.3
FLOOR_DBFS = -120.0
STEADY_S, STEADY_DB, SAME_SPECTRUM = 2.0, 1.0, 0.98
BLOCK = 6000  # steps


def levels(audio: Audio) -> Array:
    """Level of each tenth of a second in dBFS, [n]; the last may be shorter; -120 for digital silence."""
    step = round(STEP_S * audio.sample_rate)
    count = -(-len(audio.samples) // step)
    edges = np.arange(count) * step
    power = np.add.reduceat(np.square(audio.samples, dtype=np.float64), edges) if count else np.zeros(0)
    power /= np.minimum(edges + step, len(audio.samples)) - edges
    return 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DBFS / 10)))


def on_grid(tags: pl.DataFrame, count: int) -> dict[str, Array]:
    """Probability of each of `KINDS` in each step; steps after the model's last stretch repeat it."""
    middle = (np.arange(count) + 0.5) * STEP_S
    found: dict[str, Array] = {}
    for kind in KINDS:
        rows = tags.filter(pl.col("label") == kind).sort("start_s")
        if rows.is_empty():
            found[kind] = np.zeros(count)
            continue
        place = np.searchsorted(rows["start_s"].to_numpy(), middle, side="right") - 1
        found[kind] = rows["score"].to_numpy()[np.maximum(place, 0)]
        if kind in SLOW:
            ones = np.ones(min(round(SLOW_S / STEP_S), count))
            found[kind] = np.convolve(found[kind], ones, "same") / np.convolve(np.ones(count), ones, "same")
    return found


def steady(audio: Audio, level: Array) -> NDArray[np.bool_]:
    """Whether a step lies in `STEADY_S` or more of one spectrum and level, such as a tone or a hum, bool [n].

    Args:
        audio: The sound.
        level: As `levels` returns it.
    """
    found = np.zeros(len(level), bool)
    span, step = round(STEADY_S / STEP_S), round(STEP_S * audio.sample_rate)
    # Ten minutes at a time: the spectra of a whole day would not fit into memory.
    for start in range(0, len(level) - span + 1, BLOCK):
        end = min(start + BLOCK + span, len(level))
        samples = audio.samples[start * step : end * step]
        steps = np.pad(samples, (0, (end - start) * step - len(samples))).reshape(-1, step)
        spectra = np.abs(np.fft.rfft(steps * np.hanning(step), axis=1)).astype(np.float32)
        spectra /= np.maximum(np.linalg.norm(spectra, axis=1, keepdims=True), 1e-9)
        for first in range(end - start - span + 1):
            same = spectra[first : first + span] @ spectra[first + span // 2]
            inside = slice(start + first, start + first + span)
            if same.min() > SAME_SPECTRUM and np.ptp(level[inside]) < STEADY_DB:
                found[inside] = True
    return found


def choose(scores: dict[str, Array], level: Array) -> tuple[list[str], Array]:
    """Kind of each step and its confidence, [n] each."""
    kinds = ["noise"] * len(level)
    sure = 1 - np.max([scores[kind] for kind in KINDS], axis=0)
    for at in range(len(level)):
        named = next((kind for kind in KINDS if scores[kind][at] >= LEAST), None)
        if level[at] < SILENCE_DBFS:
            kinds[at], sure[at] = "silence", 1.0
        elif named is not None:
            kinds[at], sure[at] = named, scores[named][at]
    return kinds, sure


def runs_of(kinds: list[str]) -> list[tuple[str, int, int]]:
    """Kind, first step and end step (exclusive) of each stretch of one kind."""
    found: list[tuple[str, int, int]] = []
    first = 0
    for kind, group in groupby(kinds):
        end = first + sum(1 for _ in group)
        found.append((kind, first, end))
        first = end
    return found


def smoothed(kinds: list[str], scores: dict[str, Array]) -> list[str]:
    """The stretches without those shorter than `SHORTEST_S`; each joins the likelier neighbour."""
    runs, result = runs_of(kinds), list(kinds)
    shortest = round(SHORTEST_S / STEP_S)
    for place, (kind, first, end) in enumerate(runs):
        if end - first >= shortest or len(runs) == 1:
            continue
        near = ([result[first - 1]] if first else []) + ([runs[place + 1][0]] if end < len(kinds) else [])
        near = [name for name in near if name != "silence" or kind == "silence"]
        if not near:
            continue
        best = max(near, key=lambda name: float(scores[name][first:end].sum()) if name in scores else 0.0)
        result[first:end] = [best] * (end - first)
    return result


def run(audio: Audio, model: SoundModel) -> Answer:
    """One row per stretch of one kind, in order and without gaps."""
    duration_s = len(audio.samples) / audio.sample_rate
    level = levels(audio)
    if not len(level):
        return ANALYZER.empty()
    lengths = np.full(len(level), STEP_S)
    lengths[-1] = duration_s - STEP_S * (len(level) - 1)
    tags = model.tag(audio)
    scores = on_grid(tags, len(level))
    constant = steady(audio, level)
    for kind in SLOW:
        scores[kind] = np.where(constant, 0.0, scores[kind])
    kinds, sure = choose(scores, level)
    own = tags.filter(~pl.col("label").is_in(KINDS))
    rows: list[dict[str, object]] = []
    for kind, first, end in runs_of(smoothed(kinds, scores)):
        start_s, end_s = round(first * STEP_S, 3), min(round(end * STEP_S, 3), duration_s)
        inside = own.filter(pl.col("start_s") < end_s, pl.col("end_s") > start_s).sort("score", descending=True)
        rows.append({
            "start_s": start_s,
            "end_s": end_s,
            "kind": kind,
            "confidence": float(np.mean([sure[at] if kinds[at] == kind else 0.0 for at in range(first, end)])),
            "level_db": float(10 * np.log10(np.average(10 ** (level[first:end] / 10), weights=lengths[first:end]))),
            "tags": inside["label"].unique(maintain_order=True).head(5).to_list() if own.height else None,
        })  # fmt: skip
    return pl.DataFrame(rows, schema=ANALYZER.schema)


def preview(table: pl.DataFrame, audio: Audio) -> NDArray[np.uint8] | None:
    """The waveform, and below it one lane per kind."""
    if table.is_empty():
        return None
    lanes = {
        kind: [(start, end, f"{level:.0f} dB") for start, end, level in part.iter_rows()]
        for kind in ALL_KINDS
        if (part := table.filter(pl.col("kind") == kind).select("start_s", "end_s", "level_db")).height
    }
    return timeline(lanes, len(audio.samples) / audio.sample_rate, audio.samples)


TABLE = {
    "start_s": Column(pl.Float64, "s", "Start of the stretch.", ge=0),
    "end_s": Column(pl.Float64, "s", "End of the stretch; the next one starts here.", ge=0),
    "kind": Column(pl.String, "text", f"Kind of sound: {', '.join(ALL_KINDS)}."),
    "confidence": Column(pl.Float64, "1", "Mean probability of the kind.", ge=0, le=1),
    "level_db": Column(pl.Float64, "dBFS", "Root mean square level.", ge=FLOOR_DBFS, le=1),
    "tags": Column(pl.List(pl.String), "text", "The model's own words, the most likely first.", nullable=True),
}

ANALYZER = Analyzer(
    name="audio_environment",
    version="3",
    group="sound",
    inputs=("audio",),
    run=run,
    table=TABLE,
    task=SOUNDS,
    coverage=0.99,
    preview=preview,
)
