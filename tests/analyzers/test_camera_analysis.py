import numpy as np
import polars as pl
import pytest

from tests.kit.scene_streams import answered, checked, first, of_clip, streams
from vid_assets.analyzers.camera_analysis import ANALYZER, preview, run
from vid_assets.synthetic.clips import (
    Clip,
    Freeze,
    Letterbox,
    Mover,
    Pan,
    Shape,
    Shot,
    Speed,
    Static,
    Tilt,
    Zoom,
    random_shapes,
)
from vid_assets.synthetic.textures import texture

SIZE = {"width": 320, "height": 180}
FOREGROUND = (
    Mover(Shape("circle", "red", 0.2, 0.5, 0.15), dx=0.2),
    Mover(Shape("square", "blue", 0.8, 0.7, 0.12), dy=-0.15),
)


def assert_rates(row, kind, rate):
    for name in ("pan", "tilt", "zoom"):
        expected = rate if name == kind else 0.0
        assert row[f"{name}_rate"] == pytest.approx(expected, abs=max(0.02, 0.1 * abs(expected))), (name, row)


@pytest.mark.parametrize("look", ["noise", "checker", "landscape", "city", "blobs"])
@pytest.mark.parametrize(
    ("kind", "camera"),
    [
        ("pan", Pan(0.08)), ("pan", Pan(-0.3)), ("pan", Pan(0.7)), ("tilt", Tilt(0.1)), ("tilt", Tilt(-0.3)),
        ("zoom", Zoom(0.12)), ("zoom", Zoom(-0.25)), ("static", Static()),
    ],
)  # fmt: skip
def test_rates_behind_moving_foreground(look, kind, camera):
    made, _ = of_clip(Clip((Shot(2.0, texture=look, camera=camera, shapes=FOREGROUND, seed=5),), **SIZE))
    (row,) = answered(ANALYZER, made).rows(named=True)
    assert row["kind"] == kind
    assert (row["start_s"], row["end_s"]) == (0.0, made.video.duration_s)
    assert_rates(row, kind, getattr(camera, "rate", 0.0))


def test_stretches_of_one_shot():
    camera = (Static(1.0), Pan(0.3, 1.2), Tilt(-0.25, 1.0), Zoom(0.3, 1.0))
    made, known = of_clip(Clip((Shot(4.2, texture="city", camera=camera, seed=2),), **SIZE))
    table = answered(ANALYZER, made)
    assert table["kind"].to_list() == ["static", "pan", "tilt", "zoom"]
    for row, move in zip(table.rows(named=True), known.camera, strict=True):
        assert row["start_s"] == pytest.approx(move.start_s, abs=0.13)
        assert row["end_s"] == pytest.approx(move.end_s, abs=0.13)
        assert_rates(row, move.kind, move.rate)


def test_freeze_and_double_speed_are_stretches_of_their_own():
    shot = Shot(4.0, texture="blobs", camera=Pan(0.2), seed=4)
    made, _ = of_clip(Clip((shot,), freezes=(Freeze(0.8, 1.6),), speeds=(Speed(2.0, 2.4, 3.2),), **SIZE))
    table = answered(ANALYZER, made)
    assert table["kind"].to_list() == ["pan", "static", "pan", "pan", "pan"]
    assert table["pan_rate"].to_list() == pytest.approx([0.2, 0.0, 0.2, 0.4, 0.2], abs=0.03)


@pytest.mark.parametrize(
    ("look", "rate", "seed"), [("noise", 0.128, 10), ("city", -0.121, 19), ("landscape", 0.154, 9)]
)
def test_a_short_slower_stretch_that_comes_back(look, rate, seed):
    shot = Shot(4.5, texture=look, camera=Pan(rate), palette=seed - 1, seed=seed)
    made, _ = of_clip(Clip((shot,), speeds=(Speed(0.5, 1.3, 2.3),), **SIZE))
    table = answered(ANALYZER, made)
    assert table["pan_rate"].to_list() == pytest.approx([rate, rate / 2, rate], abs=0.01)
    assert table["start_s"].to_list() == pytest.approx([0, 1.3, 2.3], abs=0.13)


def test_each_shot_has_its_own_rows():
    shots = (
        Shot(1.5, texture="city", camera=Pan(0.3)),
        Shot(1.5, texture="noise", palette=2, camera=Pan(-0.3)),
    )
    made, _ = of_clip(Clip(shots, **SIZE))
    table = answered(ANALYZER, made)
    assert table["shot"].to_list() == [0, 1]
    assert table["pan_rate"].to_list() == pytest.approx([0.3, -0.3], abs=0.03)
    assert table["end_s"][0] == pytest.approx(table["start_s"][1])


