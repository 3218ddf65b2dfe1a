"""What a run shares, and what comes of one analysis."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from resources.hosting.usage import Usage
from resources.warehouse.resource import Warehouse
from vid_assets.drawing import Picture
from vid_assets.media import MediaSettings
from vid_assets.pipeline.checks import CheckOutcome


class Status(StrEnum):
    """How an analyzer answered."""

    VALUE = "value"
    NOT_APPLICABLE = "not_applicable"
    UNDEFINED = "undefined"
    FAILED = "failed"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Run:
    """What all analyses of one Dagster run share.

    Attributes:
        warehouse: Where tables and records go.
        scratch: Folder of the decoded streams.
        scratch_gb: What they may take before another one is added; those in use stay.
        profile: ``offline``, ``cpu`` or ``gpu``.
        disabled: Analyzers that this run leaves out, each with the one that is switched off: itself, or an input.
        media: How the streams are made.
        run_id: Dagster's id of the run.
        started_at: When the run started; its steps wait from then on.
        cancelled: Whether the run is being cancelled; asked before anything is written.
    """

    warehouse: Warehouse
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
    """What came of one analysis.

    Attributes:
        status: One of the answers.
        reason: Why it is not ``value``; empty otherwise.
        rows: Rows written.
        checks: The checks that were made before the write, and those of the answer as a whole.
        covered: Share of the video that the rows span, where they have times.
        queue_s: From the moment the inputs were there until the start.
        load_s: Waited for the model to be loaded.
        decode_s: Spent in decoding, by whoever decodes.
        compute_s: Spent in the analyzer and in its model.
        write_s: Spent in checks and in writing.
        record: The row of ``analyzer_runs``.
        usage: What the model host did for it.
        preview: Picture of the result.
        path: The Parquet file.
        details: The traceback of an unexpected error.
        outside: Whether it failed for a cause outside the file and the analyzer, which does not count against them.
    """

    status: Status = Status.VALUE
    reason: str = ""
    rows: int = 0
    checks: list[CheckOutcome] = field(default_factory=list)
    covered: float | None = None
    queue_s: float = 0.0
    load_s: float = 0.0
    decode_s: float = 0.0
    compute_s: float = 0.0
    write_s: float = 0.0
    record: dict[str, Any] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    preview: Picture | None = None
    path: Path | None = None
    details: str = ""
    outside: bool = False
