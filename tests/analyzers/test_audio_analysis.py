import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from vid_assets.analyzers import audio_analysis
from vid_assets.analyzers.audio_analysis import ANALYZER, k_weighting, preview, run, tempo
from vid_assets.contract import Audio, Video
from vid_assets.pipeline.checks import check_table
from vid_assets.synthetic.clips import Sound
from vid_assets.synthetic.sound import synthesise

RATE = 16000


def heard(samples):
    return Audio(np.asarray(samples, np.float32))


def sine(frequency, seconds=4.0, dbfs=-20.0):
    return 10 ** (dbfs / 20) * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)


def made(kind, seconds=12.0, **settings):
    return synthesise(Sound(kind, 0, seconds, **settings), round(seconds * RATE), RATE)


def test_k_weighting_at_48_khz_is_the_standard():
    # BS.1770-4, tables 1 and 2
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585]
    high_pass = [1, -2, 1, 1, -1.99004745483398, 0.99007225036621]
    assert k_weighting(48000) == pytest.approx(np.array([shelf, high_pass]), abs=2e-6)


def test_k_weighting_at_16_khz_follows_it():
    from scipy.signal import freqz_sos

    hertz = np.geomspace(30, 7900, 50)
    levels = [20 * np.log10(np.abs(freqz_sos(k_weighting(rate), hertz, fs=rate)[1])) for rate in (48000, RATE)]
    assert np.abs(levels[0] - levels[1]).max() < 0.07


@pytest.mark.parametrize("lufs", [-50.0, -36.0, -23.0, -10.0])
def test_reference_tone_reads_its_loudness(lufs):
    # EBU Tech 3341: a 997 Hz sine of peak x dBFS in one channel reads x - 3.01 LUFS
    table = run(heard(sine(997, 8, lufs + 3.01)))
    row = table.row(-1, named=True)
    for name in ("momentary_lufs", "short_term_lufs", "integrated_lufs"):
        assert row[name] == pytest.approx(lufs, abs=0.1)
    assert row["loudness_range_lu"] == pytest.approx(0, abs=0.01)
    assert row["rms_dbfs"] == pytest.approx(lufs, abs=0.01)
    assert row["true_peak_dbtp"] == pytest.approx(lufs + 3.01, abs=0.1)
    assert table["short_term_lufs"].is_null().to_list()[:8] == [True] * 7 + [False]


def test_gating_ignores_silence_and_quiet_parts():
    # EBU Tech 3341, case 3 in small: the quiet ends do not count
    track = np.concatenate([sine(997, 4, -33), sine(997, 20, -20), sine(997, 4, -33)])
    assert run(heard(track))["integrated_lufs"][0] == pytest.approx(-23.0, abs=0.2)
    padded = np.concatenate([np.zeros(8 * RATE), sine(997, 8, -20), np.zeros(8 * RATE)])
    assert run(heard(padded))["integrated_lufs"][0] == pytest.approx(-23.0, abs=0.3)


@pytest.mark.parametrize(("low", "expected"), [(-30.0, 10.0), (-25.0, 5.0), (-40.0, 20.0)])
def test_loudness_range(low, expected):
    # EBU Tech 3342, cases 1 to 3: 20 s of each level
    track = np.concatenate([sine(997, 20, -20), sine(997, 20, low)])
    assert run(heard(track))["loudness_range_lu"][0] == pytest.approx(expected, abs=1)


def test_true_peak_lies_between_the_samples():
    # a sine of a quarter of the rate, sampled at 45 degrees, hides 3 dB
    between = np.sin(2 * np.pi * 0.25 * np.arange(RATE) + np.pi / 4)
    assert run(heard(0.5 * between))["true_peak_dbtp"][0] == pytest.approx(-6.02, abs=0.3)


@pytest.mark.parametrize("frequency", [70, 98.0, 151.3, 440, 997, 1500, 3000.7, 7000])
def test_tones_are_measured_within_one_percent(frequency):
    row = run(heard(sine(frequency))).row(4, named=True)
    assert row["peak_hz"] == pytest.approx(frequency, rel=0.01)
    assert row["centroid_hz"] == pytest.approx(frequency, rel=0.01)
    assert row["rolloff_hz"] == pytest.approx(frequency, abs=16)
    assert row["zero_crossing_rate"] == pytest.approx(2 * frequency / RATE, rel=0.02)
    assert row["flatness"] < 1e-6
    assert row["pitch_hz"] == (pytest.approx(frequency, rel=0.01) if frequency <= 1000 else None)
    assert row["tempo_bpm"] is None


