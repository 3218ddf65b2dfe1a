import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation._words import edits
from resources.catalog.rows import find
from resources.hosting.host import Request
from resources.models.rapidocr import TextReaderHost
from vid_assets.analyzers.text_overlay import ANALYZER, preview, run
from vid_assets.contract import Frames, Video
from vid_assets.measures.strokes import has_rows, strokes
from vid_assets.measures.text_lines import Line, alike, merged, one_at_a_time, overlap, scrolls, stitched
from vid_assets.pipeline.checks import check_table
from vid_assets.synthetic.clips import FEATURES, Clip, Pan, Shot, Text, frames, random_clip, truth

STEP = 12  # of the clips' frames, as the sampling of two a second
SCHEMA = {
    "row": pl.Int64, "text": pl.String, "confidence": pl.Float64,
    "x0": pl.Float64, "y0": pl.Float64, "x1": pl.Float64, "y1": pl.Float64,
}  # fmt: skip


def sampled(clip):
    known = truth(clip)
    chosen = [(i, picture) for i, picture in enumerate(frames(clip)) if i % STEP == 0]
    indices = np.array([i for i, _ in chosen])
    stream = Frames(np.stack([picture for _, picture in chosen]), indices / known.fps, indices)
    video = Video("v", known.duration_s, clip.width, clip.height, known.fps, known.frame_count, True, False)
    return video, stream, known


class PerfectReader:
    """Reads what the clip's truth says is there, with the margin that real readers leave."""

    def __init__(self, known, confidence=0.99):
        self.known, self.confidence, self.asked, self.area = known, confidence, [], 0.0

    def read_text(self, stream, rows, boxes=None):
        self.asked += rows
        self.area += sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes)
        lines = []
        for row, part in zip(rows, boxes, strict=True):
            time = stream.times_s[row]
            for text in self.known.texts:
                if text.start_s - 1e-9 <= time < text.end_s - 1e-9 and overlap(text.box, part) > 0.99:
                    margin = text.height / 5
                    x0, y0, x1, y1 = text.box
                    box = (x0 - margin / 2, y0 - margin, x1 + margin / 2, y1 + margin)
                    lines.append((row, text.text, self.confidence, *box))
        return pl.DataFrame(lines, SCHEMA, orient="row")


class RealReader:
    """The true model, in this process."""

    def __init__(self):
        spec = find("text", "offline")
        folder = Path(importlib.util.find_spec("rapidocr").origin).parent
        self.host = TextReaderHost(spec, folder / "models", {})
        self.host.load()
        self.asked = []

    def read_text(self, stream, rows, boxes=None):
        self.asked += rows
        args = {"boxes": boxes} if boxes else {}
        return self.host.read_text([Request("v", {"frames": stream.array}, {"frames": rows}, args)])[0]


@pytest.fixture(scope="module")
def real_reader():
    return RealReader()


def expect_times(row, text, video):
    """A line starts at the first sample that shows it and ends at the first that does not."""
    step = STEP / video.fps
    assert row["start_s"] == pytest.approx(np.ceil(text.start_s / step - 1e-9) * step)
    assert row["end_s"] == pytest.approx(min(np.ceil(text.end_s / step - 1e-9) * step, video.duration_s))


def expect_box(row, text):
    # strokes of the background beside the letters cannot be told from them
    assert [row[side] for side in ("x0", "y0", "x1", "y1")] == pytest.approx(text.box, abs=0.04)


@pytest.mark.parametrize("kind", [None, "noise", "checker", "city"])
def test_lines_over_a_still_picture(kind):
    texts = (Text("Harbour Cam 4", 1.0, 4.0, y=0.15, height=0.07), Text("Thank you", 2.0, 5.5, y=0.85, height=0.1))
    video, stream, known = sampled(Clip(shots=(Shot(8.0, texture=kind),), texts=texts))
    reader = PerfectReader(known)
    table = run(video, stream, reader)
    assert table["text"].to_list() == ["Harbour Cam 4", "Thank you"]
    assert table["position"].to_list() == ["top", "bottom"]
    for row, text in zip(table.iter_rows(named=True), known.texts, strict=True):
        expect_times(row, text, video)
        expect_box(row, text)
        assert row["height"] == pytest.approx(text.box[3] - text.box[1], abs=0.05)
    assert reader.area <= 2.5  # pictures; one per second would be 8


@pytest.mark.parametrize("seed", range(4))
def test_lines_of_random_clips(seed):
    features = FEATURES - {"sound", "speech_like", "av_offset", "letterbox", "freezes", "speed"}
    video, stream, known = sampled(random_clip(seed, duration_s=9.0, features=features))
    reader = PerfectReader(known)
    table = run(video, stream, reader)
    assert table["text"].to_list() == [text.text for text in known.texts]
    for row, text in zip(table.iter_rows(named=True), known.texts, strict=True):
        expect_times(row, text, video)
    assert reader.area <= len(stream) * 0.25  # half a picture per second


