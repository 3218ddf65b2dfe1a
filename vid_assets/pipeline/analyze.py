"""One analyzer over one video: inputs, run, checks, write, and the record of it. Knows nothing of Dagster's assets.

This is the boundary at which any error of an analyzer is caught: it becomes the status ``failed`` with its reason, so
that the other analyzers and the other videos go on.
"""

import math
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import polars as pl

from resources.errors import ModelUnavailable, ResourceError
from resources.hosting.usage import Usage, collect_usage
from resources.warehouse.records import ANALYZER_RUNS, MODEL_LOADS, VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets.contract import STREAMS, Analyzer, NotApplicable, Undefined
from vid_assets.drawing import Picture
from vid_assets.errors import ContractError, MediaError, RunCancelledError, UpstreamError, VidAssetsError
from vid_assets.media import Media, open_media, trim_scratch
from vid_assets.media.remote import local_path
from vid_assets.pipeline.checks import CheckOutcome, check_table
from vid_assets.pipeline.judgements import covered_share, judge, paces_before


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
    cancelled: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class Outcome:
    """What came of one analysis.

    Attributes:
        status: One of the four answers.
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


def probe(video_id: str, run: Run, code_version: str) -> Outcome:
    """Decode one video, unless that is done already, and write its row of ``videos``."""
    with _recorded(VIDEOS.name, code_version, video_id, run, upstream=()) as outcome:
        source = _source(run.warehouse, video_id)
        trim_scratch(run.scratch, run.scratch_gb * 1e9)
        with _opened(source, run, outcome) as media:
            row = _video_row(media, source)
            outcome.details = "; ".join(media.warnings)
        _write(VIDEOS.name, video_id, VIDEOS.frame([row]), run, outcome)
    return outcome


def analyze(analyzer: Analyzer, video_id: str, run: Run, code_version: str, model: object | None = None) -> Outcome:
    """Run one analyzer over one video, write its table, and record what came of it; errors become ``failed``.

    One that is left out of this run is recorded as such, and what it answered before stays.
    """
    if cause := run.disabled.get(analyzer.name):
        with _recorded(analyzer.name, code_version, video_id, run, analyzer.upstream) as outcome:
            itself = cause == analyzer.name
            outcome.status = Status.DISABLED if itself else Status.NOT_APPLICABLE
            outcome.reason = "switched off for this run" if itself else f"{cause} is disabled"
        return outcome
    duration_s, before = 0.0, paces_before(run.warehouse.path, run.run_id)
    with (
        _recorded(analyzer.name, code_version, video_id, run, analyzer.upstream) as outcome,
        _opened(_decodable_source(video_id, run), run, outcome) as media,
    ):
        duration_s = media.video.duration_s
        inputs = _inputs(analyzer, media, run.warehouse)
        if isinstance(inputs, list):
            inputs += [model] if analyzer.model else []
            _compute(analyzer, inputs, media, run, outcome)
        else:
            _set_answer(inputs, outcome)
    if outcome.status in (Status.NOT_APPLICABLE, Status.UNDEFINED):
        run.warehouse.remove_partition(analyzer.name, video_id)
    outcome.checks += judge(analyzer, outcome.record, duration_s, outcome.covered, before.get(analyzer.name, []))
    return outcome


def record_rejection(video_id: str, reason: str, warehouse: Warehouse) -> None:
    """Record a file that could not become a partition as a failed run of ``videos``."""
    now = datetime.now(UTC)
    row = {
        "video_id": video_id,
        "analyzer": VIDEOS.name,
        "status": str(Status.FAILED),
        "reason": reason,
        "rows": 0,
        "started_at": now,
        "ended_at": now,
    }
    _put_record(row, warehouse)


def read_records(video_id: str, warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    """The rows of ``analyzer_runs`` of one video, by analyzer."""
    table = warehouse.read_partition(ANALYZER_RUNS.name, video_id)
    return {} if table is None else {row["analyzer"]: row for row in table.iter_rows(named=True)}


def _put_record(row: dict[str, Any], warehouse: Warehouse) -> None:
    # one file a video: queries over 27 times as many would take 27 times as long
    warehouse.merge_partition(ANALYZER_RUNS.name, row["video_id"], ANALYZER_RUNS.frame([row]), on="analyzer")


def _compute(analyzer: Analyzer, arguments: list[Any], media: Media, run: Run, outcome: Outcome) -> None:
    """Call the analyzer, check its table and write it."""
    start = time.perf_counter()
    answer = analyzer.run(*arguments)
    outcome.compute_s = time.perf_counter() - start - outcome.usage.wait_s
    if not isinstance(answer, pl.DataFrame):
        _set_answer(answer, outcome)
        return
    start = time.perf_counter()
    outcome.checks = check_table(analyzer, answer, media.video)
    problems = [f"{check.name}: {problem}" for check in outcome.checks for problem in check.problems]
    if problems:
        raise ContractError(analyzer.name, "; ".join(problems), "nothing was written; mend the analyzer or its table")
    table = answer.select(pl.lit(media.video.video_id, pl.String).alias("video_id"), pl.all())
    _write(analyzer.name, media.video.video_id, table, run, outcome)
    outcome.covered = covered_share(answer, media.video)
    if analyzer.preview and table.height:
        outcome.preview = analyzer.preview(answer, *arguments[: len(analyzer.inputs)])
    outcome.write_s = time.perf_counter() - start


def _set_answer(answer: NotApplicable | Undefined, outcome: Outcome) -> None:
    outcome.status = Status.NOT_APPLICABLE if isinstance(answer, NotApplicable) else Status.UNDEFINED
    outcome.reason = answer.reason


def _inputs(analyzer: Analyzer, media: Media, warehouse: Warehouse) -> list[Any] | NotApplicable | Undefined:
    """The analyzer's inputs in order, or why there is no answer without them."""
    inputs: list[Any] = []
    for name in analyzer.inputs:
        if name == "video":
            inputs.append(media.video)
        elif name in STREAMS:
            stream = getattr(media, name)
            if stream is None and name not in analyzer.optional:
                return NotApplicable("the file has no audio track" if name == "audio" else "the file has no picture")
            inputs.append(stream)
        else:
            table = warehouse.read_partition(name, media.video.video_id)
            if table is None and name not in analyzer.optional:
                return _without_upstream(name, read_records(media.video.video_id, warehouse).get(name))
            inputs.append(None if table is None else table.drop("video_id"))
    return inputs


