import numpy as np
import pytest

from tests.kit.scene_streams import answered, checked, first, of_clip, streams
from vid_assets.analyzers.temporal_consistency import ANALYZER, preview, run
from vid_assets.synthetic.clips import Clip, Fade, Pan, Shot
from vid_assets.synthetic.textures import texture

SIZE = {"width": 192, "height": 108}


def view(world, x, y, width=480, height=270):
    x, y = round(100 + x), round(100 + y)
    return world[y : y + height, x : x + width]


@pytest.mark.parametrize("levels", [2, 6, 20])
def test_flicker_is_the_swing_of_luma(levels):
    world = texture("noise", 192, 108, 108, 0, 1).astype(int)
    made = streams(np.clip(world + levels * (frame % 2), 0, 255).astype(np.uint8) for frame in range(50))
    assert answered(ANALYZER, made)["flicker"].to_list() == pytest.approx([levels / 255] * 2, rel=0.05)


def test_fades_cuts_and_pans_do_not_flicker():
    shots = (
        Shot(2.0, texture="city", camera=Pan(0.2), enter=Fade(0.8)),
        Shot(2.0, texture="noise", palette=3, camera=Pan(0.3)),
    )
    assert answered(ANALYZER, of_clip(Clip(shots, **SIZE))[0])["flicker"].max() < 0.006


@pytest.mark.parametrize(("kept", "share"), [(1, 0.0), (2, 0.5), (4, 0.25)])
def test_repeated_frames(kept, share):
    # Every second, or every fourth, frame of a pan shows the one before again.
    world = texture("city", 900, 500, 270, 0, 3)
    source = [frame - (1 if kept > 1 and frame % kept == kept - 1 else 0) for frame in range(101)]
    made = streams(view(world, 3 * frame, 0) for frame in source)
    assert answered(ANALYZER, made)["repeated"].to_list()[:4] == pytest.approx([share] * 4, abs=0.05)


def test_stillness_says_nothing_about_repetition():
    made, _ = of_clip(Clip((Shot(2.0, texture="city"),), **SIZE))
    assert answered(ANALYZER, made)["repeated"].to_list() == [None, None]
    assert answered(ANALYZER, made)["jitter"].to_list() == [0.0, 0.0]


@pytest.mark.parametrize("sigma_px", [3.0, 6.0])
def test_jitter_in_screen_widths(sigma_px):
    world = texture("blobs", 900, 500, 270, 0, 3)
    rng = np.random.default_rng(1)
    path = np.clip(rng.normal(0, sigma_px, (100, 2)), -90, 90)
    made = streams(view(world, x, y) for x, y in np.round(path))
    # The second difference of independent displacements has six times their variance, on two axes.
    expected = sigma_px * np.sqrt(12) / 480
    assert np.sqrt((answered(ANALYZER, made)["jitter"].to_numpy() ** 2).mean()) == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_steady_pan_has_no_jitter(rate):
    made, _ = of_clip(Clip((Shot(2.0, texture="noise", camera=Pan(rate)),), width=480, height=270))
    assert answered(ANALYZER, made)["jitter"].max() < 0.003


def test_irregular_times():
    pictures = [np.full((54, 96, 3), 90, np.uint8)] * 60
    steady = answered(ANALYZER, streams(pictures, 30.0))
    assert steady["irregular"].to_list() == [0.0, 0.0]
    gaps = np.tile([0.02, 0.06], 30)[:59]
    table = answered(ANALYZER, streams(pictures, 25.0, np.concatenate([[0.0], np.cumsum(gaps)])))
    assert table["irregular"].to_list()[:2] == pytest.approx([0.5, 0.5], abs=0.02)
    rounded = np.round(np.arange(60) / 29.97, 3)
    assert answered(ANALYZER, streams(pictures, 29.97, rounded))["irregular"].to_list()[:1] == [0.0]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_frames(count):
    made = streams([np.full((54, 96, 3), 80, np.uint8)] * 3)
    table = checked(ANALYZER, run(made.video, first(made.thumbs, count), made.cuts), made.video)
    assert table.height == (count == 2)
    assert table.schema == ANALYZER.empty().schema
    assert table["flicker"].to_list() == [None] * table.height


def test_preview_and_determinism():
    made, _ = of_clip(Clip((Shot(2.0, texture="city", camera=Pan(0.2)),), **SIZE))
    table = answered(ANALYZER, made)
    assert table.equals(answered(ANALYZER, made))
    assert preview(table, made.video, made.thumbs, made.cuts).ndim == 3
    assert preview(ANALYZER.empty(), made.video, made.thumbs, made.cuts) is None