@pytest.mark.parametrize("frequency", [5, 20, 59])
@pytest.mark.parametrize("level", [1e-6, 1e-3, 0.5])
def test_rumble_has_no_pitch(frequency, level):
    assert run(heard(level * sine(frequency)))["pitch_hz"].drop_nulls().is_between(59, 60.5).all()


@pytest.mark.parametrize("pitch", [90, 140, 220])
def test_pitch_of_a_voice(pitch):
    found = run(heard(made("speech_like", 6, frequency=float(pitch), dbfs=-25.0, seed=pitch)))["pitch_hz"].drop_nulls()
    assert len(found) >= 10
    assert found.median() == pytest.approx(pitch, rel=0.05)
    assert found.is_between(pitch * 0.85, pitch * 1.15).mean() > 0.9


@pytest.mark.parametrize("colour", ["white", "pink"])
def test_noise_has_neither_pitch_nor_tempo(colour):
    table = run(heard(made("noise", colour=colour, seed=1)))
    assert table["pitch_hz"].null_count() == table.height
    assert table["tempo_bpm"].null_count() == table.height
    if colour == "white":
        assert table["centroid_hz"].mean() == pytest.approx(4000, rel=0.02)
        assert table["rolloff_hz"].mean() == pytest.approx(6800, rel=0.02)
        assert table["flatness"].min() > 0.8


@pytest.mark.parametrize("kind", ["click", "music"])
@pytest.mark.parametrize("bpm", [60, 77, 92.5, 101, 120, 133, 148, 175])
def test_tempo_within_two_percent(kind, bpm):
    found = tempo(made(kind, bpm=float(bpm), dbfs=-12.0, seed=int(bpm)))
    assert found is not None
    assert found[0] == pytest.approx(bpm, rel=0.005)
    assert found[1] > 0.9


def test_tempo_in_noise():
    track = made("music", bpm=104.0, dbfs=-12.0, seed=3) + made("noise", dbfs=-32.0, seed=4)
    found = tempo(track)
    assert found is not None
    assert found[0] == pytest.approx(104, rel=0.02)


def test_silence_is_null_everywhere():
    table = run(heard(np.zeros(2 * RATE)))
    assert table.height == 5
    values = table.drop("start_s", "end_s")
    assert values.null_count().row(0) == (5,) * values.width


def test_silence_after_sound_is_silence():
    table = run(heard(np.concatenate([sine(440, 2), np.zeros(4 * RATE)])))
    assert table["momentary_lufs"].is_null().to_list()[6:] == [True] * (table.height - 6)
    assert table["momentary_lufs"].min() > -110
    assert table["short_term_lufs"][-1] is None


@pytest.mark.parametrize(
    ("samples", "ends"),
    [(1, [1 / 16000]), (6400, [0.4]), (6401, [0.4]), (7200, [0.4, 0.45]), (2 * 6400 + 799, [0.4, 0.8])],
)
def test_rows_tile_the_sound(samples, ends):
    table = run(heard(sine(440, samples / RATE)))
    assert table["end_s"].to_list() == pytest.approx(ends)
    assert table["start_s"].to_list() == pytest.approx([0.4 * row for row in range(len(ends))])
    whole = samples // 6400
    assert table["momentary_lufs"].is_null().to_list() == [False] * whole + [True] * (len(ends) - whole)


def test_long_sound_is_worked_on_in_parts_that_do_not_show(monkeypatch):
    audio = heard(made("speech_like", 10, seed=2))
    whole = run(audio)
    monkeypatch.setattr(audio_analysis, "ROWS_AT_ONCE", 7)
    assert_frame_equal(run(audio), whole, rel_tol=1e-9)


def test_empty_input_gives_a_typed_empty_table():
    table = run(heard([]))
    assert table.schema == pl.Schema(ANALYZER.schema)
    assert table.is_empty()
    assert preview(table, heard([])) is None


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60000), st.sampled_from([0.0, 1e-6, 1e-3, 0.3, 1.0]), st.booleans())
def test_any_sound_keeps_the_contract(seed, count, level, constant):
    rng = np.random.default_rng(seed)
    audio = heard(level * (np.ones(count) if constant else rng.uniform(-1, 1, count)))
    table = run(audio)
    video = Video("v", count / RATE, 0, 0, 0.0, 0, False, True)
    assert all(outcome.passed for outcome in check_table(ANALYZER, table, video))
    assert table.equals(run(audio))
    assert preview(table, audio) is not None
