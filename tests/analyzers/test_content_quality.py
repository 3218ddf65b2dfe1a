import hashlib
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.scene_streams import still
from vid_assets.analyzers.content_quality import (
    ANALYZER,
    BRISQUE_FILE,
    blockiness,
    brisque,
    edge_blur,
    noise_sigma,
    run,
)
from vid_assets.contract import Frames, Video
from vid_assets.pipeline.checks import check_table
from vid_assets.synthetic.clips import TEXTURES, Blur, Clip, Grain, Letterbox, Shot, Text, frames, random_shapes
from vid_assets.synthetic.textures import texture


def video(width=640, height=360):
    return Video("v", 100.0, width, height, 25.0, 100, True, False)


def picture(kind, layout=1, **effects):
    shapes = random_shapes(np.random.default_rng(layout), 2, seconds=1.0)
    shot = Shot(0.04, texture=kind, seed=layout, palette=layout, shapes=shapes)
    return next(frames(Clip(shots=(shot,), seed=layout, **effects)))


def jpeg(image, quality):
    import cv2

    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


@pytest.mark.parametrize("kind", TEXTURES)
@pytest.mark.parametrize("layout", [1, 5])
def test_noise_is_measured_within_15_percent(kind, layout):
    grains = (3, 6, 12, 20)
    table = run(video(), still(*(picture(kind, layout, grain=(Grain(sigma),)) for sigma in grains)))
    assert table["noise_sigma"].to_list() == pytest.approx(grains, rel=0.15)
    assert run(video(), still(picture(kind, layout)))["noise_sigma"][0] < 1


@pytest.mark.parametrize("kind", ["checker", "landscape", "city", "blobs"])
def test_edge_blur_is_measured_within_15_percent(kind):
    sharp, *blurred = run(video(), still(picture(kind), *(picture(kind, blur=(Blur(s),)) for s in (1, 2, 3))))[
        "edge_blur"
    ]
    # antialiasing alone is a blur; the two add up as variances
    own = sharp * 0.36
    assert 0.3 < own < 1
    assert [value * 0.36 for value in blurred] == pytest.approx([np.hypot(own, s) for s in (1, 2, 3)], rel=0.15)


@pytest.mark.parametrize("kind", TEXTURES)
def test_blur_and_noise_levels_are_ordered(kind):
    table = run(video(), still(picture(kind), *(picture(kind, blur=(Blur(s),)) for s in (1, 2, 4))))
    assert table["laplacian"].is_sorted(descending=True)
    assert table["edge_blur"].drop_nulls().is_sorted()
    noisy = run(video(), still(picture(kind), *(picture(kind, grain=(Grain(s),)) for s in (4, 8, 16))))
    assert noisy["noise_sigma"].is_sorted()
    assert noisy["brisque"][1:].is_sorted()


def test_edge_blur_does_not_depend_on_size_nor_contrast():
    import cv2

    large = cv2.GaussianBlur(texture("city", 1280, 720, 720.0, 1, 3), (0, 0), 5)
    small = cv2.resize(large, (640, 360), interpolation=cv2.INTER_AREA)
    faint = np.rint(small * 0.6 + 40)
    shares = [run(video(), still(p))["edge_blur"][0] for p in (large, small, faint)]
    assert shares == pytest.approx([1000 * 5 / 720] * 3, rel=0.15)


@pytest.mark.parametrize("kind", ["checker", "landscape", "city", "blobs"])
def test_a_sharp_caption_does_not_speak_for_the_picture(kind):
    caption = (Text("BREAKING NEWS", height=0.08),)
    without, with_caption = (picture(kind, 2, blur=(Blur(2),), texts=texts) for texts in ((), caption))
    measured = run(video(), still(without, with_caption))["edge_blur"]
    assert measured[1] == pytest.approx(measured[0], rel=0.1)


def test_black_bars_do_not_pass_for_sharp_edges():
    bars = [(), (Letterbox(0.12),), (Letterbox(0.1, pillars=True),)]
    measured = run(video(), still(*(picture("blobs", 2, blur=(Blur(3),), letterbox=each) for each in bars)))[
        "edge_blur"
    ]
    assert measured.to_list() == pytest.approx([measured[0]] * 3, rel=0.1)


def test_noise_does_not_pass_for_sharp_edges():
    sharp, blurred = (picture("city", blur=blur, grain=(Grain(10),)) for blur in ((), (Blur(2),)))
    measured = run(video(), still(sharp, blurred))["edge_blur"] * 0.36
    assert measured[0] < 1
    assert 1.4 < measured[1] < 2.3


