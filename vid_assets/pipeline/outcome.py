"""Shared state of a run, and the outcome of one analysis."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from resources.hosting.usage import Usage
from resources.warehouse.stage import Tables
from vid_assets.drawing import Picture
from vid_assets.media import MediaSettings
from vid_assets.pipeline.checks import CheckOutcome


class Status(StrEnum):
    """Kind of answer that an analyzer gave."""

    VALUE = "value"
    NOT_APPLICABLE = "not_applicable"
    UNDEFINED = "undefined"
    FAILED = "failed"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Run:
    """Shared state of all analyses in one Dagster run.

    Attributes:
        warehouse: Stores tables and records: the warehouse, or the stage of the run.
        scratch: Folder of the decoded streams.
        scratch_gb: Limit for the streams before another one is added; streams in use stay.
        profile: ``offline``, ``cpu`` or ``gpu``.
        disabled: Analyzers that this run leaves out, each with the disabled analyzer: itself or an input.
        media: How the streams are made.
        run_id: Dagster's id of the run.
        started_at: Start of the run; the waiting time of its steps counts from here.
        cancelled: Whether the run is being cancelled; checked before each write.
    """

    warehouse: Tables
    scratch: Path
    profile: str
    run_id: str
    started_at: datetime
    scratch_gb: float = math.inf
    disabled: Mapping[str, str] = field(default_factory=dict)
    media: MediaSettings = field(default_factory=MediaSettings)
    cancelled: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class Outcome:
    """Outcome of one analysis.

    Attributes:
        status: The kind of answer.
        reason: Why the status is not ``value``; empty otherwise.
        rows: Rows written.
        checks: Checks made before the write, and checks of the whole answer.
        covered: Share of the video that the rows span, if they have times.
        queue_s: Seconds from when the inputs were ready until the start.
        decode_s: Seconds spent decoding, by whichever process decodes.
        compute_s: Seconds spent in the analyzer and its model.
        write_s: Seconds spent checking and writing.
        record: The row of ``analyzer_runs``.
        usage: What the model host did for it.
        preview: Picture of the result.
        details: Traceback of an unexpected error.
        file: Path of the video's file, for people; only of a decode.
        follows: Whether it failed because an input did; that one names the cause.
        outside: Whether a failure has a cause outside the file and the analyzer; it does not count against them.
    """

    status: Status = Status.VALUE
    reason: str = ""
    rows: int = 0
    checks: list[CheckOutcome] = field(default_factory=list)
    covered: float | None = None
    queue_s: float = 0.0
    decode_s: float = 0.0
    compute_s: float = 0.0
    write_s: float = 0.0
    record: dict[str, Any] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    preview: Picture | None = None
    details: str = ""
    file: str = ""
    follows: bool = False
    outside: bool = False

    @property
    def load_s(self) -> float:
        """Seconds spent waiting for the model to load."""
        return self.usage.wait_s
