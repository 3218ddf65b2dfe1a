"""What an analyzer is, what it receives, and what it returns. Imports no dagster, no torch, no duckdb.

An analyzer is one file in ``vid_assets/analyzers``: a pure ``run`` function from inputs to a polars frame, and one
`Analyzer` that describes it. Inputs are the media streams of one video (`Video`, `Frames`, `Audio`) and the tables of
other analyzers. The stream ``cues`` is a frame with the columns of the table of that name: the file's own subtitles,
captions, chapters and timecodes. An analyzer may ask one model, through a task of ``resources/tasks``, and may have
settings.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pydantic
from numpy.typing import NDArray

from resources.tasks import Task
from vid_assets.errors import AnalyzerDefinitionError

STREAMS = ("video", "thumbs", "frames", "audio", "cues")
TIME_COLUMNS = ("time_s", "start_s", "end_s")
GROUPS = (
    "understanding", "objects_and_scene", "people", "text_and_speech", "picture", "structure", "sound", "archive",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an analyzer's table.

    Attributes:
        dtype: Polars data type, exact.
        unit: ``s``, ``px``, ``1`` (a share or ratio), ``dB``, ``text``, ... It appears in the warehouse's comments.
        description: What the value means, in one sentence.
        ge: Smallest value allowed, in `unit`.
        le: Largest value allowed, in `unit`.
        nullable: Whether a row may lack the value, if there is nothing to measure.

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
        duration_s: From the first picture or sample, whichever is earlier, to the end of the last, in seconds.
        width: Displayed width in px, after rotation and pixel aspect ratio; 0 without a picture.
        height: Displayed height in px; 0 without a picture.
        fps: Average frame rate in frames per second; the constant rate if only damage breaks it; 0 without a picture.
        frame_count: Number of decoded pictures.
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

    The stream ``thumbs`` holds every frame, scaled to 48 x 27 px regardless of the aspect ratio. The stream ``frames``
    holds about two frames per second, upright, with square pixels, the long side at most 640 px; settings can change
    both. All frames are deinterlaced, of standard dynamic range, and without transparency.

    Attributes:
        array: uint8 RGB, shape [n, height, width, 3].
        times_s: float64 [n], presentation time of each frame, in seconds from the start of the video, ascending.
        indices: int64 [n], position of each frame among all frames of the video in presentation order, from 0.
        path: The ``.npy`` file behind `array`, for models that map it themselves; None for arrays made in memory.
        video_id: The video that the pictures belong to.
        lost: int64, rows before which pictures are missing because they were damaged, ascending.
    """

    array: NDArray[np.uint8]
    times_s: NDArray[np.float64]
    indices: NDArray[np.int64]
    path: Path | None = None
    video_id: str = ""
    lost: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.array)


@dataclass(frozen=True, slots=True)
class Audio:
    """The sound of one video, mixed to mono at 16 kHz, memory-mapped and read-only.

    Attributes:
        samples: float32 [n], -1..1. Sample 0 is at the start of the video's time axis; late sound is padded with
            silence. If the channels cancel each other, or differ, it is one of them instead of their mix.
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
    """The question does not apply to this video (for example, it has no audio track). It counts as answered."""

    reason: str


@dataclass(frozen=True, slots=True)
class Undefined:
    """Nothing could be measured, or the profile has no model for it. It counts as not answered."""

    reason: str


Answer = pl.DataFrame | NotApplicable | Undefined


class Config(pydantic.BaseModel):
    """Base of an analyzer's settings: what users may change, each with a default, a range and a meaning.

    The fields appear in Dagster's launchpad and in the configuration file of an archive. Use the types str, int, float,
    bool, list and dict. A changed value changes the code version: answers from the old value become stale.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


