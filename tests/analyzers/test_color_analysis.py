import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.scene_streams import still
from vid_assets.analyzers.color_analysis import ANALYZER, LINEAR, colour_temperature, palette, run
from vid_assets.contract import Frames, Video
from vid_assets.pipeline.checks import check_table
from vid_assets.synthetic.clips import Clip, Shot, frames, random_shapes
from vid_assets.synthetic.shapes import BACKGROUNDS, COLOURS

VIDEO = Video("v", 100.0, 64, 36, 25.0, 100, True, False)


def plain(colour, size=(36, 64)):
    return np.full((*size, 3), colour, np.uint8)


def one(*pictures):
    return run(still(*pictures)).row(0, named=True)


@pytest.mark.parametrize("level", [0, 1, 77, 128, 255])
def test_grey_has_its_own_luma_and_no_colour(level):
    row = one(plain((level,) * 3))
    assert row["luma"] == pytest.approx(level / 255, abs=1e-6)
    assert row["contrast"] == pytest.approx(0, abs=1e-6)
    assert row["saturation"] == (None if level == 0 else 0)
    assert row["colourfulness"] == pytest.approx(0, abs=1e-3)
    assert row["palette"] == [f"#{level:02x}{level:02x}{level:02x}"]
    assert row["palette_shares"] == [1.0]


def test_luma_is_bt709_and_contrast_its_deviation():
    picture = plain((255, 0, 0))
    picture[:, 32:] = (0, 255, 0)
    row = one(picture)
    assert row["luma"] == pytest.approx((0.2126 + 0.7152) / 2, abs=1e-4)
    assert row["contrast"] == pytest.approx((0.7152 - 0.2126) / 2, abs=1e-4)
    assert row["saturation"] == 1.0


def test_colourfulness_is_hasler_and_suesstrunk():
    # half red, half grey: rg is 255 or 0, yb is 127.5 or 0
    picture = plain((128, 128, 128))
    picture[:, :32] = (255, 0, 0)
    expected = np.hypot(127.5, 63.75) + 0.3 * np.hypot(127.5, 63.75)
    assert one(picture)["colourfulness"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("colour", "kelvin"),
    [((255, 255, 255), 6504), ((128, 128, 128), 6504), ((255, 180, 107), 3000), ((201, 218, 255), 10000)],
)
def test_temperature_of_known_whites(colour, kelvin):
    # The sRGB values of black bodies are rounded to whole levels, McCamy's formula is good to a few percent.
    assert one(plain(colour))["temperature_k"] == pytest.approx(kelvin, rel=0.05)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 0, 255)])
def test_no_temperature_without_meaning(colour):
    assert one(plain(colour))["temperature_k"] is None
    assert colour_temperature(LINEAR[list(colour)]) is None


@pytest.mark.parametrize("name", list(COLOURS))
def test_dominant_colour_is_named(name):
    assert one(plain(COLOURS[name]))["colour_name"] == name


@pytest.mark.parametrize("seed", range(6))
def test_palette_finds_the_colours_of_a_scene_and_their_shares(seed):
    rng = np.random.default_rng(seed)
    ground = list(BACKGROUNDS)[seed % 3]
    shot = Shot(0.04, background=ground, shapes=random_shapes(rng, 1 + seed % 3, seconds=1.0), seed=seed)
    picture = next(frames(Clip(shots=(shot,))))
    row = one(picture)
    assert row["colour_name"] == ground
    known = {ground: BACKGROUNDS[ground]} | {mover.shape.colour: COLOURS[mover.shape.colour] for mover in shot.shapes}
    for colour in known.values():
        # what is within the background's grain of a colour belongs to it; antialiased rims belong to nobody
        share = (np.abs(picture.astype(int) - colour).max(axis=2) <= 10).mean()
        distances = [
            max(abs(int(code[i : i + 2], 16) - c) for i, c in zip((1, 3, 5), colour, strict=True))
            for code in row["palette"]
        ]
        best = int(np.argmin(distances))
        assert distances[best] <= 6
        assert row["palette_shares"][best] == pytest.approx(share, abs=0.015)


def test_palette_keeps_a_small_bright_spot():
    picture = plain((20, 20, 20), (90, 160))
    picture[:9, :16] = (250, 20, 20)
    colours, shares = palette(picture.reshape(-1, 3))
    assert shares.tolist() == pytest.approx([0.99, 0.01])
    assert (colours[1] * 255).round().tolist() == [250, 20, 20]


def test_empty_input_gives_a_typed_empty_table():
    table = run(Frames(np.zeros((0, 36, 64, 3), np.uint8), np.zeros(0), np.zeros(0, np.int64)))
    assert table.schema == pl.Schema(ANALYZER.schema)
    assert table.is_empty()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.integers(1, 256))
def test_any_picture_keeps_the_contract(seed, height, width, levels):
    rng = np.random.default_rng(seed)
    stream = still(rng.integers(0, levels, (height, width, 3)), np.zeros((height, width, 3)))
    table = run(stream)
    assert all(outcome.passed for outcome in check_table(ANALYZER, table, VIDEO))
    assert table.equals(run(stream))
    for shares in table["palette_shares"]:
        assert sum(shares) == pytest.approx(1)
        assert shares.to_list() == sorted(shares, reverse=True)
