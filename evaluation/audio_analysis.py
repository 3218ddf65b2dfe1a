"""Loudness against BS.1770-4 at 48 kHz, and tones, voices and beats whose levels, pitches and tempi are known."""

import numpy as np

from evaluation.figure import Figure
from vid_assets.analyzers.audio_analysis import ROW, run
from vid_assets.contract import Audio
from vid_assets.synthetic.parts import Sound
from vid_assets.synthetic.sound import synthesise

RATE, FULL_RATE = 16000, 48000
PROGRAMMES, TONES, VOICES, BEATS = 20, 40, 20, 30
# BS.1770-4, tables 1 and 2: b0 b1 b2 1 a1 a2 of both filters at 48 kHz.
K_WEIGHTING = [
    [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585],
    [1, -2, 1, 1, -1.99004745483398, 0.99007225036621],
]


def standard_loudness(samples: np.ndarray) -> float:
    """Gated loudness in LUFS of mono sound at 48 kHz, straight from the standard's text."""
    from scipy.signal import sosfilt

    weighted = sosfilt(np.array(K_WEIGHTING), samples.astype(np.float64))
    block, step = round(0.4 * FULL_RATE), round(0.1 * FULL_RATE)
    starts = range(0, len(weighted) - block + 1, step)
    powers = np.array([np.mean(weighted[start : start + block] ** 2) for start in starts])
    loud = powers[-0.691 + 10 * np.log10(powers + 1e-20) > -70]
    gate = -0.691 + 10 * np.log10(loud.mean()) - 10
    return float(-0.691 + 10 * np.log10(loud[-0.691 + 10 * np.log10(loud) > gate].mean()))


def programme(rng: np.random.Generator) -> np.ndarray:
    """Six parts of 3 s, each of another kind and level, at 48 kHz, without what is above 8 kHz."""
    from scipy.signal import resample_poly

    parts = []
    for _ in range(6):
        kind = str(rng.choice(["tone", "noise", "music", "speech_like", "silence"], p=[0.2, 0.2, 0.25, 0.25, 0.1]))
        sound = Sound(
            kind, dbfs=float(rng.uniform(-40, -14)), frequency=float(rng.uniform(90, 240)), bpm=100.0, colour="pink",
            seed=int(rng.integers(2**31)),
        )  # fmt: skip
        parts.append(synthesise(sound, 3 * FULL_RATE, FULL_RATE))
    return resample_poly(resample_poly(np.concatenate(parts), 1, 3), 3, 1)


def loudness_errors(rng: np.random.Generator) -> list[float]:
    """In LU."""
    from scipy.signal import resample_poly

    errors = []
    for _ in range(PROGRAMMES):
        samples = programme(rng)
        heard = Audio(resample_poly(samples, 1, 3).astype(np.float32))
        errors.append(abs(run(heard)["integrated_lufs"][0] - standard_loudness(samples)))
    return errors


def tone_errors(rng: np.random.Generator) -> tuple[list[float], list[float], list[float]]:
    """Of the strongest frequency and of the pitch (shares), and of the true peak in dB."""
    frequencies, pitches, peaks = [], [], []
    for _ in range(TONES):
        hertz, level = float(np.exp(rng.uniform(np.log(70), np.log(7000)))), float(rng.uniform(-40, -1))
        time = np.arange(2 * RATE) / RATE
        ramp = np.clip(np.minimum(time, time[::-1]) / 0.02, 0, 1)  # a hard edge has a higher peak of its own
        samples = 10 ** (level / 20) * ramp * np.sin(2 * np.pi * hertz * time + rng.uniform(0, 6.28))
        table = run(Audio(samples.astype(np.float32)))
        frequencies.append(abs(table["peak_hz"][2] / hertz - 1))
        peaks.append(abs(table["true_peak_dbtp"][0] - level))
        if hertz <= 980:
            pitches.append(abs((table["pitch_hz"][2] or 0) / hertz - 1))
    return frequencies, pitches, peaks


def voiced(rng: np.random.Generator) -> list[bool]:
    """For each row of voices, whether the pitch is right within 5 %."""
    right = []
    for _ in range(VOICES):
        pitch = float(rng.uniform(85, 250))
        sound = Sound("speech_like", frequency=pitch, dbfs=-25.0, seed=int(rng.integers(2**31)))
        samples = synthesise(sound, 4 * RATE, RATE) + rng.normal(0, 0.001, 4 * RATE)
        time = np.arange(len(samples)) / RATE
        # As `speech_like` sweeps it.
        contour = pitch * (1 + 0.08 * np.sin(2 * np.pi * 0.7 * time) + 0.03 * np.sin(2 * np.pi * 5.1 * time))
        for row, said in enumerate(run(Audio(samples.astype(np.float32)))["pitch_hz"]):
            true = float(np.median(contour[row * ROW : (row + 1) * ROW]))
            right.append(said is not None and abs(said / true - 1) <= 0.05)
    return right


def tempo_hits(rng: np.random.Generator) -> list[bool]:
    """Whether the tempo of music or clicks in noise is right within 2 %; half and double are wrong."""
    hits = []
    for number in range(BEATS):
        bpm = float(rng.uniform(60, 180))
        sound = Sound(("music", "click")[number % 2], bpm=bpm, dbfs=-12.0, seed=int(rng.integers(2**31)))
        samples = synthesise(sound, 12 * RATE, RATE) + rng.normal(0, 0.005, 12 * RATE)
        said = run(Audio(samples.astype(np.float32)))["tempo_bpm"][0]
        hits.append(said is not None and abs(said / bpm - 1) <= 0.02)
    return hits


def measure(seed: int) -> list[Figure]:
    """Largest errors of what is exact, shares of what is estimated."""
    rng = np.random.default_rng([seed, 79])
    loudness, (frequencies, pitches, peaks) = loudness_errors(rng), tone_errors(rng)
    voices, tempi = voiced(rng), tempo_hits(rng)
    name = "audio_analysis"
    return [
        Figure(
            analyzer=name, what="largest error of the integrated loudness against BS.1770-4 at 48 kHz",
            value=max(loudness), unit="LU", cases=len(loudness), at_most=0.1,
        ),
        Figure(
            analyzer=name, what="largest error of the true peak of tones", value=max(peaks), unit="dB",
            cases=len(peaks), at_most=0.4,
        ),
        Figure(
            analyzer=name, what="largest error of the strongest frequency of tones, of it", value=max(frequencies),
            unit="1", cases=len(frequencies), at_most=0.01,
        ),
        Figure(
            analyzer=name, what="largest error of the pitch of tones up to 980 Hz, of it", value=max(pitches), unit="1",
            cases=len(pitches), at_most=0.01,
        ),
        Figure(
            analyzer=name, what="pitches of synthetic voices right within 5 %", value=float(np.mean(voices)), unit="1",
            cases=len(voices), at_least=0.85,
        ),
        Figure(
            analyzer=name, what="tempi of 60 to 180 bpm right within 2 %, half and double being wrong",
            value=float(np.mean(tempi)), unit="1", cases=len(tempi), at_least=0.85,
        ),
    ]  # fmt: skip
