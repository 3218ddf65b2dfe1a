"""Pictures of results: nothing is cut off, boxes hide nothing, and the waveform stands over its bars."""

from itertools import pairwise

import numpy as np
import pytest

from vid_assets import drawing
from vid_assets.contract import Frames
from vid_assets.drawing import FRAME, INK, PALETTE, WIDTH, contact_sheet, timeline


def pictures(count, width=64, height=36):
    array = np.full((count, height, width, 3), 90, np.uint8)
    return Frames(array, np.arange(count) / 2, np.arange(count))


@pytest.fixture
def written(monkeypatch):
    """What the drawing wrote: text and the px it may take."""
    texts = []
    write = drawing._write

    def noted(picture, text, x, y, width, *rest):
        texts.append((text, x, width))
        write(picture, text, x, y, width, *rest)

    monkeypatch.setattr(drawing, "_write", noted)
    return texts


def has(picture, colour):
    return (picture == np.array(colour, np.uint8)).all(axis=-1)


def test_long_labels_go_on_in_the_next_line(written):
    label = "a green circle, a white triangle and a green triangle on a brown background"
    short, long = (contact_sheet(pictures(4), range(4), [text] * 4) for text in ("short", label))
    assert long.shape[0] > short.shape[0]
    lines = [text for text, x, _ in written if x == 8]
    assert lines[0] == "0.00 s  short"
    assert " ".join(lines[1:]) == f"0.00 s  {label}"
    assert all(drawing._length(text) <= width for text, _, width in written)


def test_endless_labels_end_in_dots():
    picture = contact_sheet(pictures(2), [0, 1], ["words " * 5000, "x" * 5000])
    assert picture.shape[1] == WIDTH
    assert picture.shape[0] < 400


def test_one_small_picture_is_not_blown_up():
    assert contact_sheet(pictures(1, 48, 27), [0]).shape[0] < 160
    assert contact_sheet(pictures(1, 640, 360), [0]).shape[0] < 320


def test_boxes_lie_around_what_they_mark():
    picture = contact_sheet(pictures(1, 200, 100), [0], boxes=[[(0.25, 0.25, 0.75, 0.75)]], tags=[["7"]])
    plain = contact_sheet(pictures(1, 200, 100), [0])
    inside = picture[70:170, 130:340]
    assert (inside == plain[70:170, 130:340]).all()
    assert has(picture, FRAME).sum() > 500


def test_a_box_at_the_edge_keeps_its_tag_within_the_picture():
    tags = [["a long name", "b"]]
    picture = contact_sheet(pictures(1), [0], boxes=[[(0.98, 0.0, 1.0, 0.02), (0.0, 0.97, 0.01, 1.0)]], tags=tags)
    assert has(picture, FRAME)[:, 270:].sum() == 0


def test_numbers_are_whole_or_left_out(written):
    timeline({"noise": [(0.0, 0.1, "-41 dB"), (0.2, 0.3, "-36 dB"), (5.0, 9.0, "-10 dB")]}, 10.0)
    texts = [text for text, x, _ in written if text.endswith("dB")]
    assert "-10 dB" in texts
    assert set(texts) <= {"-41 dB", "-36 dB", "-10 dB"}
    assert all(drawing._length(text) <= width for text, _, width in written)


def test_texts_beside_bars_do_not_meet(written):
    bars = [(float(at), at + 0.05, "a text") for at in range(10)]
    timeline({"events": bars}, 40.0)
    places = sorted(x for text, x, _ in written if text == "a text")
    assert all(after - before >= drawing._length("a text") for before, after in pairwise(places))


def test_the_waveform_has_the_colour_of_its_lane():
    sound = np.zeros(16000, np.float32)
    sound[4000:8000] = 0.5
    sound[4001:8000:2] = -0.5
    picture = timeline({"speech": [(0.25, 0.5, "")], "noise": [(0.0, 1.0, "")]}, 1.0, sound)
    wave = picture[:80]
    assert has(wave, PALETTE[0]).any(axis=0).sum() == pytest.approx(199, abs=3)
    assert has(wave, PALETTE[0]).sum() > 50 * 199
    assert has(wave, PALETTE[1]).any()


@pytest.mark.parametrize("length", [0, 1, 100, 20_000])
def test_any_sound_has_a_waveform(length):
    picture = timeline({}, 1.0, np.zeros(length, np.float32))
    assert picture.dtype == np.uint8
    assert has(picture, INK).any()


def test_letters_of_other_scripts_are_written():
    known, unknown = (timeline({"x": [(0.0, 10.0, text)]}, 10.0) for text in ("Привет", "??????"))
    assert (known != unknown).any()
