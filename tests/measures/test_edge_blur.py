"""The blur of edges, on steps that are blurred by a known amount."""

from itertools import pairwise
from math import erf

import numpy as np
import pytest

from vid_assets.measures.edge_blur import edge_blur


def bars(sigma: float, height: int = 120, width: int = 320, period: int = 40, contrast: float = 160.0) -> np.ndarray:
    """Upright edges every `period` px, each a step seen through a Gaussian of `sigma` px."""
    edges = np.arange(period / 2, width, period)
    step = np.vectorize(lambda x: 0.5 * (1 + erf(x / (sigma * 2**0.5))))
    signs = np.where(np.arange(len(edges)) % 2, -1.0, 1.0)
    line = sum(sign * step(np.arange(width) - edge) for sign, edge in zip(signs, edges, strict=True))
    return np.tile(40 + contrast * line, (height, 1)).astype(np.float32)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5, 2.0, 3.0, 4.0])
def test_the_blur_of_a_step_is_measured_within_three_percent(sigma):
    # The difference over two px is a blur of its own, of variance 2^2 / 12, and variances add up.
    assert edge_blur(bars(sigma)) == pytest.approx((sigma**2 + 1 / 3) ** 0.5, rel=0.03)


@pytest.mark.parametrize("contrast", [60.0, 120.0, 200.0])
def test_contrast_does_not_matter(contrast):
    assert edge_blur(bars(2.0, contrast=contrast)) == pytest.approx(2.0, rel=0.05)


def test_a_wider_blur_is_never_measured_as_a_narrower_one():
    found = [edge_blur(bars(sigma)) for sigma in (0.6, 0.9, 1.3, 1.9, 2.8, 3.9)]
    assert all(one < two for one, two in pairwise(found))


def test_without_edges_there_is_no_answer():
    ramp = np.tile(np.arange(320, dtype=np.float32) / 2, (120, 1))
    assert edge_blur(np.full((120, 320), 90, np.float32)) is None
    assert edge_blur(ramp) is None
    assert edge_blur(bars(2.0), noise=200.0) is None


def test_edges_of_few_pixels_are_too_little():
    picture = np.full((120, 320), 50, np.float32)
    picture[12:16, 12:16] = 200
    assert edge_blur(picture) is None
    picture[:, 160:] = 200
    assert edge_blur(picture) is not None


def test_a_sharp_caption_does_not_speak_for_a_soft_picture():
    picture = bars(3.0, height=360, width=640)
    picture[316:352, 500:632] = bars(0.7, height=36, width=132, period=6, contrast=190.0)
    assert edge_blur(picture) == pytest.approx(3.0, rel=0.1)
