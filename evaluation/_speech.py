"""Real speech in which it is known where each word is: the phrases of a recording, cut out and put together anew.

The recording is the demo's. Its phrases are parted at pauses; where they begin and end is told by the level alone, 10
dB above that of its pauses, but for one whose last sound is fainter. Where the words within a phrase meet was read off
the spectrogram (bursts, closures, friction, formants), to about 0.03 s. No speech model had a part in either.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from vid_assets.contract import Audio
from vid_assets.demo import SPEECH
from vid_assets.synthetic.sound import read

RATE = 16000
# Each phrase: a stretch of the recording around it, in seconds, its words, and where they meet. The word
# whose last hiss is fainter than the room ends where the spectrogram above 3 kHz says.
PHRASES = (
    ((0.10, 2.60), ("and", "so", "my", "fellow", "americans"), (0.55, 0.99, 1.26, 1.69)),
    ((2.80, 3.85), ("ask",), ()),
    ((3.85, 4.90), ("not",), ()),
    ((4.90, 7.90), ("what", "your", "country", "can", "do", "for", "you"), (5.62, 5.87, 6.44, 6.69, 6.95, 7.17)),
    (
        (7.90, 10.52), ("ask", "what", "you", "can", "do", "for", "your", "country"),
        (8.60, 8.80, 9.18, 9.42, 9.66, 9.86, 10.00),
    ),
)  # fmt: skip
SYLLABLES = {
    "and": 1, "so": 1, "my": 1, "fellow": 2, "americans": 4, "ask": 1, "not": 1, "what": 1, "your": 1, "country": 2,
    "can": 1, "do": 1, "for": 1, "you": 1,
}  # fmt: skip
HISS_END_S = {"americans": 2.3}
ROOM = (2.4, 3.2)  # a pause, for the sound of the room
LOUDER_DB = 10.0
MARGIN_S, RAMP_S = 0.12, 0.03
SPEEDS = (0.9, 1.0, 1.0, 1.1)
QUIET = (1.0, 0.3, 0.03)  # how loud the room is behind the phrases

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word and where it is, in seconds."""

    word: str
    start_s: float
    end_s: float


@cache
def recording() -> NDArray[np.float32]:
    """The whole of it at 16 kHz, float32 [n]."""
    return read(SPEECH, RATE)


def level(samples: NDArray[np.float32]) -> Array:
    """Level every 5 ms, of windows of 20 ms, in dB; the median of 45 ms, so that clicks do not count."""
    from scipy.ndimage import median_filter

    power = np.convolve(samples.astype(np.float64) ** 2, np.ones(RATE // 50) / (RATE // 50), "same")[:: RATE // 200]
    return median_filter(10 * np.log10(power + 1e-12), 9)


@cache
def phrases() -> tuple[tuple[Spoken, ...], ...]:
    """The words of each phrase, where the recording has them."""
    heard = level(recording())
    pause = float(np.median(heard[round(ROOM[0] * 200) : round(ROOM[1] * 200)]))
    found = []
    for (start_s, end_s), words, meet in PHRASES:
        loud = np.flatnonzero(heard[round(start_s * 200) : round(end_s * 200)] > pause + LOUDER_DB) / 200 + start_s
        edges = [float(loud[0]), *meet, HISS_END_S.get(words[-1], float(loud[-1]) + 0.005)]
        found.append(tuple(map(Spoken, words, edges[:-1], edges[1:])))
    return tuple(found)


def room(rng: np.random.Generator, count: int) -> Array:
    """Noise like that of the recording's pauses, float64 [count]."""
    pause = recording()[round(ROOM[0] * RATE) : round(ROOM[1] * RATE)].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(pause * np.hanning(len(pause))))
    wide = np.interp(np.fft.rfftfreq(count, 1 / RATE), np.fft.rfftfreq(len(pause), 1 / RATE), spectrum)
    noise = np.fft.irfft(wide * np.exp(2j * np.pi * rng.random(len(wide))), count)
    return noise * pause.std() / noise.std()


def rearranged(rng: np.random.Generator) -> tuple[Audio, list[list[Spoken]]]:
    """The phrases in another order, slower or faster, pauses of 0.5 to 2 s between them, in a quieter room.

    Returns:
        The sound, and the words of each phrase in the order spoken.
    """
    from scipy.signal import resample_poly

    speed, quiet = float(rng.choice(SPEEDS)), float(rng.choice(QUIET))
    track = quiet * room(rng, 40 * RATE)
    spoken: list[list[Spoken]] = []
    at_s = float(rng.uniform(0.3, 1.0))
    for place in rng.permutation(len(PHRASES)):
        words = phrases()[place]
        first_s, last_s = words[0].start_s - MARGIN_S, words[-1].end_s + MARGIN_S
        part = recording()[round(first_s * RATE) : round(last_s * RATE)].astype(np.float64)
        part = part if speed == 1 else resample_poly(part, 100, round(100 * speed))
        steps = np.arange(len(part))
        share = np.minimum(1, np.minimum(steps, steps[::-1]) / (RAMP_S * RATE))
        start = round(at_s * RATE)
        under = track[start : start + len(part)]
        under[:] = under * (1 - share) + part * share
        spoken.append([
            Spoken(word.word, at_s + (word.start_s - first_s) / speed, at_s + (word.end_s - first_s) / speed)
            for word in words
        ])  # fmt: skip
        at_s += len(part) / RATE + float(rng.uniform(0.3, 1.8))
    return Audio(track[: round(at_s * RATE)].astype(np.float32)), spoken


def original() -> tuple[Audio, list[list[Spoken]]]:
    """The recording as it is."""
    return Audio(recording()), [list(words) for words in phrases()]
