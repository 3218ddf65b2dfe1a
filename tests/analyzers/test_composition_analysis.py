import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.scene_streams import still
from vid_assets.analyzers.composition_analysis import ANALYZER, preview, run, thirds_distance
from vid_assets.contract import Frames, Video
from vid_assets.pipeline.checks import check_table
from vid_assets.synthetic.shapes import BACKGROUNDS, COLOURS, Shape, background, draw

VIDEO = Video("v", 100.0, 640, 360, 25.0, 100, True, False)


def one(picture):
    return run(still(picture)).row(0, named=True)


def scene(x, y, radius=0.15, colour="white", ground="black", seed=0, kind="circle"):
    picture = background(ground, 640, 360, np.random.default_rng(seed))
    draw(picture, Shape(kind, colour, x, y, radius))
    return picture


@pytest.mark.parametrize("seed", range(12))
def test_salient_point_is_where_the_shape_is(seed):
    rng = np.random.default_rng(seed)
    x, y, radius = rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.7), rng.uniform(0.1, 0.2)
    colour, ground = list(COLOURS)[seed % len(COLOURS)], list(BACKGROUNDS)[seed % 3]
    row = one(scene(x, y, radius, colour, ground, seed, "square" if seed % 2 else "circle"))
    assert row["salient_x"] == pytest.approx(x, abs=0.02)
    assert row["salient_y"] == pytest.approx(y, abs=0.03)
    # RMS radius of a disc is r / sqrt(2), of a square of half side r it is r * sqrt(2 / 3)
    spread = radius * 360 / np.hypot(640, 360) * (np.sqrt(2 / 3) if seed % 2 else np.sqrt(0.5))
    assert row["salient_spread"] == pytest.approx(spread, rel=0.2)


@pytest.mark.parametrize(("colour", "ground"), [("white", "grey"), ("yellow", "brown"), ("red", "brown")])
def test_specks_do_not_spread_a_small_subject(colour, ground):
    spread = 0.08 * 360 / np.hypot(640, 360) * np.sqrt(0.5)
    assert one(scene(0.6, 0.4, 0.08, colour, ground))["salient_spread"] == pytest.approx(spread, rel=0.2)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [(1 / 3, 1 / 3, 0), (2 / 3, 1 / 3, 0), (2 / 3, 2 / 3, 0), (0.5, 0.5, 1 / 6), (0, 0, 1 / 3), (1, 1, 1 / 3)],
)
@pytest.mark.parametrize("aspect", [16 / 9, 1, 0.5])
def test_distance_from_the_thirds(x, y, aspect, expected):
    assert thirds_distance(x, y, aspect) == pytest.approx(expected)


def test_subject_on_a_third():
    assert one(scene(1 / 3, 2 / 3))["thirds_distance"] < 0.01
    assert one(scene(0.5, 0.5))["thirds_distance"] == pytest.approx(1 / 6, abs=0.01)


def test_symmetry():
    middle, side = one(scene(0.5, 0.5)), one(scene(0.25, 0.5))
    assert middle["symmetry"] > 0.98
    assert side["symmetry"] < 0
    ramp = np.broadcast_to(np.linspace(0, 255, 640)[None, :, None], (360, 640, 3))
    assert one(ramp)["symmetry"] == pytest.approx(-1, abs=0.01)


@pytest.mark.parametrize("tilt", [-15.0, -7.0, -2.0, 0.0, 1.0, 4.0, 11.0])
def test_horizon_tilt(tilt):
    import cv2

    rise = np.tan(np.radians(tilt)) * 320
    picture = np.full((360, 640, 3), (130, 170, 230), np.uint8)
    ground = np.array([[0, 190 + rise], [640, 190 - rise], [640, 360], [0, 360]], np.int32)
    cv2.fillPoly(picture, [ground], (60, 90, 40))
    noise = np.random.default_rng(1).normal(0, 4, picture.shape)
    assert one(np.clip(picture + noise, 0, 255))["horizon_tilt_deg"] == pytest.approx(tilt, abs=0.6)


def test_letterbox_bars_are_no_horizon():
    picture = np.random.default_rng(0).normal(120, 5, (360, 640, 3)).clip(0, 255)
    picture[:45] = picture[315:] = 0
    assert one(picture)["horizon_tilt_deg"] is None


def test_clutter_and_space():
    checker = np.kron(np.indices((18, 32)).sum(axis=0) % 2, np.ones((20, 20)))[..., None] * np.array([255, 255, 255])
    busy, calm, plain = one(checker), one(scene(0.5, 0.5)), one(background("grey", 640, 360, np.random.default_rng(0)))
    assert busy["negative_space"] == 0
    assert busy["edge_density"] > 0.05 > calm["edge_density"] > 0
    assert 0.6 < calm["negative_space"] < 0.95
    assert (plain["edge_density"], plain["negative_space"]) == (0, 1)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_plain_pictures_have_no_subject(level):
    row = one(np.full((36, 64, 3), level))
    nothing = ("salient_x", "salient_y", "salient_spread", "thirds_distance", "symmetry", "horizon_tilt_deg")
    assert [row[name] for name in nothing] == [None] * len(nothing)
    assert row["negative_space"] == 1


def test_empty_input_gives_a_typed_empty_table():
    stream = Frames(np.zeros((0, 36, 64, 3), np.uint8), np.zeros(0), np.zeros(0, np.int64))
    assert run(stream).schema == pl.Schema(ANALYZER.schema)
    assert run(stream).is_empty()
    assert preview(run(stream), stream) is None


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 80), st.integers(2, 80), st.integers(0, 3))
def test_any_picture_keeps_the_contract(seed, height, width, smooth):
    import cv2

    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    picture = cv2.GaussianBlur(picture, (0, 0), smooth) if smooth else picture
    stream = still(picture, 255 - picture)
    table = run(stream)
    assert all(outcome.passed for outcome in check_table(ANALYZER, table, VIDEO))
    assert table.equals(run(stream))
    assert preview(table, stream).dtype == np.uint8
