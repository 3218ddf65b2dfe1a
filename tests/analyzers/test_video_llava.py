"""What happens in a whole video, and in each of its shots and scenes."""

import numpy as np
import polars as pl
import pytest

from resources.catalog.spec import WEIGHTS
from resources.hosting.host import Request
from resources.models.video_llava import SCHEMA
from resources.tasks.descriptions import PROMPT
from tests.kit.makers import make_video
from tests.kit.scene_streams import checked, first, of_clip, streams
from training.tiny_captioners import card as tiny_card
from vid_assets.analyzers import cut_analysis, scene_segmentation, vid2seq, video_llava
from vid_assets.contract import Undefined
from vid_assets.synthetic.clips import Clip, Mover, Shape, Shot

UP = Shot(3.0, shapes=(Mover(Shape("circle", "red", 0.5, 0.75, 0.16), dy=-0.15),), background="brown")
RIGHT = Shot(3.0, shapes=(Mover(Shape("square", "blue", 0.3, 0.5, 0.16), dx=0.12),), background="black")
STILL = Shot(3.0, shapes=(Mover(Shape("cross", "yellow", 0.4, 0.5, 0.16)),))
UP_TEXT = "a red circle moves up on a brown background"
RIGHT_TEXT = "a blue square moves right on a black background"
STILL_TEXT = "a yellow cross stands still on a grey background"


class Tiny:
    """The offline profile's model, in this process."""

    def __init__(self):
        self.host = tiny_card.open_video_llava(WEIGHTS / "tiny_video_llava")

    def describe(self, frames, spans, prompt=PROMPT):
        asked = {"spans": [list(span) for span in spans], "prompt": prompt}
        return self.host.describe([Request(arrays={"frames": frames.array}, args=asked)])[0]


class Echo:
    """Says which rows it was shown; refuses spans of fewer than `least`."""

    def __init__(self, least=0):
        self.least, self.asked = least, []

    def describe(self, frames, spans, prompt=PROMPT):
        self.asked += [list(span) for span in spans]
        rows = [(n, f"rows {span[0]}-{span[-1]}", 0.5, len(span) < self.least) for n, span in enumerate(spans)]
        return pl.DataFrame(rows, SCHEMA, orient="row")


@pytest.fixture(scope="module")
def tiny():
    return Tiny()


def test_two_shots_are_told_in_their_order(tiny):
    for shots, text in (((UP, STILL), f"{UP_TEXT}, then {STILL_TEXT}"), ((RIGHT, UP), f"{RIGHT_TEXT}, then {UP_TEXT}")):
        source, _ = of_clip(Clip(shots=shots))
        table = checked(video_llava.ANALYZER, video_llava.run(source.video, source.frames, tiny), source.video)
        assert table.select("start_s", "end_s", "text").rows() == [(0.0, source.frames.times_s[-1], text)]


def test_each_shot_is_told_with_its_times(tiny):
    source, _ = of_clip(Clip(shots=(UP, RIGHT, STILL)))
    scenes = scene_segmentation.run(source.video, source.thumbs, source.cuts)
    table = vid2seq.run(source.video, source.frames, source.cuts, scenes, tiny)
    table = checked(vid2seq.ANALYZER, table, source.video).filter(pl.col("kind") == "shot")
    assert table["text"].to_list() == [UP_TEXT, RIGHT_TEXT, STILL_TEXT]
    assert table["start_s"].to_list() == pytest.approx([0, 3, 6], abs=1e-6)
    assert table["end_s"].to_list() == pytest.approx([3, 6, 9], abs=1e-6)


def test_a_video_unlike_scenes_is_undefined(tiny):
    rng = np.random.default_rng(5)
    source = streams(rng.integers(0, 256, (75, 90, 160, 3), dtype=np.uint8))
    scenes = scene_segmentation.run(source.video, source.thumbs, source.cuts)
    assert isinstance(video_llava.run(source.video, source.frames, tiny), Undefined)
    answer = vid2seq.run(source.video, source.frames, source.cuts, scenes, tiny)
    assert isinstance(answer, Undefined)
    assert answer.reason == "the only shot is unlike what the model knows"


def boundaries(*times):
    rows = [{"kind": "cut", "start_s": time, "end_s": time} for time in times]
    return pl.DataFrame(rows, {"kind": pl.String, "start_s": pl.Float64, "end_s": pl.Float64})


def scenes_of(*spans):
    rows = [{"start_s": start, "end_s": end, "shots": shots} for start, end, shots in spans]
    return pl.DataFrame(rows, {"start_s": pl.Float64, "end_s": pl.Float64, "shots": pl.Int64})


def test_scenes_of_several_shots_stand_before_their_shots():
    source = streams(np.zeros((250, 9, 16, 3), np.uint8))
    model = Echo()
    table = vid2seq.run(source.video, source.frames, boundaries(2, 4), scenes_of((0, 4, 2), (4, 10, 1)), model)
    assert table.select("kind", "start_s", "end_s", "text").rows() == [
        ("scene", 0.0, 4.0, "rows 0-7"), ("shot", 0.0, 2.0, "rows 0-3"), ("shot", 2.0, 4.0, "rows 4-7"),
        ("shot", 4.0, 10.0, "rows 8-19"),
    ]  # fmt: skip
    checked(vid2seq.ANALYZER, table, source.video)


def test_refused_spans_are_left_out_and_spans_without_pictures_never_asked():
    source = streams(np.zeros((250, 9, 16, 3), np.uint8))
    model = Echo(least=5)
    table = vid2seq.run(source.video, source.frames, boundaries(2, 2.1, 2.3), scenes_of((0, 10, 4)), model)
    assert model.asked == [list(range(20)), [0, 1, 2, 3], [4], list(range(5, 20))]
    assert table["kind"].to_list() == ["scene", "shot"]
    assert table["start_s"].to_list() == [0, 2.3]


def test_no_pictures_are_undefined():
    source = streams(np.zeros((5, 9, 16, 3), np.uint8))
    none = first(source.frames, 0)
    assert isinstance(video_llava.run(source.video, none, Echo()), Undefined)
    assert isinstance(vid2seq.run(source.video, none, cut_analysis.ANALYZER.empty(), scenes_of(), Echo()), Undefined)


def test_pictures_are_drawn_with_their_texts():
    source = streams(np.full((50, 90, 160, 3), 128, np.uint8))
    cuts, scenes = boundaries(1), scenes_of()
    events = vid2seq.run(source.video, source.frames, cuts, scenes, Echo())
    whole = video_llava.run(source.video, source.frames, Echo())
    for picture in (
        vid2seq.preview(events, source.video, source.frames, cuts, scenes),
        video_llava.preview(whole, source.video, source.frames),
    ):
        assert picture.dtype == np.uint8
        assert picture.std() > 10
    assert video_llava.preview(video_llava.ANALYZER.empty(), make_video(), source.frames) is None
    assert vid2seq.preview(vid2seq.ANALYZER.empty(), make_video(), source.frames, cuts, scenes) is None