@pytest.mark.parametrize("pillars", [False, True])
def test_black_bars_do_not_hold_the_camera(pillars):
    shot = Shot(2.0, texture="checker", camera=Tilt(0.2), seed=1)
    made, _ = of_clip(Clip((shot,), letterbox=(Letterbox(0.13, pillars=pillars),), **SIZE))
    (row,) = answered(ANALYZER, made).rows(named=True)
    assert_rates(row, "tilt", 0.2)


def test_a_flash_does_not_part_a_pan():
    made, _ = of_clip(Clip((Shot(2.0, texture="noise", camera=Pan(0.2)),), flashes=(1.0,), **SIZE))
    (row,) = answered(ANALYZER, made).rows(named=True)
    assert_rates(row, "pan", 0.2)


def test_shake_grows_with_the_hand():
    world = texture("city", 800, 500, 270, 0, 3)
    rng = np.random.default_rng(0)
    shakes = []
    for sigma in (0, 4, 12):
        path = np.clip(np.round(rng.normal(0, sigma, (60, 2)) if sigma else np.zeros((60, 2))), -60, 60).astype(int)
        made = streams(world[100 + y : 370 + y, 100 + x : 580 + x] for x, y in path)
        table = answered(ANALYZER, made)
        shakes.append(float(np.average(table["shake"].fill_null(0), weights=table["end_s"] - table["start_s"])))
    assert shakes[0] < 0.01
    assert shakes[0] < shakes[1] < shakes[2]


def test_a_plain_wall_is_unclear_and_a_still_picture_static():
    plain = Shot(1.5, background="grey", shapes=(Mover(Shape("circle", "red", 0.3, 0.5, 0.15), dx=0.3),))
    made, _ = of_clip(Clip((plain,), **SIZE))
    (row,) = answered(ANALYZER, made).rows(named=True)
    assert row["kind"] == "unclear"
    assert row["pan_rate"] is row["tilt_rate"] is row["zoom_rate"] is row["shake"] is None
    still = streams([np.full((90, 160, 3), 90, np.uint8)] * 20)
    (row,) = answered(ANALYZER, still).rows(named=True)
    assert row["kind"] == "static"


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("fps", [5.0, 25.0, 60.0])
def test_hardly_any_frames(count, fps):
    pictures = [texture("noise", 96, 54, 54, 0, 1)] * 10
    made = streams(pictures, fps)
    cut = first(made.thumbs, count)
    table = checked(ANALYZER, run(made.video, cut, ANALYZER_CUTS), made.video)
    assert table.height == (count >= 3)
    assert table.schema == ANALYZER.empty().schema


ANALYZER_CUTS = pl.DataFrame(schema={"kind": pl.String, "start_s": pl.Float64, "end_s": pl.Float64})


def test_deterministic_and_drawn():
    made, _ = of_clip(Clip((Shot(2.0, texture="city", camera=Pan(0.2)),), **SIZE))
    table = answered(ANALYZER, made)
    assert table.equals(answered(ANALYZER, made))
    picture = preview(table, made.video, made.thumbs, made.cuts)
    assert picture.ndim == 3
    assert preview(ANALYZER.empty(), made.video, made.thumbs, made.cuts) is None


def test_a_regular_ground_is_not_dragged_along():
    square = Mover(Shape("square", "yellow", 0.778, 0.426, 0.193), dx=-0.173)
    made, _ = of_clip(Clip((Shot(2.5, texture="checker", palette=59, seed=628111591, shapes=(square,)),), **SIZE))
    (row,) = answered(ANALYZER, made).rows(named=True)
    assert_rates(row, "static", 0.0)


@pytest.mark.parametrize("seed", [2, 12])
def test_the_noise_of_a_plain_wall_is_nothing_to_hold_on_to(seed):
    shapes = random_shapes(np.random.default_rng(seed), 2, seconds=2.0)
    made, _ = of_clip(Clip((Shot(2.0, seed=seed, shapes=shapes),), **SIZE))
    assert set(answered(ANALYZER, made)["kind"]) <= {"static", "unclear"}


@pytest.mark.parametrize("period_s", [0.9, 1.4])
def test_swings_of_a_hand_are_no_pans(period_s):
    import cv2

    world = np.random.default_rng(4).integers(0, 256, (40, 70, 3)).astype(np.uint8)
    world = cv2.resize(world, (560, 320), interpolation=cv2.INTER_CUBIC)
    places = 120 + 16 * np.sin(2 * np.pi * np.arange(150) / 25 / period_s)
    pictures = [cv2.getRectSubPix(world, (384, 216), (float(192 + x - 30), 160.0)) for x in places]
    made = streams(pictures)
    table = run(made.video, made.thumbs, made.cuts)
    assert table.height == 1
    assert abs(table["pan_rate"].item()) < 0.05
    assert table["shake"].item() > 0.05
