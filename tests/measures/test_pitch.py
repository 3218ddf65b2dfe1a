"""The pitch of tones whose frequency is known."""

import numpy as np
import pytest

from vid_assets.measures.pitch import FRAME, RATE, pitch


def tone(hertz: float, partials: int = 1, seed: int = 0) -> np.ndarray:
    """One frame of a tone with so many partials, [1, FRAME]."""
    at = np.arange(FRAME) / RATE
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    waves = [np.sin(2 * np.pi * hertz * n * at + n * phase) / n for n in range(1, partials + 1)]
    return (0.3 * np.sum(waves, axis=0)).astype(np.float32)[None]


@pytest.mark.parametrize("partials", [1, 5])
@pytest.mark.parametrize("hertz", [62.0, 110.0, 196.0, 440.0, 700.0])
def test_pitch_is_that_of_the_fundamental(hertz, partials):
    assert pitch(tone(hertz, partials)) == pytest.approx([hertz], rel=0.005)


def test_frames_are_measured_each_on_its_own():
    frames = np.concatenate([tone(100.0), np.zeros((1, FRAME), np.float32), tone(300.0)])
    assert pitch(frames) == pytest.approx([100.0, np.nan, 300.0], rel=0.005, nan_ok=True)


def test_noise_and_silence_have_none():
    noise = np.random.default_rng(2).normal(0, 0.1, (50, FRAME)).astype(np.float32)
    assert np.isnan(pitch(noise)).all()
    assert np.isnan(pitch(np.zeros((3, FRAME), np.float32))).all()


def test_samples_behind_the_frame_do_not_matter():
    longer = np.concatenate([tone(220.0), np.ones((1, 500), np.float32)], axis=1)
    assert pitch(longer).tolist() == pitch(tone(220.0)).tolist()
