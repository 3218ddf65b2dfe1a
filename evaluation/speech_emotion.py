"""Arousal of synthetic phrases whose effort is known: higher, louder and brighter voices for more of it."""

import numpy as np
import polars as pl

from evaluation.figure import Figure
from vid_assets.analyzers import speech_rate
from vid_assets.analyzers.speech_emotion import run
from vid_assets.contract import Audio
from vid_assets.synthetic.sound import speech_like

RATE = 16000
CLIPS, PHRASES, PHRASE_S = 10, 8, 1.5


def phrase(effort: float, seed: int) -> np.ndarray:
    """A speech-like phrase; `effort` 0..1 raises pitch by an octave, level by 12 dB and what is above 500 Hz."""
    part = speech_like(round(PHRASE_S * RATE), RATE, 100 * 2**effort, seed).astype(np.float64)
    spectrum, frequencies = np.fft.rfft(part), np.fft.rfftfreq(len(part), 1 / RATE)
    spectrum[frequencies > 500] *= 10 ** (9 * effort / 20)
    return 0.03 * 10 ** (12 * effort / 20) * np.fft.irfft(spectrum, len(part))


def measure(seed: int) -> list[Figure]:
    """Rank correlation of arousal with effort."""
    from scipy.stats import spearmanr

    found = []
    for number in range(CLIPS):
        rng = np.random.default_rng([seed, number, 47])
        efforts = rng.uniform(0, 1, PHRASES)
        samples = np.concatenate([phrase(float(effort), int(rng.integers(2**31))) for effort in efforts])
        rows = [{"kind": "phrase", "start_s": at * PHRASE_S, "end_s": (at + 1) * PHRASE_S} for at in range(PHRASES)]
        table = run(Audio(samples.astype(np.float32)), pl.DataFrame(rows, schema=speech_rate.ANALYZER.schema), None)
        assert isinstance(table, pl.DataFrame)
        found.append(float(spearmanr(table["arousal"], efforts).statistic))
    what = "rank correlation of arousal with the effort of synthetic voices"
    return [
        Figure(
            analyzer="speech_emotion", what=what, value=float(np.mean(found)), unit="1", cases=CLIPS * PHRASES,
            at_least=0.8,
        )
    ]  # fmt: skip
