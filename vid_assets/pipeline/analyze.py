"""Runs one analyzer on one video: inputs, run, checks, write, and record. It does not depend on Dagster assets.

`_attempt` is the boundary that catches every error of an analyzer. The error becomes the status ``failed`` with a
reason, and the other analyzers and videos continue.
"""

import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import polars as pl

from resources.errors import ModelUnavailable, ResourceError
from resources.hosting.usage import collect_usage
from resources.warehouse.records import CUES, SOURCES, TRACKS, VIDEOS
from resources.warehouse.stage import Tables
from vid_assets.contract import STREAMS, Analyzer, Config, Frames, NotApplicable, Undefined
from vid_assets.disk import check, explained
from vid_assets.errors import ContractError, MediaError, RunCancelledError, UpstreamError, VidAssetsError, is_outside
from vid_assets.media import Media, open_media, trim_scratch
from vid_assets.media.paths import is_remote, name_of, path_of, readable, shown
from vid_assets.media.remote import local_path
from vid_assets.pipeline.checks import check_table
from vid_assets.pipeline.judgements import covered_share, judge, paces_before
from vid_assets.pipeline.outcome import Outcome, Run, Status
from vid_assets.pipeline.provenance import changed
from vid_assets.pipeline.records import (
    Records,
    Subject,
    put_load,
    put_record,
    read_answer,
    read_records,
    ready_at,
    record,
)

# Nothing is recognisable in smaller pictures, and filters and models need neighbouring pixels.
LEAST_SIDE = 16


def probe(video_id: str, run: Run, code_version: str) -> Outcome:
    """Decode one video if needed, and write its rows of ``tracks``, ``cues`` and ``videos``."""

    def decode(outcome: Outcome) -> None:
        source = _source(run.warehouse, video_id)
        outcome.file = shown(source["path"] if is_remote(source["path"]) else path_of(source["path"]))
        trim_scratch(run.scratch, run.scratch_gb * 1e9)
        check({"VID_SCRATCH": run.scratch})
        with _opened(source, run, outcome) as media:
            row = _video_row(media, source)
            outcome.details = "; ".join(media.warnings)
            named = {"video_id": video_id}
            _write(TRACKS.name, video_id, TRACKS.frame([named | track for track in media.tracks]), run, outcome)
            _write(CUES.name, video_id, CUES.frame([named | cue for cue in media.cues()]), run, outcome)
        _write(VIDEOS.name, video_id, VIDEOS.frame([row]), run, outcome)

    return _recorded(Subject(VIDEOS.name, code_version), video_id, run, read_records(video_id, run.warehouse), decode)


def analyze(
    analyzer: Analyzer,
    video_id: str,
    run: Run,
    code_version: str,
    model: object | None = None,
    config: Config | None = None,
    *,
    own_settings: bool = False,
) -> Outcome:
    """Run one analyzer on one video, write its table, and record the outcome. Errors become ``failed``.

    An analyzer that this run leaves out is recorded as such, and its earlier answer stays.

    Args:
        analyzer: The analyzer.
        video_id: The video.
        run: What the analyses of the run share.
        code_version: See `provenance.code_version`.
        model: The model for the analyzer's task; None without a task, or if the profile has no model.
        config: Settings of the analyzer; None for the defaults.
        own_settings: Whether the settings differ from the archive's. If so, a backfill leaves the answer alone.
    """
    settings = config if config is not None or analyzer.config is None else analyzer.config()
    subject = Subject(analyzer.name, code_version, analyzer.upstream, changed(settings), own_settings)
    records = read_records(video_id, run.warehouse)
    if cause := run.disabled.get(analyzer.name):
        return _recorded(subject, video_id, run, records, lambda outcome: _leave_out(analyzer.name, cause, outcome))
    before = paces_before(run.warehouse.path, run.run_id)
    duration_s = 0.0

    def work(outcome: Outcome) -> None:
        nonlocal duration_s
        with _opened(_decodable_source(video_id, run, records), run, outcome) as media:
            duration_s = media.video.duration_s
            inputs = _inputs(analyzer, media, run.warehouse, records)
            if isinstance(inputs, list):
                extra = [*([model] if analyzer.task else []), *([settings] if analyzer.config else [])]
                _compute(analyzer, [*inputs, *extra], media, run, outcome)
            else:
                _set_answer(inputs, outcome)

    outcome = _recorded(subject, video_id, run, records, work)
    if outcome.status in (Status.NOT_APPLICABLE, Status.UNDEFINED) and not run.cancelled():
        run.warehouse.remove_partition(analyzer.name, video_id)
    outcome.checks += judge(analyzer, outcome.record, duration_s, outcome.covered, before.get(analyzer.name, []))
    return outcome


def _recorded(subject: Subject, video_id: str, run: Run, records: Records, work: Callable[[Outcome], None]) -> Outcome:
    """Do the work and write its outcome to ``analyzer_runs``."""
    started_at = datetime.now(UTC)
    outcome = _attempt(work)
    outcome.queue_s = max((started_at - ready_at(subject, records, run)).total_seconds(), 0.0)
    outcome.record = record(subject, video_id, run, outcome, started_at, records)
    if not run.cancelled():
        put_record(outcome.record, run.warehouse)
        put_load(run, outcome.usage)
    return outcome


