"""Rows per second of videos of known length."""

import numpy as np
import pytest

from vid_assets.measures.seconds import second_at, seconds_of


@pytest.mark.parametrize(
    ("duration_s", "starts", "ends"),
    [
        (0.0, [0], [0.0]),
        (0.4, [0], [0.4]),
        (1.0, [0], [1.0]),
        (3.0, [0, 1, 2], [1, 2, 3]),
        (2.25, [0, 1, 2], [1, 2, 2.25]),
        (2.0 + 5e-7, [0, 1], [1, 2]),
    ],
)
def test_every_second_has_a_row_and_the_last_is_shorter(duration_s, starts, ends):
    start, end = seconds_of(duration_s)
    assert (start.tolist(), end.tolist()) == (starts, ends)


def test_instants_fall_into_their_second_and_late_ones_into_the_last():
    assert second_at(np.array([0.0, 0.999, 1.0, 2.5, 3.0, 9.0]), 3).tolist() == [0, 0, 1, 2, 2, 2]
