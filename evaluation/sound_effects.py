"""Events of known kinds at known moments over faint noise."""

import numpy as np
import polars as pl

from evaluation.figure import Figure
from vid_assets.analyzers import audio_environment
from vid_assets.analyzers.sound_effects import run
from vid_assets.contract import Audio
from vid_assets.synthetic.sound import click, noise, tone

RATE = 16000
CLIPS, EVENTS = 10, 12
KINDS = ("click", "tone", "sweep", "impact", "noise")
NOTHING = audio_environment.ANALYZER.empty()


def event(kind: str, rng: np.random.Generator) -> np.ndarray:
    """One event of peak 1, of a random length and pitch."""
    count = round(float(rng.uniform(0.15, 0.9)) * RATE)
    time = np.arange(count) / RATE
    if kind == "click":
        return click(RATE)
    if kind == "tone":
        return tone(count, RATE, float(rng.uniform(200, 4000)))
    if kind == "sweep":
        octaves, start = float(rng.uniform(0.7, 2)) * (1 if rng.random() < 0.5 else -1), float(rng.uniform(500, 1500))
        cycles = start * count / RATE / (octaves * np.log(2)) * (2 ** (octaves * time * RATE / count) - 1)
        return np.sin(2 * np.pi * cycles) * np.minimum(1, np.minimum(time, time[::-1]) / 0.005)
    if kind == "impact":
        body = np.sin(2 * np.pi * float(rng.uniform(60, 200)) * time) + 0.4 * noise(
            count, RATE, "pink", int(rng.integers(99))
        )
        struck = body * np.exp(-time / float(rng.uniform(0.04, 0.1)))
        return struck / np.abs(struck).max()
    burst = noise(count, RATE, "white", int(rng.integers(2**31)))
    return burst / np.abs(burst).max()


def measure(seed: int) -> list[Figure]:
    """Recall and precision of onsets within 50 ms, and how many kinds are right."""
    found_right = wrong = kinds = 0
    for number in range(CLIPS):
        rng = np.random.default_rng([seed, number, 43])
        track = 0.001 * noise(30 * RATE, RATE, "pink", number)
        true = []
        for place in range(EVENTS):
            kind, start_s = KINDS[int(rng.integers(len(KINDS)))], 1.0 + place * 2.3 + float(rng.uniform(0, 0.8))
            part = event(kind, rng) * 10 ** (float(rng.uniform(-25, -6)) / 20)
            at = round(start_s * RATE)
            track[at : at + len(part)] += part[: len(track) - at]
            true.append((start_s, kind))
        table = run(Audio(track.astype(np.float32)), NOTHING)
        assert isinstance(table, pl.DataFrame)
        answers = table.select("start_s", "kind").rows()
        for start_s, kind in true:
            near = [said for at, said in answers if abs(at - start_s) <= 0.05]
            found_right += bool(near)
            kinds += kind in near
        wrong += sum(all(abs(at - start_s) > 0.05 for start_s, _ in true) for at, _ in answers)
    cases = CLIPS * EVENTS
    recall, precision = found_right / cases, found_right / max(found_right + wrong, 1)
    named = {"analyzer": "sound_effects", "unit": "1", "cases": cases}
    return [
        Figure(what="recall of onsets, 50 ms", value=recall, at_least=0.95, **named),
        Figure(what="precision of onsets, 50 ms", value=precision, at_least=0.95, **named),
        Figure(what="right kinds", value=kinds / cases, at_least=0.9, **named),
    ]