def setting(
    default: Any, unit: str, description: str, *, ge: float | None = None, le: float | None = None
) -> Any:  # like pydantic's Field, which may have a value of any type
    """One field of a `Config`.

    Args:
        default: The value unless it is configured. If you change a default, raise the version of the analyzer.
        unit: As in `Column`.
        description: What the value does, in one sentence.
        ge: Smallest value allowed, in `unit`.
        le: Largest value allowed, in `unit`.
    """
    return pydantic.Field(default, description=f"{description} [{unit}]", ge=ge, le=le, validate_default=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyzer:
    """Everything that the pipeline knows about one analyzer.

    Attributes:
        name: File stem, asset key and table name.
        version: Raise it when the same input may give another answer; this re-runs the affected partitions.
        group: The asset group in Dagster: one of `GROUPS`, or a name of your own.
        inputs: Names of streams (`STREAMS`) and of other analyzers, in the order of `run`'s parameters.
        run: Pure function ``run(*inputs)``. With a `task` it also takes ``model``, with a `config` also ``config``, in
            this order. Deterministic.
        table: The columns that it returns, without ``video_id``, which the pipeline adds in front.
        task: The question that it asks a model; `run` receives the model that answers it.
        config: Class of its settings; `run` receives an instance.
        optional: Those of `inputs` that may be missing; `run` then receives None. ``model`` in it means a model that
            the profile may lack.
        coverage: Minimum share of the video that the rows must span; None if rows are events that may be rare.
        budget: Computing seconds allowed for each second of video, on two cores in profile ``offline``.
        preview: ``preview(table, *inputs)`` draws the result, uint8 RGB [h, w, 3], or returns None if there is nothing
            to see.

    Raises:
        AnalyzerDefinitionError: The description contradicts itself.
    """

    name: str
    version: str
    group: str
    inputs: tuple[str, ...]
    run: Callable[..., Answer]
    table: Mapping[str, Column]
    task: Task | None = None
    config: type[Config] | None = None
    optional: frozenset[str] = frozenset()
    coverage: float | None = None
    budget: float = 0.005
    preview: Callable[..., NDArray[np.uint8] | None] | None = None

    def __post_init__(self) -> None:
        """Refuse a description that can only fail later, in the middle of a run."""
        if not self.name.isidentifier():
            raise AnalyzerDefinitionError(self.name, "the name is not an identifier", "use the file's stem")
        if not self.group.isidentifier():
            fix = f"use one of {', '.join(GROUPS)}, or a name of your own"
            raise AnalyzerDefinitionError(self.name, f"the group {self.group!r} is not an identifier", fix)
        if not self.table or "video_id" in self.table:
            raise AnalyzerDefinitionError(
                self.name, "the table has no column of its own or names video_id", "declare what it answers with"
            )
        extra = [*(["model"] if self.task else []), *(["config"] if self.config else [])]
        if unknown := sorted(self.optional - {*self.inputs, *extra[: bool(self.task)]}):
            raise AnalyzerDefinitionError(
                self.name, f"optional names {unknown}, which are no inputs", "name inputs only"
            )
        expected = [*self.inputs, *extra]
        actual = list(inspect.signature(self.run).parameters)
        if actual != expected:
            raise AnalyzerDefinitionError(
                self.name, f"run takes {actual}, inputs, task and config say {expected}", "make the two agree"
            )

    @property
    def upstream(self) -> tuple[str, ...]:
        """The analyzers whose tables it reads."""
        return tuple(name for name in self.inputs if name not in STREAMS)

    @property
    def schema(self) -> pl.Schema:
        """Column names and polars data types, without ``video_id``."""
        return pl.Schema({name: column.dtype for name, column in self.table.items()})

    @property
    def summary(self) -> str:
        """The first line of the docstring of its file."""
        return self.description.splitlines()[0]

    @property
    def description(self) -> str:
        """The docstring of the file that defines `run`."""
        return (inspect.getmodule(self.run).__doc__ or self.name).strip()  # pyright: ignore[reportOptionalMemberAccess]

    def empty(self) -> pl.DataFrame:
        """Return a typed table without rows."""
        return pl.DataFrame(schema=self.schema)
