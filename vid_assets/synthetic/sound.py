"""Synthesises the sounds of a clip, exact to the sample and in level."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vid_assets.synthetic.parts import Sound
from vid_assets.synthetic.timeline import Clip
from vid_assets.synthetic.truth import CLICK_S

Samples = NDArray[np.float32]
SYLLABLES_HZ = 4.0  # rate of syllables in running speech
VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))  # Peterson 1952
CHORDS = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))  # I vi IV V, in semitones
RAMP_S = 0.005  # tones start and end softly: a hard edge would be a click of its own


def amplitude(dbfs: float) -> float:
    """Linear amplitude of a level in dB against full scale."""
    return float(10 ** (dbfs / 20))


def tone(count: int, rate: int, frequency: float) -> Samples:
    """A sine of peak 1 from phase 0, with ramps of 5 ms."""
    return (np.sin(2 * np.pi * frequency * np.arange(count) / rate) * _ramps(count, rate)).astype(np.float32)


def click(rate: int) -> Samples:
    """A burst of 2 kHz of 5 ms whose first sample is its loudest, peak 1."""
    time = np.arange(round(CLICK_S * rate)) / rate
    return (np.cos(2 * np.pi * 2000 * time) * np.exp(-time / 0.001)).astype(np.float32)


def noise(count: int, rate: int, colour: str, seed: int) -> Samples:
    """White or pink noise of RMS 1; pink falls by 3 dB an octave above 20 Hz."""
    rng = np.random.default_rng([seed, 11])
    white = rng.standard_normal(count)
    if colour == "pink" and count > 1:
        spectrum = np.fft.rfft(white)
        spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(count, 1 / rate), 20.0))
        white = np.fft.irfft(spectrum, count)
    return _rms_1(white)


def speech_like(count: int, rate: int, pitch: float, seed: int) -> Samples:
    """A pulse train through vowel formants, swelling at 4 Hz as syllables do, RMS 1. It says nothing."""
    rng = np.random.default_rng([seed, 13])
    time = np.arange(count) / rate
    sweep = pitch * (1 + 0.08 * np.sin(2 * np.pi * 0.7 * time) + 0.03 * np.sin(2 * np.pi * 5.1 * time))
    phase = np.cumsum(sweep) / rate
    pulses = np.diff(np.floor(phase), prepend=0.0) + 0.01 * rng.standard_normal(count)
    result = np.zeros(count)
    syllable = round(rate / SYLLABLES_HZ)
    for start in range(0, count, syllable):
        voiced = pulses[start : start + syllable]
        for number, formant in enumerate(VOWELS[rng.integers(len(VOWELS))]):
            resonance = _resonance(rate, formant, 60 + 40 * number) / (1 + number)
            result[start : start + syllable] += _convolve(voiced, resonance)[: len(voiced)]
    envelope = 0.5 - 0.5 * np.cos(2 * np.pi * SYLLABLES_HZ * time)
    return _rms_1(result * envelope)


def music(count: int, rate: int, bpm: float, seed: int) -> Samples:
    """Chords of decaying notes with a drum on each beat, a new chord every four beats, peak 1."""
    rng = np.random.default_rng([seed, 17])
    root = 220.0 * 2 ** (rng.integers(0, 12) / 12)
    result = np.zeros(count)
    beat, number = 60 / bpm, 0
    while (start := round(number * beat * rate)) < count:
        time = np.arange(min(round(beat * rate), count - start)) / rate
        note = np.zeros(len(time))
        for semitone in CHORDS[number // 4 % len(CHORDS)]:
            pitch = root * 2 ** (semitone / 12)
            note += np.sin(2 * np.pi * pitch * time) + 0.3 * np.sin(4 * np.pi * pitch * time)
        note *= np.exp(-time * 5) * np.minimum(time / 0.005, 1)
        note += 2.5 * np.sin(2 * np.pi * 60 * time) * np.exp(-time * 25)
        note += 0.5 * rng.standard_normal(len(time)) * np.exp(-time * 80)
        result[start : start + len(time)] += note
        number += 1
    return (result / max(float(np.abs(result).max()), 1e-9)).astype(np.float32)


def _ramps(count: int, rate: int) -> NDArray[np.float64]:
    steps = np.arange(count)
    return np.clip(np.minimum(steps, count - 1 - steps) / (RAMP_S * rate), 0, 1)


def _rms_1(samples: NDArray[np.float64]) -> Samples:
    if not len(samples):
        return samples.astype(np.float32)
    return (samples / max(float(np.sqrt(np.mean(samples**2))), 1e-9)).astype(np.float32)


def _resonance(rate: int, formant: float, bandwidth: float) -> NDArray[np.float64]:
    """Impulse response of a two-pole resonator (Klatt 1980) until it has faded by 60 dB, peak about 1."""
    time = np.arange(round(rate * 6.9 / (np.pi * bandwidth))) / rate
    return np.exp(-np.pi * bandwidth * time) * np.sin(2 * np.pi * formant * time)


def _convolve(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    size = len(a) + len(b) - 1
    return np.fft.irfft(np.fft.rfft(a, size) * np.fft.rfft(b, size), size)


def synthesise(sound: Sound, count: int, rate: int) -> Samples:
    """One sound of `count` samples at its level, float32 [count]."""
    if sound.kind == "tone":
        plain = tone(count, rate, sound.frequency)
    elif sound.kind == "noise":
        plain = noise(count, rate, sound.colour, sound.seed)
    elif sound.kind == "speech_like":
        plain = speech_like(count, rate, sound.frequency, sound.seed)
    elif sound.kind == "music":
        plain = music(count, rate, sound.bpm, sound.seed)
    elif sound.kind == "click":
        plain = np.zeros(count, np.float32)
        one, start, number = click(rate), 0, 0
        while start < count:
            end = min(start + len(one), count)
            plain[start:end] = one[: end - start]
            number += 1
            start = round(number * 60 / sound.bpm * rate) if sound.bpm else count
    else:
        plain = np.zeros(count, np.float32)
    return plain * np.float32(amplitude(sound.dbfs))


def samples(clip: Clip) -> Samples:
    """The whole sound track of the clip, mono float32 [n] at its sample rate, as long as the picture.

    Sounds are shifted by the clip's A/V offset, then cut at the ends of the clip, then summed.
    """
    rate, total = clip.sample_rate, round(clip.frame_count / clip.fps * clip.sample_rate)
    track = np.zeros(total, np.float32)
    for sound in clip.sounds:
        start = round((sound.start_s + clip.av_offset_s) * rate)
        end = min(sound.end_s + clip.av_offset_s, clip.frame_count / float(clip.fps))
        if sound.kind == "click" and not sound.bpm:
            end = start / rate + CLICK_S
        count = round(end * rate) - start
        if count <= 0:
            continue
        heard = synthesise(sound, count, rate)[max(-start, 0) : max(total - start, 0)]
        at = max(start, 0)
        track[at : at + len(heard)] += heard
    return np.clip(track, -1, 1)


def read(path: Path, rate: int) -> Samples:
    """The first audio track of a file, mixed to mono at `rate`, float32 [n], -1..1."""
    import av

    parts = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
        for frame in [*container.decode(audio=0), None]:
            parts += [np.asarray(piece.to_ndarray(), np.float32)[0] for piece in resampler.resample(frame)]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)