def _without_upstream(name: str, record: dict[str, Any] | None) -> NotApplicable | Undefined:
    """What to answer when an upstream analyzer gave no table: its own kind of answer, with its reason.

    Raises:
        UpstreamError: It failed; then this one has, too.
    """
    if record is None:
        return Undefined(f"{name} has not run for this video")
    if record["status"] == Status.FAILED:
        raise UpstreamError(name, "failed", record["reason"])
    if record["status"] == Status.DISABLED:
        return NotApplicable(f"{name} is disabled")
    reason = f"{name} answered {record['status']}: {record['reason']}"
    return NotApplicable(reason) if record["status"] == Status.NOT_APPLICABLE else Undefined(reason)


def _source(warehouse: Warehouse, video_id: str) -> dict[str, Any]:
    source = warehouse.read_partition("sources", video_id)
    if source is None:
        raise MediaError(video_id, "no file is registered for it", "add one with `make analyze VIDEO=path/to/clip.mp4`")
    return source.row(0, named=True)


def _decodable_source(video_id: str, run: Run) -> dict[str, Any]:
    """The same, unless this run has tried to decode it in vain: nobody tries that 27 times."""
    record = read_records(video_id, run.warehouse).get(VIDEOS.name)
    if record is not None and record["run_id"] == run.run_id and record["status"] == Status.FAILED:
        raise UpstreamError(VIDEOS.name, f"failed for {video_id}", record["reason"])
    return _source(run.warehouse, video_id)


@contextmanager
def _opened(source: dict[str, Any], run: Run, outcome: Outcome) -> Iterator[Media]:
    """The video's streams, kept in the scratch folder for as long as the block lasts."""
    start = time.perf_counter()
    path = local_path(source["path"], source["content_hash"], run.scratch)
    media = open_media(path, source["video_id"], run.scratch)
    outcome.decode_s = time.perf_counter() - start
    with closing(media):
        yield media


def _write(table: str, video_id: str, rows: pl.DataFrame, run: Run, outcome: Outcome) -> None:
    if run.cancelled():
        raise RunCancelledError(table, "the run was cancelled", "nothing was written; run it again")
    outcome.path = run.warehouse.replace_partition(table, video_id, rows)
    outcome.rows = rows.height


