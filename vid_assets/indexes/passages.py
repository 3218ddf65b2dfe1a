"""Passages of what is spoken, written and described in a video, with vectors of their meaning.

Speech, and each track of the file's own subtitles, is cut at pauses and changes of language, and where a passage gets
longer than a model reads well. Lines of text that are shown together are one passage, and so is each caption of a shot,
scene or video, and the title of each chapter.

A vector stands for a passage as a whole: a word in passing leaves little trace in it. What the model of the profile
does not understand, such as other languages than English in ``offline``, has a vector without much meaning.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from resources.tasks.sentences import SENTENCES, SentenceModel
from vid_assets.contract import Analyzer, Answer, Column, Undefined, Video
from vid_assets.measures.vectors import as_bytes

MOST_WORDS = 60
PAUSE_S = 2.0
AT_ONCE = 256  # texts per call of the model

TABLE = {
    "source": Column(pl.String, "text", "The analyzer whose text it is; cues for the file's own."),
    "start_s": Column(pl.Float64, "s", "Start of the passage.", ge=0),
    "end_s": Column(pl.Float64, "s", "End of the passage.", ge=0),
    "text": Column(pl.String, "text", "The passage."),
    "embedding": Column(
        pl.List(pl.Int8), "1/127 of the largest", "Vector of its meaning; compare vectors by the cosine of their angle."
    ),
}
SOURCES = ("speech_transcription", "text_overlay", "blip2", "video_llava", "vid2seq")


class Passage(NamedTuple):
    """A text with its place in the video."""

    source: str
    start_s: float
    end_s: float
    text: str


def run(
    video: Video,
    cues: pl.DataFrame,
    speech_transcription: pl.DataFrame | None,
    text_overlay: pl.DataFrame | None,
    blip2: pl.DataFrame | None,
    video_llava: pl.DataFrame | None,
    vid2seq: pl.DataFrame | None,
    model: SentenceModel,
) -> Answer:
    """One row per passage, by source and time; missing inputs add nothing."""
    tables = (speech_transcription, text_overlay, blip2, video_llava, vid2seq)
    found = list(titled(cues.filter(pl.col("start_s") < video.duration_s)))
    if not found and all(table is None for table in tables):
        return Undefined("none of the analyzers that it depends on has an answer")
    if speech_transcription is not None:
        found += spoken(speech_transcription)
    if text_overlay is not None:
        found += written(text_overlay)
    if blip2 is not None:
        found += described("blip2", blip2.filter(level="shot"))
    found += described("video_llava", video_llava) if video_llava is not None else []
    found += described("vid2seq", vid2seq) if vid2seq is not None else []
    if not found:
        return ANALYZER.empty()
    texts = list(dict.fromkeys(passage.text for passage in found))
    vectors = dict(zip(texts, _vectors(texts, model), strict=True))
    rows = [
        (*passage[:2], min(passage.end_s, video.duration_s), passage.text, vectors[passage.text]) for passage in found
    ]
    return pl.DataFrame(rows, ANALYZER.schema, orient="row")


def titled(cues: pl.DataFrame) -> Iterator[Passage]:
    """Yield the passages of the file's own subtitles and captions, track by track, and the titles of its chapters."""
    read = cues.filter(pl.col("text").str.contains(r"\S")).sort("start_s", maintain_order=True)
    for _, track in read.filter(pl.col("kind").is_in(["subtitle", "caption"])).group_by("track", maintain_order=True):
        yield from joined("cues", track)
    yield from described("cues", read.filter(kind="chapter"))


def spoken(words: pl.DataFrame) -> Iterator[Passage]:
    """Yield the passages of speech."""
    understood = words.filter(pl.col("word").str.contains(r"\S")).sort("start_s", maintain_order=True)
    yield from joined("speech_transcription", understood.rename({"word": "text"}))


def joined(source: str, texts: pl.DataFrame) -> Iterator[Passage]:
    """Join texts until there are `MOST_WORDS`, a pause of `PAUSE_S`, or a change of language."""
    kept: list[dict[str, Any]] = []
    count = 0
    for text in texts.select("start_s", "end_s", "text", "language").iter_rows(named=True):
        words = len(text["text"].split())
        if kept and (
            count + words > MOST_WORDS
            or text["start_s"] - kept[-1]["end_s"] >= PAUSE_S
            or text["language"] != kept[-1]["language"]
        ):
            yield _passage(source, kept)
            kept, count = [], 0
        kept.append(text)
        count += words
    if kept:
        yield _passage(source, kept)


def written(lines: pl.DataFrame) -> Iterator[Passage]:
    """Yield the lines that appear and go together as one passage, from top to bottom."""
    read = lines.filter(pl.col("text").str.contains(r"\p{L}{2}")).sort("start_s", "end_s", "y0", "x0")
    for (start_s, end_s), shown in read.group_by(["start_s", "end_s"], maintain_order=True):
        yield Passage("text_overlay", float(start_s), float(end_s), " ".join(shown["text"]))  # pyright: ignore[reportArgumentType]


def described(source: str, captions: pl.DataFrame) -> Iterator[Passage]:
    """Yield the captions that have a text."""
    for start_s, end_s, text in captions.select("start_s", "end_s", "text").iter_rows():
        if text and text.strip():
            yield Passage(source, start_s, end_s, text.strip())


def _passage(source: str, texts: list[dict[str, Any]]) -> Passage:
    text = " ".join(" ".join(part["text"].split()) for part in texts)
    return Passage(source, texts[0]["start_s"], max(part["end_s"] for part in texts), text)


def _vectors(texts: list[str], model: SentenceModel) -> list[list[int]]:
    found: list[list[int]] = []
    for start in range(0, len(texts), AT_ONCE):
        answer = model.embed(texts[start : start + AT_ONCE])
        found += as_bytes(np.array(answer["embedding"].to_list(), np.float32)).tolist()
    return found


ANALYZER = Analyzer(
    name="passages",
    version="1",
    group="archive",
    inputs=("video", "cues", *SOURCES),
    optional=frozenset(SOURCES),
    run=run,
    table=TABLE,
    task=SENTENCES,
    budget=0.1,
)