@pytest.mark.parametrize("sigma", [2.5, 4.5])
@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_noise_does_not_sharpen_soft_edges(sigma, noise):
    import cv2

    rng = np.random.default_rng(5)
    squares = np.kron(rng.choice([40, 90, 150, 200], (6, 10)), np.ones((60, 60)))
    soft = cv2.GaussianBlur(squares, (0, 0), sigma)[..., None] + noise * rng.standard_normal((360, 600, 3))
    (measured,) = run(video(600), still(np.rint(soft)))["edge_blur"]
    assert measured * 0.36 == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize("kind", TEXTURES)
def test_blockiness_grows_as_jpeg_quality_falls(kind):
    clean = picture(kind)
    values = run(video(), still(clean, *(jpeg(clean, quality) for quality in (60, 30, 10))))["blockiness"]
    assert values[0] == pytest.approx(1, abs=0.15)
    assert values.is_sorted()
    assert values[3] > 2


def test_blocks_of_shrunken_video():
    import cv2

    blocky = jpeg(texture("blobs", 1280, 720, 720.0, 1, 1), 10)
    half = cv2.resize(blocky, (640, 360), interpolation=cv2.INTER_AREA)
    assert run(video(1280, 720), still(half))["blockiness"][0] > 1.5
    assert run(video(1920, 1080), still(half))["blockiness"][0] is None


def test_clipping_shares():
    halves = np.full((360, 640, 3), 128)
    halves[:90], halves[270:] = 0, 255
    row = run(video(), still(halves)).row(0, named=True)
    assert (row["clipped_dark"], row["clipped_bright"]) == (0.25, 0.25)


@pytest.mark.parametrize(("level", "noise"), [(0, None), (128, 0.0), (255, None)])
def test_plain_pictures(level, noise):
    row = run(video(), still(np.full((360, 640, 3), level))).row(0, named=True)
    assert row["noise_sigma"] == pytest.approx(noise) if noise is not None else row["noise_sigma"] is None
    assert [row[name] for name in ("edge_blur", "blockiness", "brisque")] == [None] * 3
    assert row["laplacian"] == 0


def test_parts_refuse_what_is_too_small():
    tiny = np.random.default_rng(0).random((5, 5), np.float32)
    assert [noise_sigma(tiny * 255), brisque(tiny), edge_blur(tiny * 255), blockiness(tiny, 8)] == [None] * 4


# Scores of the package brisque 0.2.0, with libsvm 3.37, for these pictures.
@pytest.mark.parametrize(
    ("kind", "sigma", "score"),
    [
        ("noise", 2.0, 31.626),
        ("noise", 10.0, 53.166),
        ("checker", 2.0, 27.984),
        ("checker", 10.0, 58.800),
        ("landscape", 2.0, 29.932),
        ("landscape", 10.0, 50.398),
        ("city", 2.0, 25.543),
        ("city", 10.0, 49.158),
        ("blobs", 2.0, 40.434),
        ("blobs", 10.0, 49.110),
    ],
)
def test_brisque_is_that_of_the_reference(kind, sigma, score):
    grain = sigma * np.random.default_rng(3).standard_normal((180, 320, 1))
    levels = np.rint(texture(kind, 320, 180, 180.0, 1, 7) + grain)
    grey = np.clip(levels, 0, 255) / 255 @ np.array([0.2125, 0.7154, 0.0721])
    assert brisque(grey.astype(np.float32)) == pytest.approx(score, abs=0.02)


def test_notice_names_the_model_file():
    digest = re.search(r"brisque_live\.npz +sha256 ([0-9a-f]{64})", (BRISQUE_FILE.parent / "NOTICE").read_text())
    assert digest
    assert hashlib.sha256(BRISQUE_FILE.read_bytes()).hexdigest() == digest[1]


def test_empty_input_gives_a_typed_empty_table():
    table = run(video(), Frames(np.zeros((0, 36, 64, 3), np.uint8), np.zeros(0), np.zeros(0, np.int64)))
    assert table.schema == pl.Schema(ANALYZER.schema)
    assert table.is_empty()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 60), st.integers(1, 256))
def test_any_picture_keeps_the_contract(seed, height, width, levels):
    image = np.random.default_rng(seed).integers(0, levels, (height, width, 3))
    stream = still(image, image[::-1])
    table = run(video(width, height), stream)
    assert all(outcome.passed for outcome in check_table(ANALYZER, table, video()))
    assert table.equals(run(video(width, height), stream))
