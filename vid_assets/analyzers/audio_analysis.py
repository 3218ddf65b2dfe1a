"""Loudness, spectrum, pitch and tempo of the sound, one row per 0.4 s.

- Loudness: ITU-R BS.1770-4 with EBU R 128 gating, range after EBU Tech 3342, true peak by fourfold oversampling. The
  K-weighting is the standard's analogue prototype, transformed to 16 kHz (within 0.07 dB of the filter for 48 kHz). A
  sine of 997 Hz at 0 dBFS peak reads -3.0 LUFS.
- Spectrum: mean of five Hann windows of 128 ms: strongest frequency, centroid, 85 % roll-off, flatness.
- Pitch: YIN (de Cheveigne & Kawahara 2002), 60..1000 Hz, median of eight windows if at least three are voiced.
- Tempo: autocorrelation of the spectral flux with a preference for 120 beats per minute (Ellis 2007), refined on its
  multiples.

The analyzer uses one mono channel up to 8 kHz, so stereo programmes read up to 3 LU lower than on a two-channel meter.
Pitch is that of the strongest voice. The whole track has one tempo, which may be half or twice what a listener would
tap.
"""

# scipy has no type stubs.
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Analyzer, Audio, Column
from vid_assets.drawing import line_plot
from vid_assets.measures.pitch import FRAME, HIGHEST_HZ, pitch

RATE = 16000
ROW = 6400
BLOCK = 1600  # a quarter of the momentary window: the standard's overlap of 75 %
SHORT_TERM_BLOCKS = 30
SHORTEST_ROW = 800
SILENCE_DBFS = -80.0
SILENT_POWER = 1e-10
WINDOW, WINDOWS_A_ROW = 2048, 5
PITCH_FRAMES = 8
FEWEST_VOICED = 3
ONSET_HOP, ONSET_WINDOW, ONSET_RATE = 160, 512, 100.0
SLOWEST, FASTEST = 40.0, 240.0
LEAST_TEMPO_STRENGTH = 0.3
LEAST_ONSET = 0.01  # a steady tone has less than a tenth of this, steady noise twice as much
ROWS_AT_ONCE = 300

Array = NDArray[np.float64]


def _decibel(power: Array) -> Array:
    with np.errstate(divide="ignore"):
        return 10 * np.log10(power)


def _lufs(power: Array) -> Array:
    return _decibel(power) - 0.691


def k_weighting(rate: int) -> Array:
    """The two sections of the K-weighting filter at any sampling rate, shape [2, 6]: b0 b1 b2 1 a1 a2.

    Bilinear transform of the prototype behind the coefficients of BS.1770-4, annex 1 (De Man 2018).
    """
    k, gain, q = np.tan(np.pi * 1681.974450955533 / rate), 10 ** (3.999843853973347 / 20), 0.7071752369554196
    middle, scale = gain**0.4996667741545416, 1 + k / q + k * k
    shelf = [gain + middle * k / q + k * k, 2 * (k * k - gain), gain - middle * k / q + k * k]
    shelf += [scale, 2 * (k * k - 1), 1 - k / q + k * k]
    k, q = np.tan(np.pi * 38.13547087602444 / rate), 0.5003270373238773
    a1, a2 = 2 * (k * k - 1) / (1 + k / q + k * k), (1 - k / q + k * k) / (1 + k / q + k * k)
    # The standard's high-pass has a numerator of 1, -2, 1 at 48 kHz: a gain of 4 / 3.98012 far above its corner.
    level = (1 - a1 + a2) / 3.98012
    return np.array([np.array(shelf) / scale, [level, -2 * level, level, 1, a1, a2]])


def block_powers(samples: NDArray[np.float32]) -> Array:
    """Mean square of the K-weighted sound in whole blocks of 0.1 s; below -100 dB it is silence, that is 0."""
    from scipy.signal import sosfilt

    sections, count = k_weighting(RATE), len(samples) // BLOCK
    state, powers = np.zeros((2, 2)), np.empty(count)
    for first in range(0, count, 600):
        last = min(first + 600, count)
        weighted, state = sosfilt(sections, samples[first * BLOCK : last * BLOCK].astype(np.float64), zi=state)
        powers[first:last] = (np.asarray(weighted).reshape(-1, BLOCK) ** 2).mean(axis=1)
    # In digital silence the filter keeps ringing with decreasing level.
    return np.where(powers > SILENT_POWER, powers, 0)