def test_same_place_new_words_and_the_same_words_again():
    texts = (Text("First line", 0.5, 2.0), Text("Second one", 2.0, 4.0), Text("First line", 5.0, 7.0))
    video, stream, known = sampled(Clip(shots=(Shot(8.0, texture="blobs", camera=Pan(0.2)),), texts=texts))
    table = run(video, stream, PerfectReader(known))
    assert table["text"].to_list() == ["First line", "Second one", "First line"]
    for row, text in zip(table.iter_rows(named=True), known.texts, strict=True):
        expect_times(row, text, video)


def test_texts_back_to_back_in_one_place_are_read_one_by_one():
    words = ("are are did do", "them write two and", "which as when who", "day may now like")
    texts = tuple(Text(word, 1.0 * k, 1.0 * (k + 1), y=0.88) for k, word in enumerate(words))
    video, stream, known = sampled(Clip(shots=(Shot(4.0, texture="noise"),), texts=texts))
    table = run(video, stream, PerfectReader(known))
    assert table["text"].to_list() == list(words)
    for row, text in zip(table.iter_rows(named=True), known.texts, strict=True):
        expect_times(row, text, video)


def test_a_clock_is_a_new_text_every_second():
    texts = tuple(Text(f"00:00:{k:02}", 1.0 * k, 1.0 * (k + 1), x=0.8, y=0.1, height=0.06) for k in range(10))
    video, stream, known = sampled(Clip(shots=(Shot(10.0, texture="city"),), texts=texts))
    reader = PerfectReader(known)
    table = run(video, stream, reader)
    assert table["text"].to_list() == [f"00:00:{k:02}" for k in range(10)]
    for row, text in zip(table.iter_rows(named=True), known.texts, strict=True):
        expect_times(row, text, video)
    assert reader.area <= 5  # pictures; one per second would be 10


def test_a_line_that_scrolls_is_one_line():
    whole = "Harbour opens early +++ Bridge closed all day"
    windows = [(0, 18), (4, 26), (10, 34), (18, 45)]
    lines = [
        Line(whole[a:b], 0.99, (0.0, 0.9, 1.0, 0.96), 2 * k, 2 * k, row=2 * k, moves=k > 0)
        for k, (a, b) in enumerate(windows)
    ]
    assert all(scrolls(*pair) for pair in pairwise(lines))
    lines[0].moves = True
    (line,) = stitched(lines)
    assert (line.text, line.first, line.last, line.reads) == (whole, 0, 6, 4)


def test_changed_digits_are_another_text_and_a_misread_letter_is_not():
    assert not alike("HAM 1 - 0 BRE", "HAM 2 - 0 BRE")
    assert alike("Weather at nine", "Wether at nine")


def test_a_line_takes_the_place_of_another():
    box = (0.3, 0.8, 0.7, 0.9)
    lines = one_at_a_time([Line("First line", 0.9, box, 0, 6), Line("Second one", 0.9, box, 4, 9)])
    assert [(line.text, line.first, line.last) for line in lines] == [("First line", 0, 3), ("Second one", 4, 9)]


def test_a_part_of_a_picture_is_read_in_its_place(real_reader):
    texts = (Text("Harbour Cam 4", 0.0, 1.0, y=0.15, height=0.07), Text("Thank you", 0.0, 1.0, y=0.85, height=0.1))
    _, stream, known = sampled(Clip(shots=(Shot(1.0, texture="noise"),), texts=texts))
    found = real_reader.read_text(stream, [0], [(0.1, 0.7, 0.9, 1.0)])
    assert [text.replace(" ", "") for text in found["text"]] == ["Thankyou"]
    expect_box(found.row(0, named=True), known.texts[1])


def test_text_that_outlives_cuts_is_one_line():
    shots = (Shot(3.0, texture="city"), Shot(3.0, background="brown"), Shot(3.0, texture="noise", palette=2))
    video, stream, known = sampled(Clip(shots=shots, texts=(Text("LIVE", 1.0, 8.0, x=0.85, y=0.1),)))
    table = run(video, stream, PerfectReader(known))
    assert table["text"].to_list() == ["LIVE"]
    expect_times(table.row(0, named=True), known.texts[0], video)


def test_pictures_without_strokes_are_not_read():
    video, stream, known = sampled(Clip(shots=(Shot(4.0, background="black"), Shot(4.0, background="grey"))))
    reader = PerfectReader(known)
    table = run(video, stream, reader)
    assert (table.schema, table.height) == (pl.Schema(ANALYZER.schema), 0)
    assert reader.asked == []


def test_unsure_empty_and_huge_readings_are_dropped():
    clip = Clip(shots=(Shot(2.0, texture="checker"),), texts=(Text("Weather at nine", 0.0, 2.0),))
    video, stream, known = sampled(clip)
    assert run(video, stream, PerfectReader(known, confidence=0.5)).is_empty()

    class Odd:
        def read_text(self, stream, rows, boxes=None):
            lines = [(rows[0], "--", 0.9, 0.1, 0.1, 0.3, 0.2), (rows[0], "十", 0.9, 0.0, 0.0, 1.0, 1.0)]
            return pl.DataFrame(lines, SCHEMA, orient="row")

    assert run(video, stream, Odd()).is_empty()