def _attempt(work: Callable[[Outcome], None]) -> Outcome:
    """Return the outcome of the work: its answer, or the status for its error."""
    outcome = Outcome()
    try:
        with collect_usage() as outcome.usage:
            work(outcome)
    except ModelUnavailable as error:
        outcome.status, outcome.reason = Status.UNDEFINED, str(error)
    except (VidAssetsError, ResourceError) as error:
        outcome.status, outcome.reason = Status.FAILED, str(error)
        outcome.outside, outcome.follows = is_outside(error), isinstance(error, UpstreamError)
    except Exception as error:  # noqa: BLE001  # the one boundary that records what an analyzer did wrong
        folder = explained(error)
        outcome.status, outcome.reason = Status.FAILED, str(folder or f"{type(error).__name__}: {error}")
        outcome.details = "" if folder else traceback.format_exc()
        outcome.outside = is_outside(folder or error)
    # an error can name a file, and a file name need not be UTF-8
    outcome.reason, outcome.details = readable(outcome.reason), readable(outcome.details)
    return outcome


def _leave_out(name: str, cause: str, outcome: Outcome) -> None:
    itself = cause == name
    outcome.status = Status.DISABLED if itself else Status.NOT_APPLICABLE
    outcome.reason = "switched off for this run" if itself else f"{cause} is disabled"


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
        raise ContractError(analyzer.name, "; ".join(problems), "nothing was written; fix the analyzer or its table")
    table = answer.select(pl.lit(media.video.video_id, pl.String).alias("video_id"), pl.all())
    _write(analyzer.name, media.video.video_id, table, run, outcome)
    outcome.covered = covered_share(answer, media.video)
    if analyzer.preview and table.height:
        outcome.preview = analyzer.preview(answer, *arguments[: len(analyzer.inputs)])
    outcome.write_s = time.perf_counter() - start


def _set_answer(answer: NotApplicable | Undefined, outcome: Outcome) -> None:
    outcome.status = Status.NOT_APPLICABLE if isinstance(answer, NotApplicable) else Status.UNDEFINED
    outcome.reason = answer.reason


def _inputs(
    analyzer: Analyzer, media: Media, warehouse: Tables, records: Records
) -> list[Any] | NotApplicable | Undefined:
    """Return the inputs of the analyzer in order, or the reason why there is no answer without them."""
    inputs: list[Any] = []
    for name in analyzer.inputs:
        if name == "video":
            inputs.append(media.video)
        elif name == CUES.name:
            inputs.append(CUES.frame(media.cues()).drop("video_id"))
        elif name in STREAMS:
            stream = getattr(media, name)
            if stream is None and name not in analyzer.optional:
                return NotApplicable("the file has no audio track" if name == "audio" else "the file has no picture")
            if name == "frames" and stream is not None and min(stream.array.shape[1:3]) < LEAST_SIDE:
                return Undefined(_too_small(stream))
            inputs.append(stream)
        else:
            record = records.get(name)
            # the table of an analyzer that failed is an earlier answer, which may no longer be right
            failed = record is not None and record["status"] == Status.FAILED
            table = None if failed else read_answer(name, media.video.video_id, records, warehouse)
            if table is None and name not in analyzer.optional:
                return _without_upstream(name, record)
            inputs.append(None if table is None else table.drop("video_id"))
    return inputs


def _too_small(frames: Frames) -> str:
    height, width = frames.array.shape[1:3]
    return f"the pictures to analyse have {width} x {height} px; a side of less than {LEAST_SIDE} px shows nothing"


def _without_upstream(name: str, record: Mapping[str, Any] | None) -> NotApplicable | Undefined:
    """Return the answer when an upstream analyzer has no valid table: the same kind of answer, with its reason.

    Raises:
        UpstreamError: The upstream analyzer failed, so this one fails too.
    """
    if record is None:
        return Undefined(f"{name} has not run for this video")
    if record["status"] == Status.FAILED:
        raise UpstreamError(name, "failed", record["reason"])
    if record["status"] == Status.DISABLED:
        return NotApplicable(f"{name} is disabled")
    reason = f"{name} answered {record['status']}: {record['reason']}"
    return NotApplicable(reason) if record["status"] == Status.NOT_APPLICABLE else Undefined(reason)


def _source(warehouse: Tables, video_id: str) -> dict[str, Any]:
    source = warehouse.read_partition(SOURCES.name, video_id)
    if source is None:
        raise MediaError(video_id, "no file is registered for it", "add one with `vid-assets analyze path/to/clip.mp4`")
    return source.row(0, named=True)


def _decodable_source(video_id: str, run: Run, records: Records) -> dict[str, Any]:
    """Return the source row. Fails if decoding already failed in this run, so that it is not tried 27 times."""
    record = records.get(VIDEOS.name)
    if record is not None and record["run_id"] == run.run_id and record["status"] == Status.FAILED:
        raise UpstreamError(VIDEOS.name, f"failed for {video_id}", record["reason"])
    return _source(run.warehouse, video_id)


@contextmanager
def _opened(source: dict[str, Any], run: Run, outcome: Outcome) -> Iterator[Media]:
    """Open the streams of the video. They stay in the scratch folder until the block ends."""
    start = time.perf_counter()
    path = local_path(source["path"], source["content_hash"], run.scratch)
    media = open_media(path, source["video_id"], run.scratch, run.media)
    outcome.decode_s = time.perf_counter() - start
    with closing(media):
        yield media


def _write(table: str, video_id: str, rows: pl.DataFrame, run: Run, outcome: Outcome) -> None:
    if run.cancelled():
        raise RunCancelledError(table, "the run was cancelled", "nothing was written; run it again")
    run.warehouse.replace_partition(table, video_id, rows)
    outcome.rows = rows.height


def _video_row(media: Media, source: dict[str, Any]) -> dict[str, Any]:
    facts = {name: media.facts[name] for name in VIDEOS.schema if name in media.facts}
    return {
        **facts,
        **asdict(media.video),
        "file_name": name_of(source["path"]),
        "content_hash": source["content_hash"],
        "size_bytes": source["size_bytes"],
        "warnings": list(media.warnings),
        "decode_passes": media.decode_passes,
        "decode_s": media.decode_s,
    }
