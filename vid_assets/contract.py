"""What an analyzer is, what it gets, and what it answers. Imports no dagster, no torch, no duckdb.

An analyzer is one file in ``vid_assets/analyzers``: a pure ``run`` function from inputs to a polars frame, and one
`Analyzer` that describes it. Inputs are the media streams of one video (`Video`, `Frames`, `Audio`), other analyzers'
tables, and at most one model, typed by one of the Protocols below.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.errors import AnalyzerDefinitionError

STREAMS = ("video", "thumbs", "frames", "audio")
TIME_COLUMNS = ("time_s", "start_s", "end_s")
GROUPS = (
    "understanding", "objects_and_scene", "people", "text_and_speech", "picture", "structure", "sound", "archive",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an analyzer's table.

    Attributes:
        dtype: Polars data type, exact.
        unit: ``s``, ``px``, ``1`` (a share or ratio), ``dB``, ``text``, ... It stands in the warehouse's comments.
        description: What the value means, in one sentence.
        ge: Smallest value allowed, in `unit`.
        le: Largest value allowed, in `unit`.
        nullable: Whether a row may lack the value (nothing measurable there).

    Columns named ``time_s``, ``start_s`` or ``end_s`` are positions on the video's time axis, in seconds from its
    start, and must lie within the video.
    """

    dtype: pl.DataType | type[pl.DataType]
    unit: str
    description: str
    ge: float | None = None
    le: float | None = None
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Video:
    """Facts about one video file, read in the decode pass.

    Attributes:
        video_id: Partition key: readable stem, a dash, 12 hex digits of the content hash.
        duration_s: From the first picture or sample to the end of the last, in seconds.
        width: Displayed width in px, after rotation and pixel aspect ratio; 0 without a picture.
        height: Displayed height in px; 0 without a picture.
        fps: Average frame rate in frames a second; 0 without a picture.
        frame_count: Pictures that were decoded.
        has_picture: Whether there is a video stream with at least one decodable picture.
        has_audio: Whether there is an audio stream with at least one decodable sample.
    """

    video_id: str
    duration_s: float
    width: int
    height: int
    fps: float
    frame_count: int
    has_picture: bool
    has_audio: bool


@dataclass(frozen=True, slots=True)
class Frames:
    """Pictures of one video, memory-mapped and read-only.

    The stream ``thumbs`` holds every frame, squeezed to 48 x 27 px whatever the aspect ratio. The stream ``frames``
    holds about two a second, upright, with square pixels, the long side at most 640 px.

    Attributes:
        array: uint8 RGB, shape [n, height, width, 3].
        times_s: float64 [n], presentation time of each, in seconds from the start of the video, ascending.
        indices: int64 [n], position of each among all the frames of the video in presentation order, from 0.
        path: The ``.npy`` file behind `array`, for models that map it themselves; None for arrays made in memory.
        video_id: The video that the pictures belong to.
    """

    array: NDArray[np.uint8]
    times_s: NDArray[np.float64]
    indices: NDArray[np.int64]
    path: Path | None = None
    video_id: str = ""

    def __len__(self) -> int:
        return len(self.array)


@dataclass(frozen=True, slots=True)
class Audio:
    """The sound of one video, mixed to mono at 16 kHz, memory-mapped and read-only.

    Attributes:
        samples: float32 [n], -1..1. Sample 0 sounds at the start of the video's time axis: late sound is padded with
            silence, early sound is trimmed.
        sample_rate: Always 16000 Hz.
        path: The ``.npy`` file behind `samples`; None for arrays made in memory.
        video_id: The video that the sound belongs to.
    """

    samples: NDArray[np.float32]
    sample_rate: int = 16000
    path: Path | None = None
    video_id: str = ""


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """The question does not arise for this video (no audio track, say). It counts as answered."""

    reason: str


@dataclass(frozen=True, slots=True)
class Undefined:
    """Nothing could be measured, or the model is not available in this profile. It counts as not answered."""

    reason: str


Answer = pl.DataFrame | NotApplicable | Undefined


