"""Sounds that stand out: start and end, kind and loudness of each.

An event starts when the level of a 10 ms step rises by at least 9 dB above the background, and ends when it is back
within 6 dB of it. The background is the lower quartile of the four seconds around the step (energy-based detection as
in Bello et al., "A tutorial on onset detection in music signals", 2005). Speech, singing and music, as detected by
`audio_environment`, are not effects. The kind depends on length, spectrum and the movement of the spectrum over the
event:

- click: at most 60 ms;
- impact: loudest in its first 40 ms, faded in its last quarter, most power below 1500 Hz, at most 1.5 s;
- tone: one strong, constant partial with two thirds of the power within a semitone of it;
- sweep: the same, but moving by a third of an octave or more in one direction;
- noise: a flat spectrum (flatness over 0.2);
- other: anything else.

The analyzer does not know sources: a dog and a door may both be an impact. It misses events under speech or music, and
events that fade in slowly. Of two events at once, it describes the louder one. In loud surroundings, it finds only
louder events.
"""

# scipy has no type stubs.
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Analyzer, Answer, Audio, Column, NotApplicable
from vid_assets.drawing import timeline

Array = NDArray[np.float64]

STEP_S = 0.01
RISE_DB, FALL_DB = 9.0, 6.0
FLOOR_DB = -70.0
AROUND_S = 4.0
GAP_S = 0.05
SHORTEST_S = 0.01
KINDS = ("click", "tone", "sweep", "impact", "noise", "other")
CLICK_S, IMPACT_S, IMPACT_HZ = 0.06, 1.5, 1500.0
TONAL, FLAT, SWEPT_OCTAVES, ATTACK_S = 0.66, 0.2, 1 / 3, 0.04
WINDOW = 1024
LOWEST_HZ = 60.0
NO_EFFECTS = ("speech", "singing", "music")


def levels(samples: NDArray[np.float32], rate: int) -> Array:
    """Level of each step in dB against full scale, from `FLOOR_DB` upwards, [n]."""
    step = round(STEP_S * rate)
    count = len(samples) // step
    power = np.square(samples[: count * step], dtype=np.float64).reshape(count, step).mean(axis=1)
    return 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))


def background(level: Array) -> Array:
    """The lower quartile of the levels within two seconds of each step, [n]."""
    from scipy.ndimage import percentile_filter

    if not len(level):
        return level
    return np.asarray(percentile_filter(level, 25, size=round(AROUND_S / STEP_S) + 1, mode="nearest"), np.float64)


def find_events(level: Array) -> list[tuple[int, int]]:
    """First step and end step (exclusive) of each event."""
    quiet = background(level)
    high, low = level >= quiet + RISE_DB, level >= quiet + FALL_DB
    edges = np.flatnonzero(np.diff(np.concatenate([[False], low, [False]]).astype(np.int8)))
    spans: list[tuple[int, int]] = []
    for first, end in edges.reshape(-1, 2).tolist():
        if not high[first:end].any():
            continue
        start = first + int(high[first:end].argmax())
        # the event starts where the level rises, not where it is loud enough
        while start > first and level[start - 1] < level[start] - 3:
            start -= 1
        if spans and start - spans[-1][1] < GAP_S / STEP_S:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return [(start, end) for start, end in spans if end - start >= SHORTEST_S / STEP_S]


def describe(part: NDArray[np.float32], rate: int) -> tuple[str, float | None]:
    """Kind of an event, and for tones and sweeps the frequency of the strongest partial at the middle in Hz."""
    seconds = len(part) / rate
    if seconds <= CLICK_S:
        return "click", None
    frequencies, power, when = _spectra(part, rate)
    mean = power.mean(axis=0)
    if seconds <= IMPACT_S and _decays(part, rate) and mean[frequencies < IMPACT_HZ].sum() > 0.5 * mean.sum():
        return "impact", None
    peak = power[:, 2:].argmax(axis=1) + 2
    reach = np.maximum(2, (peak * (2 ** (1 / 12) - 1)).astype(int))
    near = np.abs(np.arange(power.shape[1]) - peak[:, None]) <= reach[:, None]
    if ((power * near).sum(axis=1) / power.sum(axis=1)).mean() >= TONAL:
        pitch = np.log2(frequencies[peak])
        sweeps = _sweeps(when, pitch)
        return "sweep" if sweeps else "tone", float(2 ** np.median(pitch))
    audible = mean[(frequencies > LOWEST_HZ) & (frequencies < 0.45 * rate)]
    flatness = float(np.exp(np.log(np.maximum(audible, 1e-20)).mean()) / max(float(audible.mean()), 1e-20))
    return "noise" if flatness > FLAT else "other", None


