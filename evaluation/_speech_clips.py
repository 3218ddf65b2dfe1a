"""Clips of real speech as archives hold it: quiet, fast, noisy, cut, echoing, and over the edges of half a minute.

All of them are the recording of `_speech`, changed in ways that leave known which word is where. A clip of noise, tone
or music holds no word at all.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation._speech import MARGIN_S, RATE, Spoken, phrases, recording, room
from vid_assets.contract import Audio
from vid_assets.synthetic.parts import Sound
from vid_assets.synthetic.sound import amplitude, synthesise

EDGE_S = 30.0  # Whisper decodes so much at a time
WORD_MARGIN_S, RAMP_S = 0.04, 0.01
SLOW, FAST = 0.8, 1.25
NOISE_DB, MUSIC_DB = 8.0, 10.0  # how much louder the speech is
QUIET_DBFS = -67.0  # of the loudest sample
ECHO_S = 0.5  # time in which a room's echo falls by 60 dB
PHONE_HZ = (300.0, 3400.0)
LONE = ((0, 3), (0, 4), (1, 0), (2, 0), (3, 2), (4, 7))  # phrase and word, cut out to stand alone
BEYOND_DB = 18.0  # how far an overdriven recording passes full scale

Array = NDArray[np.float64]
Pieces = Sequence[tuple[float, Array, Sequence[Spoken]]]


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip: what was done to the speech, the sound, and the words in it."""

    kind: str
    audio: Audio
    spoken: tuple[Spoken, ...]


def whole() -> tuple[Array, tuple[Spoken, ...]]:
    """The recording and its words."""
    return recording().astype(np.float64), tuple(word for phrase in phrases() for word in phrase)


def cut(words: Sequence[Spoken], margin_s: float) -> tuple[Array, tuple[Spoken, ...]]:
    """These words of the recording with so much around them, faded at both ends, and where they are in it."""
    first_s = words[0].start_s - margin_s
    part = recording()[round(first_s * RATE) : round((words[-1].end_s + margin_s) * RATE)].astype(np.float64)
    steps = np.arange(len(part))
    part *= np.minimum(1, np.minimum(steps, steps[::-1]) / (RAMP_S * RATE))
    return part, tuple(Spoken(word.word, word.start_s - first_s, word.end_s - first_s) for word in words)


def laid(track: Array, pieces: Pieces) -> tuple[Array, tuple[Spoken, ...]]:
    """Pieces laid over a track, each where it begins in seconds; and all their words."""
    spoken: list[Spoken] = []
    for at_s, piece, words in pieces:
        start = round(at_s * RATE)
        track[start : start + len(piece)] += piece
        spoken += [Spoken(word.word, word.start_s + at_s, word.end_s + at_s) for word in words]
    return track, tuple(spoken)


def loudness(samples: Array) -> float:
    """RMS."""
    return float(np.sqrt(np.mean(samples**2)))


def _recorded(rng: np.random.Generator) -> Iterator[tuple[Array, Sequence[Spoken]]]:
    del rng
    yield whole()


def _phrases(rng: np.random.Generator) -> Iterator[tuple[Array, Sequence[Spoken]]]:
    """Each alone."""
    for words in phrases():
        lead_s, tail_s = rng.uniform(0.2, 1.5, 2)
        part, inside = cut(words, MARGIN_S)
        yield laid(0.1 * room(rng, round((lead_s + tail_s) * RATE) + len(part)), [(lead_s, part, inside)])


def _words(rng: np.random.Generator) -> Iterator[tuple[Array, Sequence[Spoken]]]:
    """Single words, cut out of their phrases."""
    for number, (phrase, word) in enumerate(LONE):
        part, inside = cut([phrases()[phrase][word]], WORD_MARGIN_S)
        lead_s = float(rng.uniform(0.3, 2.0))
        track = 0.1 * room(rng, round(3 * RATE) + len(part)) * (number % 2)
        yield laid(track, [(lead_s, part, inside)])


def _tempo(factor: float) -> Callable[[np.random.Generator], Iterator[tuple[Array, Sequence[Spoken]]]]:
    """Slower or faster, pitch and all."""

    def made(rng: np.random.Generator) -> Iterator[tuple[Array, Sequence[Spoken]]]:
        from scipy.signal import resample_poly

        del rng
        samples, words = whole()
        changed = resample_poly(samples, 100, round(100 * factor))
        yield changed, [Spoken(word.word, word.start_s / factor, word.end_s / factor) for word in words]

    return made


def _quiet(rng: np.random.Generator) -> Iterator[tuple[Array, Sequence[Spoken]]]:
    """Quiet from end to end; then a quiet speaker after a loud one. Both with the steps of 16 bits."""
    del rng
    samples, words = whole()
    faint = samples / np.abs(samples).max() * amplitude(QUIET_DBFS)
    for track, pieces in (
        (np.zeros(len(faint)), [(0.0, faint, words)]),
        (np.zeros(2 * len(faint)), [(0.0, samples, words), (len(samples) / RATE, 10 * faint, words)]),
    ):
        sound, said = laid(track, pieces)
        yield np.round(sound * 32768) / 32768, said


