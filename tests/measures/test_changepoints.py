"""The search for stretches of steady level, on curves whose changes are known."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vid_assets.measures.changepoints import STEP, STEP_SHARE, differ, median_of_three, stretches


def curve(*levels: tuple[int, float], noise: float = 0.0, columns: int = 3, column: int = 0) -> np.ndarray:
    """Stretches of (samples, level) in one column; the others stand still."""
    values = np.concatenate([np.full(samples, level) for samples, level in levels])
    made = (
        np.random.default_rng(3).normal(0, noise, (len(values), columns)) if noise else np.zeros((len(values), columns))
    )
    made[:, column] += values
    return made


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("column", [0, 1, 2])
@pytest.mark.parametrize(
    ("levels", "starts"),
    [
        (((40, 0.2),), [0]),
        (((20, 0.0), (30, 0.3)), [0, 20]),
        (((20, 0.3), (30, -0.3)), [0, 20]),
        (((15, 0.0), (12, 0.3), (9, 0.6), (30, 0.1)), [0, 15, 27, 36]),
        # One cut finds nothing in these: what is left and right of it has about the same mean.
        (((30, 0.0), (10, 0.3), (30, 0.0)), [0, 30, 40]),
        (((30, 0.2), (8, 0.0), (30, 0.2)), [0, 30, 38]),
        (((20, 0.0), (8, 0.4), (20, 0.0), (8, -0.4), (20, 0.0)), [0, 20, 28, 48, 56]),
    ],
)
def test_changes_are_found_to_the_sample(levels, starts, column, noise):
    assert stretches(curve(*levels, noise=noise, column=column), 4) == starts


def test_several_columns_change_at_different_times():
    made = curve((30, 0.0), (30, 0.4)) + curve((45, 0.0), (15, 0.4), column=2)
    assert stretches(made, 4) == [0, 30, 45]


def test_any_number_of_columns():
    for columns in (1, 2, 7):
        assert stretches(curve((12, 0.0), (12, 0.5), columns=columns), 4) == [0, 12]


@pytest.mark.parametrize("samples", range(1, 9))
def test_no_stretch_is_shorter_than_asked(samples):
    half = samples // 2
    made = curve((samples - half, 0.0), (half, 1.0))
    assert stretches(made, 4) == ([0, 4] if samples == 8 else [0])


def test_noise_alone_is_one_stretch():
    rng = np.random.default_rng(1)
    for scale in (0.01, 0.1, 1.0):
        assert all(stretches(rng.normal(0, scale, (200, 3)), 4) == [0] for _ in range(20))


def test_a_change_too_small_to_matter_is_none_however_sure():
    assert stretches(curve((200, 0.0), (200, 0.9 * STEP)), 4) == [0]
    assert stretches(curve((200, 0.0), (200, 1.1 * STEP)), 4) == [0, 200]
    assert stretches(curve((200, 1.0), (200, 1 / (1 - 0.9 * STEP_SHARE))), 4) == [0]
    assert stretches(curve((200, 1.0), (200, 1 / (1 - 1.1 * STEP_SHARE))), 4) == [0, 200]


def test_levels_differ_by_a_step_or_by_a_share_of_the_larger():
    still = np.zeros(3)
    assert not differ(still, np.array([0.0, STEP, 0.0]))
    assert differ(still, np.array([0.0, -1.01 * STEP, 0.0]))
    assert not differ(np.array([1.0, 0.0, 0.0]), np.array([1.0, 0.14, 0.0]))
    assert differ(np.array([1.0, 0.0, 0.0]), np.array([1.0, 0.16, 0.0]))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([0, 0, 9, 0, 0], [0, 0, 0, 0, 0]),
        ([0, 0, 1, 1, 1], [0, 0, 1, 1, 1]),
        ([5, 0, 0], [5, 0, 0]),
        ([1, 2], [1, 2]),
        ([7], [7]),
    ],
)
def test_the_median_takes_out_single_samples_and_keeps_steps(before, after):
    smooth = median_of_three(np.array(before, float)[:, None])
    assert smooth[:, 0].tolist() == after


@given(
    st.lists(st.tuples(st.integers(1, 30), st.floats(-2, 2)), min_size=1, max_size=6),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.01, 0.2]),
)
def test_starts_ascend_from_zero_and_leave_room(levels, shortest, noise):
    made = curve(*levels, noise=noise)
    edges = [*stretches(made, shortest), len(made)]
    assert edges[0] == 0
    assert all(b - a >= shortest for a, b in pairwise(edges)) or len(edges) == 2