def _moving(powers: Array, blocks: int) -> Array:
    """Mean of each run of `blocks` blocks, indexed by its first block; float64 [n - blocks + 1]."""
    if len(powers) < blocks:
        return np.empty(0)
    return np.lib.stride_tricks.sliding_window_view(powers, blocks).mean(axis=1)


def integrated_loudness(powers: Array) -> float | None:
    """Gated loudness of the whole track in LUFS; None if all of it is below the absolute gate of -70 LUFS."""
    momentary = _moving(powers, 4)
    heard = momentary[_lufs(momentary) > -70]
    if not len(heard):
        return None
    heard = heard[_lufs(heard) > _lufs(heard.mean()) - 10]
    return float(_lufs(heard.mean()))


def loudness_range(powers: Array) -> float | None:
    """Spread of the short-term loudness in LU, 10th to 95th percentile, gated; None if all of it is silent."""
    short = _moving(powers, SHORT_TERM_BLOCKS)
    heard = short[_lufs(short) > -70]
    if not len(heard):
        return None
    levels = _lufs(heard[_lufs(heard) > _lufs(heard.mean()) - 20])
    low, high = np.percentile(levels, [10, 95])
    return float(high - low)


def true_peak(samples: NDArray[np.float32]) -> float | None:
    """Highest magnitude at and between the samples in dBTP; None for digital silence."""
    from scipy.signal import resample_poly

    peak, step, edge = 0.0, 60 * RATE, 64
    for first in range(0, len(samples), step):
        part = samples[max(first - edge, 0) : first + step + edge].astype(np.float64)
        peak = max(peak, float(np.abs(part).max()), float(np.abs(resample_poly(part, 4, 1)).max()))
    return float(20 * np.log10(peak)) if peak > 0 else None