class TextModel(Protocol):
    """Finds and reads text in pictures."""

    def read_text(self, frames: Frames, rows: Sequence[int]) -> pl.DataFrame:
        """One row a line of text found in ``frames.array[rows]``.

        Columns: ``row`` Int64 (index into `frames`), ``text`` String, ``confidence`` Float64 0..1, and the corners of
        its box, ``x0 y0 x1 y1``, Float64 as shares of the picture's width and height.
        """
        ...


class SpeechModel(Protocol):
    """Turns speech into words with times."""

    def transcribe(self, audio: Audio) -> pl.DataFrame:
        """One row a word: ``segment`` Int64, ``word`` String, ``start_s end_s`` Float64, ``confidence`` Float64 0..1,
        ``no_speech`` Float64 0..1 (of its segment), ``language`` String (ISO 639-1).
        """  # noqa: D205
        ...


class SoundModel(Protocol):
    """Tells speech, singing and music apart, and what else it knows."""

    def tag(self, audio: Audio) -> pl.DataFrame:
        """One row a stretch and label: ``start_s end_s`` Float64, ``label`` String, ``score`` Float64 0..1.

        Stretches follow each other without gaps; ``speech``, ``singing`` and ``music`` stand in every one.
        """
        ...


class DetectionModel(Protocol):
    """Finds objects in pictures."""

    def detect(self, frames: Frames, rows: Sequence[int]) -> pl.DataFrame:
        """One row an object in ``frames.array[rows]``.

        Columns: ``row`` Int64 (index into `frames`), ``label`` String (COCO class), ``score`` Float64 0..1, and its
        box, ``x0 y0 x1 y1``, Float64 as shares of the picture's width and height.
        """
        ...


class SegmentationModel(Protocol):
    """Parts foreground and background."""

    def segment(self, frames: Frames, rows: Sequence[int]) -> pl.DataFrame:
        """One row a picture of ``frames.array[rows]``: ``row`` Int64, and ``mask`` Binary.

        A mask is 64 x 64 bytes, row by row: how likely each place is foreground, 0 to 255 for 0 to 1.
        """
        ...


class FaceModel(Protocol):
    """Finds faces and reads their mesh and irises."""

    def faces(self, frames: Frames, rows: Sequence[int]) -> pl.DataFrame:
        """One row a face in ``frames.array[rows]``.

        Columns: ``row`` Int64 (index into `frames`), ``score`` Float64 0..1, the box ``x0 y0 x1 y1`` Float64 as shares
        of the picture, ``mesh`` List(Float64): x, y, z of MediaPipe's 468 points, and ``irises`` List(Float64): x, y of
        five points of the person's right and then left iris, the centre first; both in px of the picture.
        """
        ...


class AgeModel(Protocol):
    """Tells how old faces look."""

    def ages(
        self, frames: Frames, rows: Sequence[int], boxes: Sequence[tuple[float, float, float, float]]
    ) -> pl.DataFrame:
        """One row a face: ``face`` Int64 (index into `rows`), ``ages`` List(Float64), shares of the years 0 to 99.

        Face k is in ``frames.array[rows[k]]``, in ``boxes[k]``, x0 y0 x1 y1 as shares of the picture. Faces too small
        to be cut out are left out.
        """
        ...


class EmotionModel(Protocol):
    """Tells emotions from voices."""

    def emotions(self, audio: Audio, spans: Sequence[tuple[float, float]]) -> pl.DataFrame:
        """One row a span and emotion: ``span`` Int64 (index into `spans`), ``emotion`` String, ``score`` Float64.

        Spans are start and end in seconds; the scores of a span add up to 1, and spans that are too short have none.
        """
        ...


class DepthModel(Protocol):
    """Tells how near the places of a picture are."""

    def nearness(self, frames: Frames, rows: Sequence[int]) -> pl.DataFrame:
        """One row a picture of ``frames.array[rows]``: ``row`` Int64, and ``nearness`` Binary.

        A map is 64 x 64 bytes, row by row: 0 for the farthest place of that picture, 255 for the nearest, linear in
        inverse depth.
        """
        ...