def _overdriven(rng: np.random.Generator) -> Iterator[tuple[Array, Sequence[Spoken]]]:
    del rng
    samples, words = whole()
    yield np.clip(samples / np.abs(samples).max() * amplitude(BEYOND_DB), -1, 1), words


def _noisy(rng: np.random.Generator) -> Iterator[tuple[Array, Sequence[Spoken]]]:
    samples, words = whole()
    for colour in ("white", "pink"):
        noise = synthesise(Sound("noise", colour=colour, seed=int(rng.integers(99))), len(samples), RATE)
        yield samples + noise * (loudness(samples) / loudness(noise) / amplitude(NOISE_DB)), words


def _music(rng: np.random.Generator) -> Iterator[tuple[Array, Sequence[Spoken]]]:
    samples, words = whole()
    music = synthesise(Sound("music", bpm=float(rng.uniform(80, 130)), seed=int(rng.integers(99))), len(samples), RATE)
    yield samples + music * (loudness(samples) / loudness(music) / amplitude(MUSIC_DB)), words


def _echo(rng: np.random.Generator) -> Iterator[tuple[Array, Sequence[Spoken]]]:
    samples, words = whole()
    time = np.arange(round(ECHO_S * RATE)) / RATE
    tail = rng.standard_normal(len(time)) * np.exp(-6.9 * time / ECHO_S)
    tail *= 0.7 / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    yield np.convolve(samples, tail)[: len(samples)], words


def _telephone(rng: np.random.Generator) -> Iterator[tuple[Array, Sequence[Spoken]]]:
    from scipy.signal import butter, sosfiltfilt

    del rng
    samples, words = whole()
    yield sosfiltfilt(butter(4, PHONE_HZ, "bandpass", fs=RATE, output="sos"), samples), words


def _pauses(rng: np.random.Generator) -> Iterator[tuple[Array, Sequence[Spoken]]]:
    """Phrases 3 to 20 s apart."""
    pieces, at_s = [], 1.0
    for words in phrases():
        part, inside = cut(words, MARGIN_S)
        pieces.append((at_s, part, inside))
        at_s += len(part) / RATE + float(rng.uniform(3, 20))
    yield laid(0.1 * room(rng, round(at_s * RATE)), pieces)


def _edges(rng: np.random.Generator) -> Iterator[tuple[Array, Sequence[Spoken]]]:
    """Speech without a pause of a second, in which a word lies on the edge of half a minute."""
    order = [0, 3, 4]
    for _ in range(2):
        pieces, at_s = [], float(rng.uniform(0.0, 0.8))
        while at_s < EDGE_S + 15:
            for place in rng.permutation(order):
                part, inside = cut(phrases()[place], 0.05)
                pieces.append((at_s, part, inside))
                at_s += len(part) / RATE + 0.1
        yield laid(0.03 * room(rng, round((at_s + 0.5) * RATE)), pieces)


def _tight(rng: np.random.Generator) -> Iterator[tuple[Array, Sequence[Spoken]]]:
    """From the first sample of a word to the last one of another, nothing around."""
    del rng
    for place in (0, 3, 4):
        yield cut(phrases()[place], 0.0)


KINDS: dict[str, Callable[[np.random.Generator], Iterator[tuple[Array, Sequence[Spoken]]]]] = {
    "as recorded": _recorded,
    "phrases alone": _phrases,
    "single words": _words,
    "slow": _tempo(SLOW),
    "fast": _tempo(FAST),
    "quiet": _quiet,
    "overdriven": _overdriven,
    "noise": _noisy,
    "music": _music,
    "echo": _echo,
    "telephone": _telephone,
    "long pauses": _pauses,
    "edges of half a minute": _edges,
    "cut tight": _tight,
}


def clips(seed: int) -> list[Clip]:
    """Clips of every kind; other seeds draw other pauses, noises and orders."""
    found = []
    for number, (kind, made) in enumerate(KINDS.items()):
        rng = np.random.default_rng([seed, 61, number])
        for samples, words in made(rng):
            found.append(Clip(kind, Audio(samples.astype(np.float32)), tuple(words)))
    return found


def wordless(seed: int) -> list[Clip]:
    """Noise, tones, clicks, music and voices that say nothing, at levels from faint to full scale."""
    rng = np.random.default_rng([seed, 67])
    found = []
    for kind, colour in (
        ("noise", "white"), ("noise", "pink"), ("tone", ""), ("music", ""), ("click", ""), ("speech_like", ""),
    ):  # fmt: skip
        for _ in range(4):
            sound = Sound(
                kind, colour=colour or "white", bpm=float(rng.uniform(60, 140)), seed=int(rng.integers(999)),
                frequency=float(rng.uniform(100, 300 if kind == "speech_like" else 2000)),
                dbfs=float(rng.uniform(-70, -6)),
            )  # fmt: skip
            samples = synthesise(sound, round(float(rng.uniform(3, 12)) * RATE), RATE)
            found.append(Clip(kind, Audio(samples), ()))
    return found
