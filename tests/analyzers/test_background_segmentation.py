"""Foreground and background."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from resources.catalog.rows import find
from resources.catalog.spec import WEIGHTS
from resources.hosting.host import Request
from resources.models.segmenters import SCHEMA, SegformerHost, SelfieHost
from tests.kit.makers import make_video
from vid_assets.analyzers import cut_analysis
from vid_assets.analyzers.background_segmentation import ANALYZER, SIDE, decode, encode, preview, run
from vid_assets.contract import Frames
from vid_assets.media import identify, open_media
from vid_assets.pipeline.checks import check_table

SHARED = Path(__file__).parents[3] / "shared" / "media"
NO_CUTS = cut_analysis.ANALYZER.empty()


class Masks:
    """A model whose foreground is the same columns, from the left, in every picture."""

    def __init__(self, *columns):
        self.columns = columns

    def segment(self, frames, rows):
        lines = []
        for row in rows:
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[:, : self.columns[row]] = 255
            lines.append((row, mask.tobytes()))
        return pl.DataFrame(lines, SCHEMA, orient="row")


def pictures(*levels):
    array = np.stack([np.full((90, 160, 3), level, np.uint8) for level in levels])
    return Frames(array, np.arange(len(array)) / 2, np.arange(len(array)) * 12)


@given(arrays(np.bool_, (7, 9)))
def test_run_lengths_bring_the_mask_back(mask):
    lengths = encode(mask)
    assert sum(lengths) == mask.size
    assert all(length > 0 for length in lengths[1:])
    assert (decode(lengths, mask.shape) == mask).all()


def test_shares_and_masks_are_exact():
    frames = pictures(90, 90, 90)
    table = run(frames, NO_CUTS, Masks(0, 16, SIDE))
    assert table["foreground"].to_list() == [0.0, 0.25, 1.0]
    assert table["mask"].to_list()[0] == [SIDE * SIDE]
    assert table["mask"].to_list()[1][:3] == [0, 16, SIDE - 16]
    assert table["mask"].to_list()[2] == [0, SIDE * SIDE]
    assert all(check.passed for check in check_table(ANALYZER, table, make_video()))
    assert preview(table, frames, NO_CUTS).std() > 10


def test_the_background_changes_where_neither_picture_has_foreground():
    frames = pictures(90, 120, 120, 120)
    frames.array[1, :, :80] = 200  # the foreground, which does not count
    frames.array[2, :45, 80:] = 170
    table = run(frames, NO_CUTS, Masks(32, 32, 32, 60))
    first, second, third, fourth = table["background_change"]
    assert first is None
    assert second == pytest.approx(0.0, abs=0.01), "the light changed everywhere alike"
    assert third == pytest.approx(25 / 255, abs=0.01)
    assert fourth is None, "too little is background in both"


def test_cuts_are_no_change():
    cut = {"kind": "cut", "last_frame": 11, "first_frame": 12, "start_s": 0.46, "end_s": 0.5, "confidence": 1.0}
    cuts = pl.DataFrame([cut], schema=cut_analysis.ANALYZER.schema)
    frames = pictures(10, 200, 200)
    assert run(frames, cuts, Masks(0, 0, 0))["background_change"].to_list() == [None, None, 0.0]


def test_no_pictures_give_a_typed_empty_table():
    none = Frames(np.zeros((0, 9, 16, 3), np.uint8), np.zeros(0), np.zeros(0, np.int64))
    assert run(none, NO_CUTS, Masks()).schema == ANALYZER.empty().schema
    assert preview(ANALYZER.empty(), none, NO_CUTS) is None


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real clips are not here")
@pytest.mark.parametrize(("name", "low", "high"), [("carphone_pristine.mp4", 0.25, 0.7), ("bikes.mp4", 0, 0.05)])
def test_a_talking_man_is_foreground_and_a_street_is_not(tmp_path, name, low, high):
    host = SelfieHost(find("segmentation", "offline"), WEIGHTS / "selfie", {})
    host.load()

    class Here:
        def segment(self, frames, rows):
            (table,) = host.segment([Request(arrays={"frames": frames.array}, picked={"frames": list(rows)})])
            return table

    source = identify(SHARED / name)
    media = open_media(source.path, source.video_id, tmp_path)
    assert low <= run(media.frames, NO_CUTS, Here())["foreground"].mean() <= high
    media.close()


def test_foreground_classes_are_added_up_as_the_library_scores_them(tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(1)
    names = ["wall", "person;individual", "sky", "car"]
    config = transformers.SegformerConfig(
        num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 8], patch_sizes=[7, 3], strides=[4, 2],
        num_attention_heads=[1, 1], mlp_ratios=[2, 2], decoder_hidden_size=8, id2label=dict(enumerate(names)),
        label2id={name: at for at, name in enumerate(names)},
    )  # fmt: skip
    reference = transformers.SegformerForSemanticSegmentation(config).eval()
    processor = transformers.SegformerImageProcessor(size={"height": 256, "width": 256})
    reference.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    host = SegformerHost(find("segmentation", "cpu"), tmp_path, {})
    host.load()
    frames = np.random.default_rng(2).integers(0, 256, (1, 90, 160, 3), dtype=np.uint8)
    (table,) = host.segment([Request(arrays={"frames": frames})])
    with torch.inference_mode():
        logits = reference(**processor(images=[frames[0]], return_tensors="pt")).logits
    shares = logits.softmax(dim=1)[0, [1, 3]].sum(dim=0).numpy()
    assert shares.shape == (SIDE, SIDE)
    mask = np.frombuffer(table["mask"][0], np.uint8).reshape(SIDE, SIDE)
    assert mask == pytest.approx(np.rint(shares * 255), abs=1)
