"""Records: a row of ``analyzer_runs`` per video and analyzer, and a row of ``model_loads`` per load."""

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl

from resources.hosting.usage import Usage
from resources.warehouse.records import ANALYZER_RUNS, MODEL_LOADS, SOURCES, VIDEOS
from resources.warehouse.resource import Warehouse
from resources.warehouse.stage import Tables
from vid_assets.media.paths import readable
from vid_assets.pipeline.outcome import Outcome, Run, Status
from vid_assets.pipeline.provenance import provenance

Records = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of an answer: an analyzer, or ``videos``.

    Attributes:
        name: The analyzer, or ``videos``.
        version: Its code version.
        upstream: The analyzers whose tables it reads.
        config: Its settings that differ from their defaults.
        own: Whether the run has its own settings for it. If so, a backfill leaves the answer alone.
    """

    name: str
    version: str
    upstream: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    own: bool = False


def read_records(video_id: str, warehouse: Tables) -> dict[str, dict[str, Any]]:
    """Return the rows of ``analyzer_runs`` for one video, by analyzer."""
    table = warehouse.read_partition(ANALYZER_RUNS.name, video_id)
    return {} if table is None else {row["analyzer"]: row for row in table.iter_rows(named=True)}


def records_of(video_ids: Sequence[str], warehouse: Warehouse) -> dict[str, dict[str, dict[str, Any]]]:
    """Do as `read_records` does for many videos at once."""
    found: dict[str, dict[str, dict[str, Any]]] = {video_id: {} for video_id in video_ids}
    runs = warehouse.read_table(ANALYZER_RUNS.name).filter(pl.col("video_id").is_in(list(video_ids)))
    for row in runs.collect().iter_rows(named=True):
        found[row["video_id"]][row["analyzer"]] = row
    return found


def read_answer(name: str, video_id: str, records: Records, warehouse: Tables) -> pl.DataFrame | None:
    """Return an analyzer's table for one video, without rows if its answer has none; None without an answer."""
    table = warehouse.read_partition(name, video_id)
    record = records.get(name)
    if table is None and record is not None and record["status"] == Status.VALUE:
        return pl.DataFrame(schema=warehouse.schema_of(name))
    return table


def ready_at(subject: Subject, records: Records, run: Run) -> datetime:
    """Return when the last input in this run was ready: the start of the run, or the end of an upstream analyzer."""
    inputs = (records[name] for name in (*subject.upstream, VIDEOS.name) if name in records)
    return max([run.started_at, *(record["ended_at"] for record in inputs if record["run_id"] == run.run_id)])


def record(
    subject: Subject, video_id: str, run: Run, outcome: Outcome, started_at: datetime, records: Records
) -> dict[str, Any]:
    """Return the row of ``analyzer_runs`` for an analysis that ends now.

    Args:
        subject: The subject of the answer.
        video_id: The video.
        run: The run.
        outcome: The outcome.
        started_at: When the analysis started.
        records: Earlier rows of the video.
    """
    content_hash = _content_hash(video_id, run, records)
    before = records.get(subject.name)
    again = before is not None and before["code_version"] == subject.version
    usage = outcome.usage
    return {
        "video_id": video_id,
        "analyzer": subject.name,
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
        "code_version": subject.version,
        "content_hash": content_hash,
        "profile": run.profile,
        "failures": _failures(outcome, before["failures"] or 0 if before and again else 0),
        "config": json.dumps(dict(subject.config), sort_keys=True) if subject.config else None,
        "own_settings": subject.own,
        "provenance": provenance(subject.version, content_hash, [records.get(name) for name in subject.upstream]),
    }


def _content_hash(video_id: str, run: Run, records: Records) -> str | None:
    """Return the SHA-256 of the file. Every answer of a video needs it, so the record of ``videos`` passes it on."""
    if known := records.get(VIDEOS.name, {}).get("content_hash"):
        return known
    source = run.warehouse.read_partition(SOURCES.name, video_id)
    return None if source is None else source["content_hash"].item()


def put_record(row: Mapping[str, Any], warehouse: Tables) -> None:
    """Write a row of ``analyzer_runs``, replacing the earlier one."""
    warehouse.merge_partition(ANALYZER_RUNS.name, row["video_id"], ANALYZER_RUNS.frame([row]), on="analyzer")


def _failures(outcome: Outcome, before: int) -> int:
    """Return how many times in a row this code failed for this video. External failures leave the count unchanged."""
    return before + (not outcome.outside) if outcome.status is Status.FAILED else 0


def put_rejection(video_id: str, reason: str, warehouse: Tables) -> None:
    """Record a file that could not become a partition as a failed run of ``videos``."""
    now = datetime.now(UTC)
    row = {
        "video_id": video_id,
        "analyzer": VIDEOS.name,
        "status": str(Status.FAILED),
        "reason": readable(reason),
        "rows": 0,
        "started_at": now,
        "ended_at": now,
    }
    put_record(row, warehouse)


def put_load(run: Run, usage: Usage) -> None:
    """Record how the model came into memory, once per run and model. A real load takes precedence over a hit."""
    if usage.load is None:
        return
    known = run.warehouse.read_partition(MODEL_LOADS.name, run.run_id)
    if usage.load.kind == "hit" and known is not None and usage.model in known["model"]:
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
    run.warehouse.merge_partition(MODEL_LOADS.name, run.run_id, MODEL_LOADS.frame([row]), on="model")


def _host_name(usage: Usage) -> str:
    machine = socket.gethostname()
    return machine if usage.host_pid is None else f"{machine}:{usage.host_pid}"
