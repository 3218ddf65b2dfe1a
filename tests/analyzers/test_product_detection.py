"""Products, and the text on them."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.catalog.rows import find
from resources.catalog.spec import WEIGHTS
from resources.hosting.host import Request
from resources.models import products as product_finder
from resources.models.detectors import SCHEMA, CenterNetHost, without_doubles
from resources.models.products import Owlv2Host, TiledCenterNetHost, tiles
from tests.kit.makers import make_video
from vid_assets.analyzers import cut_analysis, object_detection, text_overlay
from vid_assets.analyzers.product_detection import ANALYZER, BOX, EVERY_S, GOODS, preview, rows_to_look_at, run
from vid_assets.contract import Frames
from vid_assets.media import identify, open_media
from vid_assets.pipeline.checks import check_table

SHARED = Path(__file__).parents[3] / "shared" / "media"
NO_CUTS, NO_OBJECTS, NO_TEXT = (one.ANALYZER.empty() for one in (cut_analysis, object_detection, text_overlay))
VIDEO = make_video(duration_s=12.0)


class Finds:
    """A finder that sees what a test wants: for each row a list of (label, score, x0, y0, x1, y1)."""

    def __init__(self, rows=()):
        self.rows = dict(rows)

    def detect(self, frames, rows, prompts=()):
        lines = [(row, *box) for row in rows for box in self.rows.get(row, ())]
        return pl.DataFrame(lines, SCHEMA, orient="row")


def pictures(count=24):
    return Frames(np.full((count, 90, 160, 3), 90, np.uint8), np.arange(count) / 2, np.arange(count) * 12)


def box(x, label="bottle", score=0.9, y=0.3, size=0.2):
    return (label, score, x, y, x + size, y + size)


def objects(*sightings):
    """Rows of object_detection: (picture, track, label, score, x0, y0, x1, y1)."""
    rows = [(row / 2, row * 12, track, *rest) for row, track, *rest in sightings]
    return pl.DataFrame(rows, schema=object_detection.ANALYZER.schema, orient="row")


def line(text, start_s, end_s, corners, confidence=0.9):
    x0, y0, x1, y1 = corners
    row = (text, start_s, end_s, x0, y0, x1, y1, y1 - y0, "middle", confidence, 2)
    return pl.DataFrame([row], schema=text_overlay.ANALYZER.schema, orient="row")


def test_one_picture_in_four_seconds_is_looked_at():
    assert rows_to_look_at(pictures().times_s) == [3, 11, 19]
    assert rows_to_look_at(np.array([0.0])) == [0]
    assert rows_to_look_at(np.zeros(0)) == []


@given(st.lists(st.floats(0.01, 30), min_size=1, max_size=60))
def test_no_stretch_of_time_goes_unseen(gaps):
    times_s = np.cumsum(gaps)
    looks = rows_to_look_at(times_s)
    assert looks == sorted(set(looks))
    distance_s = np.abs(times_s[:, None] - times_s[looks]).min(axis=1)
    assert distance_s.max() <= EVERY_S


def test_tracks_of_goods_are_products_and_others_are_not():
    seen = objects((2, 7, *box(0.1, score=0.5)), (3, 7, *box(0.12, score=0.8)), (2, 8, *box(0.5, "car")))
    table = run(VIDEO, pictures(), NO_CUTS, seen, NO_TEXT, Finds())
    assert table.drop(BOX).rows(named=True) == [{
        "product": 0, "track": 7, "label": "bottle", "score": 0.8, "start_s": 1.0, "end_s": 2.0, "sightings": 2,
        "time_s": 1.5, "frame": 36, "brand": None, "brand_confidence": None,
    }]  # fmt: skip
    assert table.select(BOX).row(0) == box(0.12)[2:]
    assert all(check.passed for check in check_table(ANALYZER, table, VIDEO))
    assert preview(table, VIDEO, pictures(), NO_CUTS, seen, NO_TEXT).std() > 10


def test_what_the_finder_sees_in_a_track_names_it():
    seen = objects((10, 3, *box(0.1)), (11, 3, *box(0.1)), (11, 4, *box(0.6)))
    finds = Finds({11: [box(0.11, "spray can", 0.6), box(0.6, "jar", 0.5)]})
    table = run(VIDEO, pictures(), NO_CUTS, seen, NO_TEXT, finds)
    assert table.select("track", "label", "score", "start_s", "end_s", "sightings").rows() == [
        (3, "spray can", 0.6, 5.0, 6.0, 2), (4, "jar", 0.5, 5.5, 6.0, 1),
    ]  # fmt: skip


def test_a_track_of_one_picture_needs_the_finder():
    seen = objects((11, 3, *box(0.1)))
    assert run(VIDEO, pictures(), NO_CUTS, seen, NO_TEXT, Finds()).is_empty()
    assert run(VIDEO, pictures(), NO_CUTS, seen, NO_TEXT, Finds({11: [box(0.1)]})).height == 1


def test_a_find_in_a_gap_of_a_track_is_no_second_product():
    seen = objects((9, 3, *box(0.1)), (10, 3, *box(0.1)), (13, 3, *box(0.1)), (9, 4, *box(0.6)), (10, 4, *box(0.6)))
    table = run(VIDEO, pictures(), NO_CUTS, seen, NO_TEXT, Finds({11: [box(0.11), box(0.6)]}))
    assert table.select("track", "sightings").rows() == [(3, 4), (4, 2), (None, 1)]


def test_finds_without_a_track_are_joined_within_a_shot():
    finds = Finds({3: [box(0.1)], 11: [box(0.12), box(0.7)], 19: [box(0.12)]})
    cut = {"kind": "cut", "last_frame": 179, "first_frame": 180, "start_s": 7.46, "end_s": 7.5, "confidence": 1.0}
    cuts = pl.DataFrame([cut], schema=cut_analysis.ANALYZER.schema)
    spans = ["track", "start_s", "end_s", "sightings"]
    whole = run(VIDEO, pictures(), NO_CUTS, NO_OBJECTS, NO_TEXT, finds)
    assert whole.select(spans).rows() == [(None, 1.5, 10.0, 3), (None, 5.5, 6.0, 1)]
    parted = run(VIDEO, pictures(), cuts, NO_OBJECTS, NO_TEXT, finds)
    assert parted.select(spans).rows() == [(None, 1.5, 6.0, 2), (None, 5.5, 6.0, 1), (None, 9.5, 10.0, 1)]


@pytest.mark.parametrize(
    ("start_s", "end_s", "corners", "brand"),
    [
        (0.5, 2.5, (0.15, 0.35, 0.25, 0.4), "ACME"),
        (0.5, 2.5, (0.22, 0.35, 0.32, 0.4), "ACME"),  # four fifths on it
        (0.0, 12.0, (0.15, 0.35, 0.25, 0.4), None),  # a caption that was there before it, and stays without it
        (0.0, 12.0, (0.05, 0.42, 0.9, 0.48), None),  # a subtitle across
        (0.0, 12.0, (0.1, 0.52, 0.3, 0.56), None),  # below
        (6.0, 12.0, (0.15, 0.35, 0.25, 0.4), None),  # later
    ],
)
def test_text_on_a_product_is_its_brand(start_s, end_s, corners, brand):
    seen = objects((2, 0, *box(0.1)), (3, 0, *box(0.1)))
    table = run(VIDEO, pictures(), NO_CUTS, seen, line("ACME", start_s, end_s, corners), Finds())
    assert table["brand"].to_list() == [brand]
    assert table["brand_confidence"].to_list() == [0.9 if brand else None]


def test_a_caption_that_a_product_passes_below_is_no_brand():
    caption = line("Breaking news", 0.0, 4.0, (0.15, 0.35, 0.25, 0.4))
    passing = objects(*((row, 0, *box(0.1 * row)) for row in range(6)))
    assert run(VIDEO, pictures(), NO_CUTS, passing, caption, Finds())["brand"].to_list() == [None]
    standing = objects(*((row, 0, *box(0.1)) for row in range(6)))
    assert run(VIDEO, pictures(), NO_CUTS, standing, caption, Finds())["brand"].to_list() == ["Breaking news"]


@pytest.mark.parametrize(("label", "text"), [("tv", "NEWS"), ("clock", "XII"), ("cup", "50"), ("cup", "%")])
def test_what_a_screen_shows_and_bare_numbers_are_no_brands(label, text):
    seen = objects((2, 0, *box(0.1, label)), (3, 0, *box(0.1, label)))
    shown = line(text, 0.5, 2.5, (0.15, 0.35, 0.25, 0.4))
    assert run(VIDEO, pictures(), NO_CUTS, seen, shown, Finds())["brand"].to_list() == [None]


def test_what_fills_the_whole_picture_is_no_product():
    seen = objects(*((row, 0, "clock", 0.9, 0.01, 0.0, 0.99, 1.0) for row in range(4)))
    assert run(VIDEO, pictures(), NO_CUTS, seen, NO_TEXT, Finds()).is_empty()


def test_lines_are_read_from_top_to_bottom_once_each():
    seen = objects((2, 0, *box(0.1)), (3, 0, *box(0.1)))
    text = pl.concat([
        line("cola", 0.5, 2.5, (0.15, 0.42, 0.25, 0.47), 0.6), line("ACME", 0.5, 2.5, (0.15, 0.35, 0.25, 0.4)),
        line("Acme", 1.5, 3, (0.15, 0.36, 0.25, 0.41)),
    ])  # fmt: skip
    table = run(VIDEO, pictures(), NO_CUTS, seen, text, Finds())
    assert table.select("brand", "brand_confidence").row(0) == ("ACME cola", 0.6)
    assert run(VIDEO, pictures(), NO_CUTS, seen, None, Finds())["brand"].to_list() == [None]


def test_no_pictures_give_a_typed_empty_table():
    table = run(VIDEO, pictures(0), NO_CUTS, NO_OBJECTS, NO_TEXT, Finds())
    assert table.schema == ANALYZER.empty().schema
    assert table.is_empty()
    assert preview(table, VIDEO, pictures(0), NO_CUTS, NO_OBJECTS, NO_TEXT) is None


def test_analyzer_and_finder_agree_on_what_goods_are():
    assert set(GOODS) == product_finder.GOODS


@given(st.integers(1, 700), st.integers(1, 700))
def test_parts_cover_the_picture(height, width):
    covered = np.zeros((height, width), bool)
    for top, left, side in tiles(height, width):
        assert top + side <= height
        assert left + side <= width
        covered[top : top + side, left : left + side] = True
    assert covered.all()


def test_doubles_across_classes():
    assert without_doubles([box(0.1), box(0.11, "cup", 0.5), box(0.5, "cup")], across=True) == [
        box(0.1),
        box(0.5, "cup"),
    ]


def test_parts_that_have_not_changed_are_not_looked_at_again():
    looks = []

    class Looks(TiledCenterNetHost):
        def __init__(self):
            pass

        def _look(self, picture, *_):
            looks.append(picture.shape)
            return [("cup", 0.9, 0.4, 0.4, 0.6, 0.6)]

    array = np.full((3, 90, 160, 3), 90, np.uint8)
    array[2, :30, :50] = 200
    parts = tiles(90, 160)
    touched = [part for part in parts if part[0] < 30 and part[1] < 50]
    (table,) = Looks().detect([Request(arrays={"frames": array})])
    assert len(looks) == len(parts) + len(touched) < 3 * len(parts)
    assert table.group_by("row", maintain_order=True).len()["len"].to_list() == [len(parts)] * 3


def served(host):
    host.load()

    class Here:
        def detect(self, frames, rows, prompts=()):
            (table,) = host.detect([Request(arrays={"frames": frames.array}, picked={"frames": list(rows)})])
            return table

    return Here()


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real clips are not here")
@pytest.mark.parametrize(("name", "labels"), [("carphone_pristine.mp4", ["tie"]), ("bigbuckbunny.mp4", [])])
def test_goods_in_real_clips(tmp_path, name, labels):
    detector = served(CenterNetHost(find("objects", "offline"), WEIGHTS / "centernet", {}))
    finder = served(TiledCenterNetHost(find("products", "offline"), WEIGHTS / "centernet", {}))
    source = identify(SHARED / name)
    media = open_media(source.path, source.video_id, tmp_path)
    seen = object_detection.run(media.frames, NO_CUTS, detector)
    table = run(media.video, media.frames, NO_CUTS, seen, None, finder)
    assert table["label"].to_list() == labels
    assert table.equals(run(media.video, media.frames, NO_CUTS, seen, None, finder))
    media.close()


def test_finds_are_the_librarys_own(tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(5)
    words = [*(chr(at) for at in range(97, 123)), *(chr(at) + "</w>" for at in range(97, 123))]
    vocabulary = {word: at for at, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    end = vocabulary["<|endoftext|>"]
    tokenizer = transformers.CLIPTokenizer(
        str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"), model_max_length=48, pad_token="!"
    )
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.Owlv2Config(
        text_config={**small, "vocab_size": len(tokenizer), "max_position_embeddings": 48, "eos_token_id": end},
        vision_config={**small, "image_size": 64, "patch_size": 16}, projection_dim=16,
    )  # fmt: skip
    reference = transformers.Owlv2ForObjectDetection(config).eval()
    processor = transformers.Owlv2Processor(
        transformers.Owlv2ImageProcessor(size={"height": 64, "width": 64}), tokenizer
    )
    reference.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    host = Owlv2Host(find("products", "cpu"), tmp_path, {})
    host.load()
    frames = np.random.default_rng(2).integers(0, 256, (2, 90, 160, 3), dtype=np.uint8)
    (table,) = host.detect([Request(arrays={"frames": frames}, picked={"frames": [1]})])
    words = [[f"a photo of a {prompt}" for prompt in product_finder.PROMPTS]]
    with torch.inference_mode():
        outputs = reference(**processor(text=words, images=[frames[1]], return_tensors="pt"))
    (expected,) = processor.post_process_grounded_object_detection(outputs, 0.2, target_sizes=[(90, 160)])
    edges = (expected["boxes"].numpy() / [160, 90, 160, 90]).clip(0, 1)
    labels = [product_finder.PROMPTS[label] for label in expected["labels"]]
    found = [
        (label, score, *edge)
        for label, score, edge in zip(labels, expected["scores"].tolist(), edges.tolist(), strict=True)
        if edge[0] < edge[2] and edge[1] < edge[3]
    ]
    kept = without_doubles(found, across=True)
    assert kept
    assert table["row"].unique().to_list() == [1]
    assert table["label"].to_list() == [item[0] for item in kept]
    assert table.select("score", *BOX).to_numpy() == pytest.approx(np.array([item[1:] for item in kept]), abs=1e-4)