def _video_row(media: Media, source: dict[str, Any]) -> dict[str, Any]:
    video, facts = media.video, media.facts
    return {
        "video_id": video.video_id,
        "file_name": Path(source["path"]).name,
        "content_hash": source["content_hash"],
        "size_bytes": source["size_bytes"],
        "duration_s": video.duration_s,
        "width": video.width,
        "height": video.height,
        "fps": video.fps,
        "frame_count": video.frame_count,
        "has_picture": video.has_picture,
        "has_audio": video.has_audio,
        "container": facts.get("container"),
        "video_codec": facts.get("video_codec"),
        "audio_codec": facts.get("audio_codec"),
        "rotation_deg": facts.get("rotation_deg"),
        "variable_frame_rate": facts.get("variable_frame_rate"),
        "warnings": list(media.warnings),
        "decode_passes": media.decode_passes,
        "decode_s": media.decode_s,
    }


@contextmanager
def _recorded(name: str, code_version: str, video_id: str, run: Run, upstream: tuple[str, ...]) -> Iterator[Outcome]:
    """Time what happens inside, turn its errors into a status, and write the row of ``analyzer_runs``."""
    outcome = Outcome()
    started_at = datetime.now(UTC)
    outcome.queue_s = max((started_at - _ready_at(upstream, video_id, run)).total_seconds(), 0.0)
    try:
        with collect_usage() as outcome.usage:
            yield outcome
    except ModelUnavailable as error:
        outcome.status, outcome.reason = Status.UNDEFINED, str(error)
    except (VidAssetsError, ResourceError) as error:
        outcome.status, outcome.reason = Status.FAILED, str(error)
    except Exception as error:  # noqa: BLE001  # the one boundary that records what an analyzer did wrong
        outcome.status, outcome.reason = Status.FAILED, f"{type(error).__name__}: {error}"
        outcome.details = traceback.format_exc()
    outcome.load_s = outcome.usage.wait_s
    outcome.record = _record(name, code_version, video_id, run, outcome, started_at)
    if not run.cancelled():
        _put_record(outcome.record, run.warehouse)
        _record_load(run, outcome.usage)


def _ready_at(upstream: tuple[str, ...], video_id: str, run: Run) -> datetime:
    """When the last input of this run was there: its start, or the end of an analyzer before."""
    records = read_records(video_id, run.warehouse)
    inputs = (records[name] for name in (*upstream, VIDEOS.name) if name in records)
    return max([run.started_at, *(record["ended_at"] for record in inputs if record["run_id"] == run.run_id)])


def _record(
    name: str, code_version: str, video_id: str, run: Run, outcome: Outcome, started_at: datetime
) -> dict[str, Any]:
    source = run.warehouse.read_partition("sources", video_id)
    before = read_records(video_id, run.warehouse).get(name)
    again = before is not None and before["code_version"] == code_version
    usage = outcome.usage
    return {
        "video_id": video_id,
        "analyzer": name,
        "status": str(outcome.status),
        "reason": outcome.reason or None,
        "rows": outcome.rows,
        "covered": outcome.covered,
        "queue_s": outcome.queue_s,
        "load_s": outcome.load_s,
        "decode_s": outcome.decode_s,
        "compute_s": outcome.compute_s,
        "write_s": outcome.write_s,
        "started_at": started_at,
        "ended_at": datetime.now(UTC),
        "model": usage.model,
        "revision": usage.revision,
        "precision": usage.precision,
        "device": usage.device,
        "host": _host_name(usage),
        "run_id": run.run_id,
        "code_version": code_version,
        "content_hash": None if source is None else source["content_hash"].item(),
        "profile": run.profile,
        "failures": (1 + (before["failures"] if before and again else 0)) if outcome.status is Status.FAILED else 0,
    }


def _record_load(run: Run, usage: Usage) -> None:
    """Write how the model came into memory: once a run and model, a real load rather than a hit."""
    if usage.load is None:
        return
    key = f"{run.run_id}.{usage.model}"
    if usage.load.kind == "hit" and run.warehouse.read_partition(MODEL_LOADS.name, key) is not None:
        return
    row = {
        "model": usage.model,
        "revision": usage.revision,
        "precision": usage.precision,
        "source": usage.source,
        "load_s": usage.load.load_s,
        "bytes": usage.load.bytes,
        "kind": usage.load.kind,
        "host": _host_name(usage),
        "run_id": run.run_id,
        "at": datetime.now(UTC),
    }
    run.warehouse.replace_partition(MODEL_LOADS.name, key, MODEL_LOADS.frame([row]))


def _host_name(usage: Usage) -> str:
    machine = socket.gethostname()
    return machine if usage.host_pid is None else f"{machine}:{usage.host_pid}"