def spectra(rows: NDArray[np.float32]) -> dict[str, Array]:
    """Strongest frequency, centroid, roll-off (Hz) and flatness of each row of samples [n, 6400]."""
    starts = np.linspace(0, ROW - WINDOW, WINDOWS_A_ROW).astype(int)
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    power = np.zeros((len(rows), WINDOW // 2 + 1))
    for start in starts:
        power += np.abs(np.fft.rfft(rows[:, start : start + WINDOW] * window, axis=1)) ** 2
    frequencies: Array = np.fft.rfftfreq(WINDOW, 1 / RATE).astype(np.float64)
    power = np.maximum(power, 1e-20)
    magnitude = np.sqrt(power)
    top = power[:, 1:-1].argmax(axis=1) + 1
    at = np.arange(len(rows))
    below, centre, above = (np.log(power[at, top + shift]) for shift in (-1, 0, 1))
    curve = below - 2 * centre + above
    offset = np.where(curve < 0, 0.5 * (below - above) / np.where(curve < 0, curve, -1), 0)
    rising = np.cumsum(power, axis=1)
    roll = (rising >= 0.85 * rising[:, -1:]).argmax(axis=1)
    return {
        "peak_hz": (top + np.clip(offset, -0.5, 0.5)) * RATE / WINDOW,
        "centroid_hz": magnitude @ frequencies / magnitude.sum(axis=1),
        "rolloff_hz": frequencies[roll],
        "flatness": np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1),
    }


def _row_pitch(rows: NDArray[np.float32]) -> Array:
    starts = np.linspace(0, ROW - FRAME, PITCH_FRAMES).astype(int)
    found = np.stack([pitch(rows[:, start : start + FRAME]) for start in starts], axis=1)
    result = np.full(len(rows), np.nan)
    voiced = np.isfinite(found).sum(axis=1) >= FEWEST_VOICED
    if voiced.any():
        result[voiced] = np.nanmedian(found[voiced], axis=1)
    return result


def onsets(samples: NDArray[np.float32]) -> Array:
    """Spectral flux on a logarithmic scale (nepers per bin), 100 values per second, without its slow part.

    The overall level of the sound has no influence.
    """
    count = max(0, (len(samples) - ONSET_WINDOW) // ONSET_HOP + 1)
    loudest = float(np.abs(samples).max(initial=0))
    if count < 2 or loudest == 0:
        return np.zeros(count)
    windows = np.lib.stride_tricks.sliding_window_view(samples, ONSET_WINDOW)[::ONSET_HOP]
    window = np.hanning(ONSET_WINDOW).astype(np.float32)
    flux = np.zeros(count)
    before = np.zeros((1, ONSET_WINDOW // 2 + 1))
    for first in range(0, count, 6000):
        level = np.log1p(100 / loudest * np.abs(np.fft.rfft(windows[first : first + 6000] * window, axis=1)))
        rise = np.diff(level, axis=0, prepend=before if first else level[:1])
        flux[first : first + 6000] = np.maximum(rise, 0).mean(axis=1)
        before = level[-1:]
    # A beat between two values affects both.
    bell = np.exp(-0.5 * (np.arange(-8, 9) / 2) ** 2)
    smooth = np.convolve(np.pad(flux, 8, "edge"), bell / bell.sum(), "valid")
    reach = round(ONSET_RATE / 2)
    slow = np.convolve(np.pad(smooth, reach, "reflect" if count > reach else "edge"), np.ones(2 * reach + 1), "valid")
    return np.maximum(smooth - slow / (2 * reach + 1), 0)


def tempo(samples: NDArray[np.float32]) -> tuple[float, float] | None:
    """Beats per minute and their regularity, 0..1; None without a beat or for less than 4 s."""
    rise = onsets(samples)
    if len(rise) < 4 * ONSET_RATE or np.percentile(rise, 99) < LEAST_ONSET:
        return None
    rise = rise - rise.mean()
    length = 1 << (2 * len(rise) - 1).bit_length()
    spectrum = np.fft.rfft(rise, length)
    longest = len(rise) // 2
    repeat = np.fft.irfft(np.abs(spectrum) ** 2, length)[:longest] / (len(rise) - np.arange(longest))
    repeat /= repeat[0]
    lags = np.arange(int(60 * ONSET_RATE / FASTEST), min(int(60 * ONSET_RATE / SLOWEST), longest - 2) + 1)
    peaks = lags[(repeat[lags] >= repeat[lags - 1]) & (repeat[lags] > repeat[lags + 1])]
    if not len(peaks):
        return None
    liking = np.exp(-0.5 * np.log2(60 * ONSET_RATE / peaks / 120) ** 2)
    best = int(peaks[(repeat[peaks] * liking).argmax()])
    halves = peaks[np.abs(peaks - best / 2) <= 1]
    if len(halves) and repeat[halves].max() >= 0.8 * repeat[best]:
        best = int(halves[repeat[halves].argmax()])
    strength = float(repeat[best])
    if strength < LEAST_TEMPO_STRENGTH:
        return None
    lag, multiple = _sharpen(repeat, best), 2
    while multiple * lag < longest - 3 and multiple <= 16:
        near = round(multiple * lag)
        near += int(repeat[near - 2 : near + 3].argmax()) - 2
        lag, multiple = _sharpen(repeat, near) / multiple, multiple * 2
    return float(60 * ONSET_RATE / lag), min(strength, 1.0)


def _sharpen(values: Array, at: int) -> float:
    """Position of the peak of a parabola through the value at `at` and its neighbours."""
    left, middle, right = values[at - 1 : at + 2]
    curve = left - 2 * middle + right
    return at + float(np.clip(0.5 * (left - right) / curve, -0.5, 0.5)) if curve < 0 else float(at)


def _level(name: str, unit: str = "LUFS") -> Column:
    return Column(pl.Float64, unit, name, nullable=True)


TABLE = {
    "start_s": Column(pl.Float64, "s", "Start of the window of 0.4 s.", ge=0),
    "end_s": Column(pl.Float64, "s", "End of the window; the last may be shorter.", ge=0),
    "momentary_lufs": _level("Loudness of the window; null if it is silent or shorter."),
    "short_term_lufs": _level("Loudness of the last 3 s up to the window's end; null before 3 s and in silence."),
    "rms_dbfs": _level("RMS against full scale 1.0; a full-scale sine has -3.0; null for digital silence.", "dBFS"),
    "peak_hz": Column(pl.Float64, "Hz", "Strongest frequency; null in silence.", 0, 8000, nullable=True),
    "centroid_hz": Column(pl.Float64, "Hz", "Centroid of the magnitudes; null in silence.", 0, 8000, nullable=True),
    "rolloff_hz": Column(pl.Float64, "Hz", "85 % of the power is below it; null in silence.", 0, 8000, nullable=True),
    "flatness": Column(
        pl.Float64, "1", "Geometric over arithmetic mean of the power, 0 tone to 1 noise.", 0, 1, nullable=True
    ),
    "zero_crossing_rate": Column(pl.Float64, "1", "Share of samples that change sign.", 0, 1, nullable=True),
    "pitch_hz": Column(
        pl.Float64, "Hz", "Fundamental frequency; null if nothing is voiced.", 60, HIGHEST_HZ, nullable=True
    ),
    "integrated_lufs": _level("Gated loudness of the whole track; null if it is silent."),
    "loudness_range_lu": _level("Loudness range of the whole track; null under 3 s or if it is silent.", "LU"),
    "true_peak_dbtp": _level("True peak of the whole track; null for digital silence.", "dBTP"),
    "tempo_bpm": Column(pl.Float64, "1/min", "Tempo of the whole track; null without a beat.", 30, 260, nullable=True),
    "tempo_strength": Column(pl.Float64, "1", "Regularity of the beat; null without one.", 0, 1, nullable=True),
}  # fmt: skip


def _rows(samples: NDArray[np.float32]) -> pl.DataFrame:
    """Measures that need one window only; the last window is padded with silence."""
    count = -(-len(samples) // ROW)
    lengths = np.full(count, ROW)
    lengths[-1] = len(samples) - (count - 1) * ROW
    padded = np.zeros((count, ROW), np.float32)
    padded.reshape(-1)[: len(samples)] = samples
    rms = _decibel((padded.astype(np.float64) ** 2).sum(axis=1) / lengths)
    crossings = (np.signbit(padded[:, 1:]) != np.signbit(padded[:, :-1])).sum(axis=1)
    values = {**spectra(padded), "zero_crossing_rate": crossings / lengths, "pitch_hz": _row_pitch(padded)}
    heard = rms > SILENCE_DBFS
    return pl.DataFrame({"rms_dbfs": rms, **{name: np.where(heard, value, np.nan) for name, value in values.items()}})


def run(audio: Audio) -> pl.DataFrame:
    """One row per 0.4 s; values for the whole track repeat in each row."""
    samples = audio.samples
    rest = len(samples) % ROW
    if rest < SHORTEST_ROW and len(samples) > ROW:
        samples = samples[: len(samples) - rest]
    if not len(samples):
        return ANALYZER.empty()
    step = ROWS_AT_ONCE * ROW
    rows = pl.concat([_rows(samples[first : first + step]) for first in range(0, len(samples), step)])
    starts = np.arange(rows.height) * ROW / RATE
    powers = block_powers(samples)
    momentary, short = np.full(rows.height, np.nan), np.full(rows.height, np.nan)
    whole = len(powers) // 4
    momentary[:whole] = _lufs(powers[: whole * 4].reshape(-1, 4).mean(axis=1))
    ends = np.arange(1, whole + 1) * 4
    late = ends >= SHORT_TERM_BLOCKS
    if late.any():
        short[:whole][late] = _lufs(_moving(powers, SHORT_TERM_BLOCKS)[ends[late] - SHORT_TERM_BLOCKS])
    beat = tempo(samples)
    table = rows.with_columns(
        start_s=pl.Series(starts),
        end_s=pl.Series(np.minimum(starts + ROW / RATE, len(samples) / RATE)),
        momentary_lufs=pl.Series(momentary),
        short_term_lufs=pl.Series(short),
        integrated_lufs=pl.lit(integrated_loudness(powers), pl.Float64),
        loudness_range_lu=pl.lit(loudness_range(powers), pl.Float64),
        true_peak_dbtp=pl.lit(true_peak(samples), pl.Float64),
        tempo_bpm=pl.lit(beat[0] if beat else None, pl.Float64),
        tempo_strength=pl.lit(beat[1] if beat else None, pl.Float64),
    )
    numbers = pl.col(pl.Float64)
    return table.select(list(TABLE)).with_columns(pl.when(numbers.is_finite()).then(numbers))


def preview(table: pl.DataFrame, audio: Audio) -> NDArray[np.uint8] | None:
    """Loudness, strongest frequency and pitch over time."""
    if table.is_empty():
        return None
    names = ("momentary_lufs", "peak_hz", "pitch_hz")
    series = {name: table[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in names}
    return line_plot(table["start_s"].to_numpy(), series, len(audio.samples) / audio.sample_rate)


ANALYZER = Analyzer(
    name="audio_analysis",
    version="2",
    group="sound",
    inputs=("audio",),
    run=run,
    budget=0.02,
    table=TABLE,
    coverage=0.9,
    preview=preview,
)