def test_beside_a_doubtful_reading_is_read_again():
    clip = Clip(shots=(Shot(4.0, texture="checker"),), texts=(Text("Weather at nine", 1.0, 3.0),))
    video, stream, known = sampled(clip)

    class OnceUnsure(PerfectReader):
        def read_text(self, stream, rows, boxes=None):
            self.confidence = 0.99 if self.asked else 0.6
            return super().read_text(stream, rows, boxes)

    reader = OnceUnsure(known)
    table = run(video, stream, reader)
    assert table.select("text", "confidence").rows() == [("Weather at nine", 0.99)]
    assert len(set(reader.asked)) == len(reader.asked)


def test_one_picture_is_enough():
    video, stream, known = sampled(Clip(shots=(Shot(0.04, texture="city"),), texts=(Text("Chapter 12"),)))
    table = run(video, stream, PerfectReader(known))
    assert table.select("text", "start_s", "reads").row(0) == ("Chapter 12", 0.0, 1)
    assert table["end_s"][0] == pytest.approx(video.duration_s)
    assert preview(table, video, stream).shape[2] == 3


@pytest.mark.parametrize("level", [0, 128, 255])
def test_plain_and_empty_input(level):
    reader = PerfectReader(truth(Clip(shots=(Shot(1.0),))))
    for count in (0, 1, 3):
        stream = Frames(np.full((count, 36, 64, 3), level, np.uint8), np.arange(count) / 2, np.arange(count))
        table = run(Video("v", 2.0, 64, 36, 25.0, 50, True, False), stream, reader)
        assert (table.schema, table.height) == (pl.Schema(ANALYZER.schema), 0)
        assert preview(table, Video("v", 2.0, 64, 36, 25.0, 50, True, False), stream) is None
    assert reader.asked == []


def test_strokes_are_thin_and_in_rows():
    picture = np.full((360, 640), 100, np.uint8)
    picture[100:200, 100:300] = 250
    assert not strokes(picture).any()
    picture[300:318, 100:160:6] = 250
    found = strokes(picture)
    assert found.any()
    assert not found[:290].any()
    assert has_rows(found)
    lone = np.zeros_like(found)
    lone[300:308, 100:108] = True
    assert not has_rows(lone)


def test_readings_of_one_line_are_merged_by_place_time_and_words():
    box, aside = (0.3, 0.8, 0.7, 0.9), (0.3, 0.1, 0.7, 0.2)
    lines = [
        Line("Wether at nine", 0.8, box, 2, 5),
        Line("Weather at nine", 0.9, (0.31, 0.8, 0.7, 0.91), 4, 7),
        Line("Weather at nine", 0.9, box, 20, 22),
        Line("Weather at nine", 0.9, aside, 3, 6),
    ]
    assert [(line.text, line.first, line.last, line.reads) for line in merged(lines)] == [
        ("Weather at nine", 2, 7, 2),
        ("Weather at nine", 3, 6, 1),
        ("Weather at nine", 20, 22, 1),
    ]


def test_true_reader_makes_few_mistakes(real_reader):
    words = (("BREAKING NEWS", 0.05), ("Open until 21:30", 0.06), ("Written by A. Novak", 0.08))
    texts = tuple(
        Text(text, 0.4 + 2 * place, 1.9 + 2 * place, y=(0.15, 0.85)[place % 2], height=height)
        for place, (text, height) in enumerate(words)
    )
    video, stream, known = sampled(Clip(shots=(Shot(6.6, texture="city"),), texts=texts))
    table = run(video, stream, real_reader)
    assert table.height == len(texts)
    mistakes = sum(edits(read, text.text) for read, text in zip(table["text"], known.texts, strict=True))
    assert mistakes <= 0.05 * sum(len(text.text) for text in known.texts)
    for row, text in zip(table.iter_rows(named=True), known.texts, strict=True):
        expect_times(row, text, video)
        expect_box(row, text)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(8, 90), st.integers(8, 90), st.integers(1, 5))
def test_any_reading_keeps_the_contract(seed, height, width, count):
    rng = np.random.default_rng(seed)
    stream = Frames(rng.integers(0, 256, (count, height, width, 3), np.uint8), np.arange(count) / 2, np.arange(count))
    video = Video("v", count / 2, width, height, 25.0, count * 12, True, False)

    class Wild:
        def read_text(self, stream, rows, boxes=None):
            made = np.random.default_rng(seed)
            lines = [(row, f" word {row}\n", made.random(), *(made.random(4) * 1.4 - 0.2)) for row in sorted(3 * rows)]
            return pl.DataFrame(lines, SCHEMA, orient="row")

    table = run(video, stream, Wild())
    assert all(outcome.passed for outcome in check_table(ANALYZER, table, video))
    assert table.equals(run(video, stream, Wild()))