def _spectra(part: NDArray[np.float32], rate: int) -> tuple[Array, Array, Array]:
    """Frequencies [bins], power [windows, bins] and start in seconds [windows] of the windows that are loud enough."""
    starts = np.arange(0, max(len(part) - WINDOW, 0) + 1, WINDOW // 4)
    padded = np.pad(part, (0, max(0, WINDOW - len(part))))
    windows = np.stack([padded[start : start + WINDOW] for start in starts]) * np.hanning(WINDOW)
    power: Array = np.abs(np.fft.rfft(windows)) ** 2
    loud = power.sum(axis=1) >= 0.05 * power.sum(axis=1).max()
    return np.fft.rfftfreq(WINDOW, 1 / rate).astype(np.float64), power[loud], starts[loud] / rate


def _decays(part: NDArray[np.float32], rate: int) -> bool:
    """Whether the sound is loudest at its start and has faded in its last quarter."""
    step = round(STEP_S * rate)
    power = np.square(part[: len(part) // step * step], dtype=np.float64).reshape(-1, step).mean(axis=1)
    loudest = int(power.argmax())
    return loudest * STEP_S <= ATTACK_S and bool(power[-len(power) // 4 :].mean() < 0.1 * power[loudest])


def _sweeps(when: Array, pitch: Array) -> bool:
    """Whether the pitch, in octaves, moves steadily and far."""
    if len(pitch) < 3 or abs(float(pitch[-1] - pitch[0])) < SWEPT_OCTAVES:
        return False
    return abs(float(np.corrcoef(when, pitch)[0, 1])) > 0.9


def run(audio: Audio, audio_environment: pl.DataFrame) -> Answer:
    """One row per event, in order.

    Args:
        audio: The sound.
        audio_environment: Times of speech, singing and music.
    """
    if not audio.samples.any():
        return NotApplicable("the sound is silent")
    level = levels(audio.samples, audio.sample_rate)
    quiet = background(level)
    taken = audio_environment.filter(pl.col("kind").is_in(NO_EFFECTS)).select("start_s", "end_s").rows()
    step = round(STEP_S * audio.sample_rate)
    rows: list[dict[str, object]] = []
    for first, end in find_events(level):
        start_s = first * STEP_S
        if any(low <= start_s + STEP_S < high for low, high in taken):
            continue
        kind, frequency = describe(audio.samples[first * step : end * step], audio.sample_rate)
        loudest = float(level[first:end].max())
        rows.append({
            "start_s": start_s,
            "end_s": end * STEP_S,
            "kind": kind,
            "level_db": loudest,
            "above_db": loudest - float(quiet[first:end].min()),
            "frequency_hz": frequency,
        })  # fmt: skip
    return pl.DataFrame(rows, schema=ANALYZER.schema)


def preview(table: pl.DataFrame, audio: Audio, audio_environment: pl.DataFrame) -> NDArray[np.uint8] | None:
    """The waveform with its speech, and the effects, one lane per kind."""
    if table.is_empty():
        return None
    speech = audio_environment.filter(pl.col("kind") == "speech").select("start_s", "end_s")
    lanes = {"speech": [(start, end, "") for start, end in speech.iter_rows()]} if speech.height else {}
    lanes |= {
        kind: [(start, end, f"{level:.0f} dB") for start, end, level in part.iter_rows()]
        for kind in KINDS
        if (part := table.filter(pl.col("kind") == kind).select("start_s", "end_s", "level_db")).height
    }
    return timeline(lanes, len(audio.samples) / audio.sample_rate, audio.samples)


TABLE = {
    "start_s": Column(pl.Float64, "s", "Onset.", ge=0),
    "end_s": Column(pl.Float64, "s", "Time at which the sound has faded.", ge=0),
    "kind": Column(pl.String, "text", f"{', '.join(KINDS)}."),
    "level_db": Column(pl.Float64, "dBFS", "Loudest 10 ms, root mean square.", ge=FLOOR_DB, le=1),
    "above_db": Column(pl.Float64, "dB", "Level above the background.", ge=0),
    "frequency_hz": Column(pl.Float64, "Hz", "Frequency of tones and sweeps, at their middle.", ge=0, nullable=True),
}

ANALYZER = Analyzer(
    name="sound_effects",
    version="1",
    group="sound",
    inputs=("audio", "audio_environment"),
    run=run,
    table=TABLE,
    preview=preview,
)
