"""Sounds that stand out."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.sound_effects import KINDS, event, measure
from tests.kit.makers import make_video
from vid_assets.analyzers import audio_environment
from vid_assets.analyzers.sound_effects import ANALYZER, describe, find_events, levels, preview, run
from vid_assets.contract import Audio, NotApplicable
from vid_assets.pipeline.checks import check_table

RATE = 16000
NOTHING = audio_environment.ANALYZER.empty()


def track(*events, seconds=10.0, floor=0.001):
    samples = floor * np.random.default_rng(0).standard_normal(round(seconds * RATE))
    for start_s, part in events:
        at = round(start_s * RATE)
        samples[at : at + len(part)] += part[: len(samples) - at]
    return Audio(samples.astype(np.float32))


@pytest.mark.parametrize("seed", [11, 12])
def test_events_of_generated_tracks(seed):
    figures = measure(seed)
    assert all(figure.met for figure in figures), figures


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind):
    rng = np.random.default_rng(3)
    told = [describe((0.3 * event(kind, rng)).astype(np.float32), RATE)[0] for _ in range(20)]
    assert told.count(kind) >= 19, told


def test_a_tone_is_told_with_its_time_level_and_frequency():
    time = np.arange(RATE // 2) / RATE
    audio = track((2.0, 0.1 * np.sin(2 * np.pi * 1000 * time)))
    table = run(audio, NOTHING)
    (row,) = table.rows(named=True)
    assert (row["kind"], row["start_s"], row["end_s"]) == (
        "tone",
        pytest.approx(2.0, abs=0.011),
        pytest.approx(2.5, abs=0.02),
    )
    assert row["level_db"] == pytest.approx(-23.0, abs=0.2)
    assert row["above_db"] == pytest.approx(37, abs=1.5)
    assert row["frequency_hz"] == pytest.approx(1000, abs=16)
    assert all(check.passed for check in check_table(ANALYZER, table, make_video()))
    assert preview(table, audio, NOTHING).std() > 10


def test_speech_and_music_are_no_effects():
    burst = 0.1 * np.random.default_rng(1).standard_normal(RATE // 2)
    environment = pl.DataFrame(
        [
            {"start_s": 0.0, "end_s": 5.0, "kind": "speech", "confidence": 1.0, "level_db": -20.0, "tags": None},
            {"start_s": 5.0, "end_s": 10.0, "kind": "noise", "confidence": 1.0, "level_db": -20.0, "tags": None},
        ],
        schema=audio_environment.ANALYZER.schema,
    )
    assert run(track((2.0, burst), (7.0, burst)), environment)["start_s"].to_list() == [pytest.approx(7.0, abs=0.02)]


def test_steady_sound_and_silence_have_no_events():
    assert run(track(floor=0.05), NOTHING).is_empty()
    assert run(Audio(np.zeros(RATE, np.float32)), NOTHING) == NotApplicable("the sound is silent")
    tiny = run(Audio(np.full(50, 0.1, np.float32)), NOTHING)
    assert tiny.schema == ANALYZER.empty().schema
    assert tiny.is_empty()
    assert preview(tiny, track(), NOTHING) is None


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**31), st.integers(0, 600))
def test_events_are_ordered_apart_and_inside(seed, count):
    level = np.random.default_rng(seed).uniform(-70, 0, count)
    edges = [edge for span in find_events(level) for edge in span]
    assert edges == sorted(edges)
    assert all(0 <= edge <= count for edge in edges)


def test_levels_are_root_mean_squares():
    assert levels(np.full(320, 0.1, np.float32), RATE).tolist() == pytest.approx([-20, -20], abs=1e-4)
