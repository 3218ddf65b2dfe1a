"""Stretches of real speech, generated music, noise and silence, one after the other at known times; and of footage."""

import numpy as np
import polars as pl

from evaluation._models import model
from evaluation._speech import recording
from evaluation._stretches import of_sounds
from evaluation.figure import Calibration, Figure
from resources.tasks.sounds import SOUNDS
from vid_assets.analyzers.audio_environment import STEP_S, run
from vid_assets.contract import Audio
from vid_assets.synthetic.parts import Sound
from vid_assets.synthetic.sound import synthesise

RATE = 16000
CLIPS, PARTS = 20, 6
KINDS = ("speech", "music", "noise", "silence")
SPOKEN = ((0.3, 2.1), (5.4, 7.5), (8.2, 10.4))  # of the recording, without its pauses


def part(kind: str, rng: np.random.Generator) -> np.ndarray:
    """2 to 4 s of one kind (of speech as long as its phrases), float64 [n]."""
    if kind == "speech":
        start_s, end_s = SPOKEN[int(rng.integers(len(SPOKEN)))]
        spoken = recording()[round(start_s * RATE) : round(end_s * RATE)].astype(np.float64)
        return spoken * 10 ** (float(rng.uniform(-12, 0)) / 20)
    count, seed = round(float(rng.uniform(2, 4)) * RATE), int(rng.integers(2**31))
    sound = Sound(
        kind, dbfs=float(rng.uniform(-30, -12)), bpm=float(rng.uniform(80, 150)), seed=seed,
        colour=str(rng.choice(["white", "pink"])),
    )  # fmt: skip
    return synthesise(sound, count, RATE).astype(np.float64)


def measure(seed: int) -> list[Figure | Calibration]:
    """Share of the time of each kind that is told as such, the error of the level, and footage."""
    rng = np.random.default_rng([seed, 83])
    right, steps, levels = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0), []
    for _ in range(CLIPS):
        kinds = [str(kind) for kind in rng.choice(KINDS, PARTS)]
        parts = [part(kind, rng) for kind in kinds]
        samples = np.concatenate(parts)
        table = run(Audio(samples.astype(np.float32)), model(SOUNDS))
        assert isinstance(table, pl.DataFrame)
        ends = np.cumsum([len(one) for one in parts]) / RATE
        for moment in np.arange(STEP_S / 2, len(samples) / RATE, STEP_S):
            true = kinds[int(np.searchsorted(ends, moment, side="right"))]
            said = table["kind"][int(np.searchsorted(table["start_s"].to_numpy(), moment, side="right")) - 1]
            right[true] += said == true
            steps[true] += 1
        for start_s, end_s, said in table.select("start_s", "end_s", "level_db").rows():
            heard = samples[round(start_s * RATE) : round(end_s * RATE)]
            levels.append(abs(said - 10 * np.log10(max(float(np.mean(heard**2)), 1e-12))))
    name = "audio_environment"
    bounds = {"speech": 0.85, "music": 0.85, "noise": 0.75, "silence": 0.95}
    shares = [
        Figure(
            analyzer=name, what=f"time of {kind} told as such", value=right[kind] / steps[kind], unit="1",
            cases=steps[kind], at_least=bounds[kind],
        )
        for kind in KINDS
    ]  # fmt: skip
    level = Figure(
        analyzer=name, what="largest error of the level of a stretch", value=max(levels), unit="dB", cases=len(levels),
        at_most=0.1,
    )  # fmt: skip
    return [*shares, level, *of_sounds()]
