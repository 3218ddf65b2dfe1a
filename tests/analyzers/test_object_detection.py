"""Objects, and which are the same."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import object_detection as accuracy
from resources.catalog.rows import find
from resources.catalog.spec import WEIGHTS
from resources.hosting.host import Request
from resources.models import detectors
from resources.models.detectors import COCO, SCHEMA, CenterNetHost, RtDetrHost, without_doubles
from resources.models.looking import has_changed
from tests.kit.makers import make_video
from vid_assets.analyzers import cut_analysis
from vid_assets.analyzers.object_detection import ANALYZER, BOX, preview, run
from vid_assets.contract import Frames
from vid_assets.measures import tracking
from vid_assets.measures.tracking import MISSES, Tracker, colour_histogram
from vid_assets.media import identify, open_media
from vid_assets.pipeline.checks import check_table

SHARED = Path(__file__).parents[3] / "shared" / "media"
NO_CUTS = cut_analysis.ANALYZER.empty()


class Boxes:
    """A model that finds what a test wants: for each row a list of (label, score, x0, y0, x1, y1)."""

    def __init__(self, *rows):
        self.rows = rows

    def detect(self, frames, rows):
        return pl.DataFrame([(row, *box) for row in rows for box in self.rows[row]], SCHEMA, orient="row")


def pictures(count, seed=0):
    array = np.random.default_rng(seed).integers(0, 256, (count, 90, 160, 3), dtype=np.uint8)
    return Frames(array, np.arange(count) / 2, np.arange(count) * 12)


def box(x, y=0.3, size=0.2, label="car", score=0.9):
    return (label, score, x, y, x + size, y + size)


def tracks(table):
    return [part["track"].to_list() for part in table.sort("x0").partition_by("frame", maintain_order=True)]


def test_rows_boxes_and_times_are_those_of_the_model():
    frames = pictures(2)
    model = Boxes([box(0.1), ("person", 0.5, 0.6, 0.2, 0.7, 0.9)], [("person", 0.6, 0.6, 0.2, 0.7, 0.9)])
    table = run(frames, NO_CUTS, model)
    assert table.select("time_s", "frame", "track", "label", "score").rows() == [
        (0.0, 0, 0, "car", 0.9), (0.0, 0, 1, "person", 0.5), (0.5, 12, 1, "person", 0.6),
    ]  # fmt: skip
    assert table.select(BOX).row(1) == (0.6, 0.2, 0.7, 0.9)
    assert all(check.passed for check in check_table(ANALYZER, table, make_video()))
    assert preview(table, frames, NO_CUTS).std() > 10


def test_nothing_found_gives_a_typed_empty_table():
    table = run(pictures(3), NO_CUTS, Boxes([], [], []))
    assert table.schema == ANALYZER.empty().schema
    assert table.is_empty()
    assert preview(table, pictures(3), NO_CUTS) is None
    assert run(
        Frames(np.zeros((0, 9, 16, 3), np.uint8), np.zeros(0), np.zeros(0, np.int64)), NO_CUTS, Boxes()
    ).is_empty()


def test_a_track_follows_movement_gaps_and_unsure_boxes():
    flat = pictures(6)
    flat.array[:] = 90
    model = Boxes([box(0.1)], [box(0.22)], [], [], [box(0.25, score=0.25)], [box(0.3), box(0.7, score=0.3)])
    table = run(flat, NO_CUTS, model)
    assert table["track"].to_list() == [0, 0, 0, 0]
    assert table["score"].to_list() == [0.9, 0.9, 0.25, 0.9]


def test_a_track_that_was_gone_too_long_does_not_come_back():
    flat = pictures(MISSES + 3)
    flat.array[:] = 90
    table = run(flat, NO_CUTS, Boxes([box(0.1)], *[[] for _ in range(MISSES + 1)], [box(0.1)]))
    assert table["track"].to_list() == [0, 1]


def test_tracks_end_at_cuts_and_never_join_labels():
    cuts = pl.DataFrame(
        [{"kind": "cut", "last_frame": 11, "first_frame": 12, "start_s": 0.46, "end_s": 0.5, "confidence": 1.0}],
        schema=cut_analysis.ANALYZER.schema,
    )
    flat = pictures(3)
    flat.array[:] = 90
    table = run(flat, cuts, Boxes([box(0.1)], [box(0.1)], [box(0.1, label="bus")]))
    assert table["track"].to_list() == [0, 1, 2]


def test_colour_tells_two_that_swap_places():
    frames = pictures(2)
    frames.array[:] = 0
    left, right = (slice(None), slice(16, 48)), (slice(None), slice(112, 144))
    frames.array[0][left], frames.array[0][right] = (250, 10, 10), (10, 10, 250)
    frames.array[1][left], frames.array[1][right] = (250, 10, 10), (10, 10, 250)
    table = run(frames, NO_CUTS, Boxes([box(0.1), box(0.7)], [box(0.7), box(0.1)]))
    assert tracks(table) == [[0, 1], [0, 1]]


@given(st.integers(0, 2**31), st.permutations(range(5)))
def test_numbers_do_not_depend_on_the_order_of_the_boxes(seed, order):
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.uniform(0, 1, (5, 2, 2)), axis=1)
    boxes = np.concatenate([corners[:, 0], corners[:, 1]], axis=1)
    scores, colours = np.full(5, 0.9), rng.dirichlet(np.ones(64), 5)
    tracker, shuffled = Tracker(), Tracker()
    first = tracker.add("car", boxes, scores, colours)
    assert sorted(first) == list(range(5))
    shuffled.add("car", boxes, scores, colours)
    moved = np.clip(boxes + 0.01, 0, 1)
    second = tracker.add("car", moved, scores, colours)
    again = shuffled.add("car", moved[list(order)], scores, colours[list(order)])
    assert len(set(second)) == 5
    assert again == [second[at] for at in order]


def test_colour_histogram_of_a_box_at_the_edge():
    picture = np.zeros((10, 10, 3), np.uint8)
    assert colour_histogram(picture, np.array([0.95, 0.95, 1.0, 1.0]))[0] == 1.0


def test_doubles_are_dropped_within_a_class_only():
    one, same, inner = box(0.1), box(0.12, score=0.5), ("car", 0.4, 0.12, 0.32, 0.2, 0.4)
    other = box(0.12, label="bus", score=0.5)
    assert without_doubles([same, one, inner, other]) == [one, other]


class Looks(CenterNetHost):
    """A host that notes which pictures it looks at; each is of one grey, its row. Halves show what `small` says."""

    def __init__(self, small=()):
        self.small, self.wholes, self.halves = small, [], []

    def _look(self, picture, tall=512, wide=512):
        row = int(picture[0, 0, 0]) // 20
        if picture.shape[1] > picture.shape[0]:
            self.wholes.append((row, tall, wide))
            return []
        self.halves.append(row)
        return [("cup", 0.5, 0.4, 0.4, 0.5, 0.5)] if row in self.small else []


def greys(*levels, width=160):
    return np.stack([np.full((90, width, 3), level, np.uint8) for level in levels])


def detected(host, array, rows=None):
    picked = {} if rows is None else {"frames": rows}
    (table,) = host.detect([Request(arrays={"frames": array}, picked=picked)])
    return table


def test_the_halves_of_every_second_picture_are_looked_at():
    host = Looks()
    assert detected(host, greys(*range(0, 140, 20))).is_empty()
    assert host.wholes == [(row, 288, 512) for row in range(7)]
    assert host.halves == [0, 0, 2, 2, 4, 4, 6, 6]


def test_the_halves_beside_a_picture_that_needed_them_are_looked_at_too():
    host = Looks(small={2, 3})
    table = detected(host, greys(*range(0, 140, 20)))
    assert host.halves == [0, 0, 2, 2, 4, 4, 6, 6, 1, 1, 3, 3]
    assert table["row"].to_list() == [2, 2, 3, 3]
    assert table["x0"].to_list() == pytest.approx([0.4 * 90 / 160, 1 - 0.6 * 90 / 160] * 2)


def test_pictures_without_neighbours_are_looked_at_closely():
    host = Looks()
    detected(host, greys(*range(0, 140, 20)), [5, 1, 5])
    assert [row for row, _, _ in host.wholes] == [1, 5]
    assert host.halves == [1, 1, 5, 5]


def test_standing_pictures_are_looked_at_once_and_each_has_the_objects():
    host = Looks(small={5})
    table = detected(host, greys(*[100] * 9))
    assert host.wholes == [(5, 288, 512)]
    assert table["row"].to_list() == sorted([*range(9)] * 2)
    assert len(host.halves) == 4  # the left and the right one, in the pictures that are looked at closely, and between


def test_the_model_takes_for_sure_what_the_analyzer_does():
    assert detectors.SURE == tracking.SURE == ANALYZER.config().min_score


def test_narrow_pictures_have_no_halves():
    host = Looks()
    host._look = lambda picture, tall=512, wide=512: host.wholes.append((tall, wide)) or []
    detected(host, greys(0, 100, width=100))
    assert host.wholes == [(512, 512), (512, 512)]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 99), sigma=st.floats(0, 4), place=st.tuples(st.integers(0, 340), st.integers(0, 620)))
def test_noise_is_no_change_and_a_small_thing_is(seed, sigma, place):
    rng = np.random.default_rng(seed)
    scene = rng.integers(40, 200, (18, 32, 3)).repeat(20, axis=0).repeat(20, axis=1)

    def shot(picture):
        return (picture + rng.normal(0, sigma / 1.5, picture.shape)).round().clip(0, 255).astype(np.uint8)

    with_a_thing = scene.copy()
    with_a_thing[place[0] : place[0] + 20, place[1] : place[1] + 20] += 40
    before = shot(scene)
    assert not has_changed(before, shot(scene))
    assert has_changed(before, shot(with_a_thing))
    assert has_changed(before, before[:, 1:])


@pytest.mark.parametrize("size", [(1, 1), (3, 640), (640, 3), (33, 31), (360, 640)])
def test_pictures_of_any_shape_are_looked_at(size):
    host = CenterNetHost(find("objects", "offline"), WEIGHTS / "centernet", {})
    host.load()
    table = detected(host, np.random.default_rng(4).integers(0, 256, (1, *size, 3), dtype=np.uint8))
    assert table.filter(~pl.all_horizontal(pl.col(*BOX).is_between(0, 1))).is_empty()


def test_tracks_of_simulated_walkers():
    assert [figure for figure in accuracy.of_walkers(7) if not figure.met] == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real clips are not here")
def test_people_in_a_street_are_found(tmp_path):
    there = [3, 9, 10, 15, 16, 17]  # pictures with somebody taller than a tenth, by eye; of the last only a leg
    host = CenterNetHost(find("objects", "offline"), WEIGHTS / "centernet", {})
    host.load()
    source = identify(SHARED / "bikes.mp4")
    media = open_media(source.path, source.video_id, tmp_path)
    (found,) = host.detect([Request(arrays={"frames": media.frames.array})])
    people = found.filter((pl.col("label") == "person") & (pl.col("score") >= 0.35))
    seen = set(people.filter(pl.col("y1") - pl.col("y0") > 0.1)["row"])
    assert len(seen & set(there)) >= 0.8 * len(there)
    assert seen <= set(there)
    media.close()


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real clips are not here")
def test_the_face_of_a_talking_man_is_one_person_throughout(tmp_path):
    host = CenterNetHost(find("objects", "offline"), WEIGHTS / "centernet", {})
    host.load()

    class Here:
        def detect(self, frames, rows):
            (table,) = host.detect([Request(arrays={"frames": frames.array}, picked={"frames": list(rows)})])
            return table

    source = identify(SHARED / "carphone_pristine.mp4")
    media = open_media(source.path, source.video_id, tmp_path)
    people = run(media.frames, NO_CUTS, Here()).filter(pl.col("label") == "person")
    assert people["track"].unique().to_list() == [people["track"][0]]
    assert people.height == len(media.frames)
    media.close()


def test_detections_are_the_librarys_own(tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(3)
    backbone = transformers.RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = transformers.RTDetrV2Config(
        backbone_config=backbone, d_model=16, encoder_hidden_dim=16, encoder_in_channels=[8, 8, 8],
        feat_strides=[8, 16, 32], encoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2,
        decoder_in_channels=[16, 16, 16], decoder_ffn_dim=16, decoder_layers=2, encoder_layers=1, num_queries=20,
        num_labels=80, id2label=dict(enumerate(COCO)), label2id={name: at for at, name in enumerate(COCO)},
        use_pretrained_backbone=False, num_denoising=0,
    )  # fmt: skip
    reference = transformers.RTDetrV2ForObjectDetection(config).eval()
    with torch.no_grad():
        for head in reference.model.decoder.class_embed:
            head.bias.fill_(-1.0)  # random weights are sure of nothing
    processor = transformers.RTDetrImageProcessor(size={"height": 64, "width": 64})
    reference.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    host = RtDetrHost(find("objects", "cpu"), tmp_path, {})
    host.load()
    frames = pictures(3).array
    (table,) = host.detect([Request(arrays={"frames": frames}, picked={"frames": [2]})])
    with torch.inference_mode():
        outputs = reference(**processor(images=[frames[2]], return_tensors="pt"))
    (expected,) = processor.post_process_object_detection(outputs, threshold=0.2, target_sizes=[(90, 160)])
    assert table.height == len(expected["scores"]) > 0
    assert table["row"].unique().to_list() == [2]
    assert table["score"].to_list() == pytest.approx(expected["scores"].tolist(), abs=1e-4)
    assert table["label"].to_list() == [COCO[label] for label in expected["labels"]]
    edges = expected["boxes"].numpy() / [160, 90, 160, 90]
    assert table.select(BOX).to_numpy() == pytest.approx(edges.clip(0, 1), abs=1e-4)
