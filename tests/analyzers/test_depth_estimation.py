"""How pictures are staggered in depth."""

import numpy as np
import polars as pl
import pytest

from resources.catalog.rows import find
from resources.errors import ModelUnavailable
from resources.hosting.host import Request
from resources.models.depth import SCHEMA, DepthHost
from tests.kit.makers import make_video
from vid_assets.analyzers import object_detection
from vid_assets.analyzers.depth_estimation import ANALYZER, SIDE, chosen_rows, preview, run
from vid_assets.contract import Frames
from vid_assets.pipeline.checks import check_table


class Slope:
    """A model to which every picture is a floor: far above, near below."""

    def nearness(self, frames, rows):
        ramp = np.repeat(np.linspace(0, 255, SIDE).round().astype(np.uint8)[:, None], SIDE, axis=1)
        return pl.DataFrame([(row, ramp.tobytes()) for row in rows], SCHEMA, orient="row")


def pictures(count):
    array = np.random.default_rng(0).integers(0, 256, (count, 90, 160, 3), dtype=np.uint8)
    return Frames(array, np.arange(count) / 2, np.arange(count) * 12)


def objects(*rows):
    names = ("time_s", "frame", "track", "label", "score", "x0", "y0", "x1", "y1")
    return pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows], schema=object_detection.ANALYZER.schema)


def test_frames_and_objects_are_measured_exactly():
    frames = pictures(4)
    seen = objects(
        (0.0, 0, 0, "car", 0.9, 0.1, 0.5, 0.3, 1.0),
        (0.0, 0, 1, "dog", 0.9, 0.1, 0.0, 0.3, 0.5),
        (0.5, 12, 0, "car", 0.9, 0, 0, 1, 1),
    )
    table = run(frames, seen, Slope())
    assert table.select("time_s", "frame", "kind", "track", "label").rows() == [
        (0.0, 0, "frame", None, None), (0.0, 0, "object", 0, "car"), (0.0, 0, "object", 1, "dog"),
        (1.0, 24, "frame", None, None),
    ]  # fmt: skip
    assert table["nearness"].to_list() == pytest.approx([0.5, 0.75, 0.25, 0.5], abs=0.02)
    assert table.row(0, named=True)["near"] == pytest.approx(1 / 3, abs=0.02)
    assert table.row(0, named=True)["far"] == pytest.approx(1 / 3, abs=0.02)
    assert all(check.passed for check in check_table(ANALYZER, table, make_video()))
    assert preview(table, frames, seen).std() > 10


def test_one_picture_a_second():
    assert chosen_rows(np.array([0.0, 0.5, 0.98, 1.5, 2.0, 9.0])) == [0, 2, 4, 5]
    assert chosen_rows(np.zeros(0)) == []


def test_no_pictures_give_a_typed_empty_table():
    none = Frames(np.zeros((0, 9, 16, 3), np.uint8), np.zeros(0), np.zeros(0, np.int64))
    table = run(none, objects(), Slope())
    assert table.schema == ANALYZER.empty().schema
    assert preview(table, none, objects()) is None


def test_the_offline_profile_has_none():
    with pytest.raises(ModelUnavailable, match="has no model for it; vid-assets models pull --profile cpu fetches one"):
        find("depth", "offline")


def test_maps_are_the_librarys_own(tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(1)
    backbone = transformers.Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16, image_size=56, patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone, patch_size=14, reassemble_hidden_size=16, neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8, head_hidden_size=8,
    )  # fmt: skip
    reference = transformers.DepthAnythingForDepthEstimation(config).eval()
    processor = transformers.DPTImageProcessor(size={"height": 56, "width": 56}, keep_aspect_ratio=False)
    reference.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    host = DepthHost(find("depth", "cpu"), tmp_path, {})
    host.load()
    frames = pictures(2).array
    (table,) = host.nearness([Request(arrays={"frames": frames}, picked={"frames": [1]})])
    with torch.inference_mode():
        depth = reference(**processor(images=[frames[1]], return_tensors="pt")).predicted_depth[0].numpy()
    import cv2

    expected = cv2.resize(depth, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    expected = (expected - expected.min()) / np.ptp(expected) * 255
    assert table["row"].to_list() == [1]
    found = np.frombuffer(table["nearness"][0], np.uint8).reshape(SIDE, SIDE)
    assert found == pytest.approx(expected, abs=1)
