"""How old the people look."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.catalog.rows import find
from resources.catalog.spec import WEIGHTS
from resources.hosting.host import Request
from resources.models.ages import SCHEMA, AgeBracketsHost, FaceResHost, bracket
from tests.kit.makers import make_video
from vid_assets.analyzers import cut_analysis, eye_tracking
from vid_assets.analyzers.age_estimation import ANALYZER, MOST_PICTURES, percentile, preview, run
from vid_assets.contract import Frames
from vid_assets.media import identify, open_media
from vid_assets.pipeline.checks import check_table

SHARED = Path(__file__).parents[3] / "shared" / "media"


class Ages:
    """A model to which a face is as old as its box is far to the left, in hundredths of the width."""

    def __init__(self):
        self.asked = []

    def ages(self, frames, rows, boxes):
        self.asked += list(rows)
        lines = [(face, np.eye(100)[round(box[0] * 100)].tolist()) for face, box in enumerate(boxes)]
        return pl.DataFrame(lines, SCHEMA, orient="row")


def faces(*seen):
    """Rows of `eye_tracking`: (frame, track, x0, size, yaw)."""
    rows = [
        {
            "time_s": frame / 10, "frame": frame, "track": track, "score": 0.9, "x0": x, "y0": 0.1, "x1": x + size,
            "y1": 0.1 + size, "head_yaw_deg": yaw, "closed": False,
        }
        for frame, track, x, size, yaw in seen
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=eye_tracking.ANALYZER.schema)


def pictures(count):
    array = np.random.default_rng(0).integers(0, 256, (count, 100, 100, 3), dtype=np.uint8)
    return Frames(array, np.arange(count) / 10, np.arange(count))


def test_a_track_gets_the_mean_of_its_pictures():
    frames, seen = pictures(4), faces((0, 0, 0.3, 0.3, 0.0), (1, 0, 0.4, 0.3, 0.0), (3, 1, 0.6, 0.3, 10.0))
    table = run(frames, seen, Ages())
    assert table.select("track", "start_s", "end_s", "age", "pictures").rows() == [
        (0, 0.0, 0.1, pytest.approx(35.5), 2), (1, 0.3, 0.3, pytest.approx(60.5), 1),
    ]  # fmt: skip
    first = table.row(0, named=True)
    assert (first["age_low"], first["age_high"]) == pytest.approx((30.1, 40.9))
    assert all(check.passed for check in check_table(ANALYZER, table, make_video()))
    assert preview(table, frames, seen).std() > 10


def test_small_and_averted_faces_are_left_out():
    model = Ages()
    table = run(pictures(3), faces((0, 0, 0.3, 0.2, 0.0), (1, 0, 0.3, 0.3, 60.0), (2, 0, 0.3, 0.3, -30.0)), model)
    assert model.asked == [2]
    assert table["pictures"].to_list() == [1]


def test_of_a_long_track_the_best_pictures_are_taken():
    model = Ages()
    run(pictures(40), faces(*((frame, 0, 0.1, 0.3 + frame / 100, 0.0) for frame in range(40))), model)
    assert sorted(model.asked) == list(range(40 - MOST_PICTURES, 40))


def test_nobody_gives_a_typed_empty_table():
    table = run(pictures(2), eye_tracking.ANALYZER.empty(), Ages())
    assert table.schema == ANALYZER.empty().schema
    assert table.is_empty()
    assert preview(table, pictures(2), eye_tracking.ANALYZER.empty()) is None


@given(st.lists(st.floats(0, 1), min_size=100, max_size=100).filter(lambda shares: sum(shares) > 0.1))
def test_percentiles_are_ordered_and_part_the_distribution(shares):
    distribution = np.array(shares) / sum(shares)
    low, middle, high = (percentile(distribution, share) for share in (0.05, 0.5, 0.95))
    assert 0 <= low <= middle <= high <= 100
    below = distribution[: int(middle)].sum() + distribution[min(int(middle), 99)] * (middle - int(middle))
    assert below == pytest.approx(0.5, abs=1e-6)


def test_labels_of_age_brackets():
    assert [bracket(label) for label in ("0-2", "20-29", "more than 70")] == [(0, 2), (20, 29), (70, 99)]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real clips are not here")
def test_a_young_man_is_no_child_and_no_old_man(tmp_path):
    from tests.analyzers.test_eye_tracking import FaceMeshHost, Here

    mesh = FaceMeshHost(find("faces", "offline"), WEIGHTS / "face_mesh", {})
    host = FaceResHost(find("ages", "offline"), WEIGHTS / "face_age", {})
    mesh.load()
    host.load()

    class Told:
        def ages(self, frames, rows, boxes):
            asked = Request(arrays={"frames": frames.array}, picked={"frames": rows}, args={"boxes": boxes})
            return host.ages([asked])[0]

    source = identify(SHARED / "carphone_pristine.mp4")
    media = open_media(source.path, source.video_id, tmp_path)
    seen = eye_tracking.run(media.frames, cut_analysis.ANALYZER.empty(), Here(mesh))
    (row,) = run(media.frames, seen, Told()).rows(named=True)
    assert 18 <= row["age"] <= 45
    assert row["age_low"] < row["age"] < row["age_high"]
    assert row["pictures"] == len(media.frames)
    media.close()


def test_brackets_of_the_library_are_spread_over_their_years(tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(1)
    names = ["0-2", "10-19", "more than 70"]
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=16,
        id2label=dict(enumerate(names)), label2id={name: at for at, name in enumerate(names)},
    )  # fmt: skip
    reference = transformers.ViTForImageClassification(config).eval()
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
    reference.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    host = AgeBracketsHost(find("ages", "cpu"), tmp_path, {})
    host.load()
    frames = pictures(2).array
    boxes = [[0.1, 0.2, 0.6, 0.7], [0.5, 0.5, 0.5, 0.5]]
    (table,) = host.ages([Request(arrays={"frames": frames}, picked={"frames": [1, 0]}, args={"boxes": boxes})])
    assert table["face"].to_list() == [0], "the second box is empty"
    with torch.inference_mode():
        logits = reference(**processor(images=[frames[1, 20:70, 10:60]], return_tensors="pt")).logits
    shares = logits.softmax(dim=-1)[0].tolist()
    ages = np.array(table["ages"][0].to_list())
    assert [ages[:3].sum(), ages[10:20].sum(), ages[70:].sum()] == pytest.approx(shares, abs=1e-6)