class CaptionModel(Protocol):
    """Answers prompts about single pictures."""

    def caption(self, frames: Frames, rows: Sequence[int]) -> pl.DataFrame:
        """One row a picture and prompt: ``row`` Int64, ``prompt`` String (scene, objects, actions, setting),
        ``text`` String, ``confidence`` Float64 0..1 (geometric mean probability of the tokens), ``refused`` Boolean
        (the picture is unlike what the model knows; the text is then no caption).
        """  # noqa: D205
        ...


class VideoModel(Protocol):
    """Describes spans of a video from several pictures each."""

    def describe(self, frames: Frames, spans: Sequence[Sequence[int]]) -> pl.DataFrame:
        """One row a span: ``span`` Int64 (index into `spans`), ``text`` String, ``confidence`` Float64 0..1,
        ``refused`` Boolean. A span is the list of its rows in `frames`, ascending.
        """  # noqa: D205
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyzer:
    """Everything that the pipeline knows about one analyzer.

    Attributes:
        name: File stem, asset key and table name.
        version: Raise it when the same input may give another answer; it re-runs the partitions concerned.
        group: One of `GROUPS`; the asset group in Dagster.
        inputs: Names of streams (`STREAMS`) and of other analyzers, in the order of `run`'s parameters.
        run: Pure function ``run(*inputs)``, or ``run(*inputs, model)`` if `model` is named. Deterministic.
        table: The columns it answers with, without ``video_id``, which the pipeline adds in front.
        model: Name of a model in ``resources/catalog.py``; it is handed to `run` as its last argument.
        optional: Those of `inputs` that the analyzer does without where they are missing; it then gets None. ``model``
            among them stands for a model that the profile may lack.
        coverage: Least share of the video that the rows must span; None where rows are events that may be rare.
        preview: ``preview(table, *inputs)`` draws the result, uint8 RGB [h, w, 3], or None if there is nothing to see.

    Raises:
        AnalyzerDefinitionError: The description contradicts itself.
    """

    name: str
    version: str
    group: str
    inputs: tuple[str, ...]
    run: Callable[..., Answer]
    table: Mapping[str, Column]
    model: str | None = None
    optional: frozenset[str] = frozenset()
    coverage: float | None = None
    preview: Callable[..., NDArray[np.uint8] | None] | None = None

    def __post_init__(self) -> None:
        """Refuse a description that could only fail later, in the middle of a run."""
        if not self.name.isidentifier():
            raise AnalyzerDefinitionError(self.name, "the name is not an identifier", "use the file's stem")
        if self.group not in GROUPS:
            raise AnalyzerDefinitionError(self.name, f"unknown group {self.group!r}", f"use one of {', '.join(GROUPS)}")
        if not self.table or "video_id" in self.table:
            raise AnalyzerDefinitionError(
                self.name, "the table has no column of its own or names video_id", "declare what it answers with"
            )
        if unknown := sorted(self.optional - {*self.inputs, *(["model"] if self.model else [])}):
            raise AnalyzerDefinitionError(
                self.name, f"optional names {unknown}, which are no inputs", "name inputs only"
            )
        expected = [*self.inputs, *(["model"] if self.model else [])]
        actual = list(inspect.signature(self.run).parameters)
        if actual != expected:
            raise AnalyzerDefinitionError(
                self.name, f"run takes {actual}, inputs and model say {expected}", "make the two agree"
            )

    @property
    def upstream(self) -> tuple[str, ...]:
        """The analyzers whose tables it reads."""
        return tuple(name for name in self.inputs if name not in STREAMS)

    @property
    def schema(self) -> pl.Schema:
        """Column name to polars data type, without ``video_id``."""
        return pl.Schema({name: column.dtype for name, column in self.table.items()})

    def empty(self) -> pl.DataFrame:
        """A typed table without rows."""
        return pl.DataFrame(schema=self.schema)
