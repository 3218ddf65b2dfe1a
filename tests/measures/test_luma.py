"""Luma of pixels whose value is known."""

import numpy as np
import pytest

from vid_assets.measures.luma import grey, luma_of


@pytest.mark.parametrize(
    ("pixel", "expected"),
    [
        ((255, 0, 0), 54.213), ((0, 255, 0), 182.376), ((0, 0, 255), 18.411), ((255, 255, 255), 255.0),
        ((0, 0, 0), 0.0), ((100, 100, 100), 100.0), ((10, 20, 30), 18.596),
    ],
)  # fmt: skip
def test_luma_is_the_weighted_sum_of_bt_709(pixel, expected):
    for dtype in (np.uint8, np.float32):
        assert luma_of(np.array(pixel, dtype)) == pytest.approx(expected, abs=1e-3)
    assert grey(np.array([[pixel]], np.uint8)).tolist() == [[round(expected)]]


def test_shapes_and_types():
    pictures = np.zeros((4, 27, 48, 3), np.uint8)
    assert (luma_of(pictures).shape, luma_of(pictures).dtype) == ((4, 27, 48), np.float32)
    assert (grey(pictures).shape, grey(pictures).dtype) == ((4, 27, 48), np.uint8)
