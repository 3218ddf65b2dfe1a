"""The real pipeline: its assets, executor, warehouse and model hosts, with what a measurement changes of it."""

import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks import one_caption
from benchmarks.blip2_hosts import BenchmarkBlip2
from benchmarks.slow_host import SlowTextReader
from resources.hosting.handle import ModelHostsResource, ModelResource, handle_of
from resources.settings import settings
from resources.tasks.captions import CAPTIONS
from resources.tasks.text import TEXT
from resources.warehouse.records import MODEL_LOADS
from resources.warehouse.resource import Warehouse
from vid_assets.archive.partitions import PARTITIONS
from vid_assets.archive.register import register
from vid_assets.configuration import MODEL_HOSTS
from vid_assets.contract import Analyzer
from vid_assets.defs.factory import analyzer_asset, videos_asset
from vid_assets.defs.resources import defs as project_resources
from vid_assets.executor import kept_connections, warm_executor
from vid_assets.pipeline.records import read_records
from vid_assets.registry import discover
from vid_assets.sql.publish import publish

CHANGES = "VID_BENCH_CHANGES"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def changes() -> dict[str, Any]:
    """What the environment says, as JSON.

    ``only`` or ``without``: analyzers. ``reader_load_s``: seconds that the text reader's load takes longer. ``blip2``
    and ``blip2_models``: a checkpoint, and where its quantized form is kept. ``quantize_at_load``: not to keep it.
    """
    return json.loads(os.environ.get(CHANGES) or "{}")


def analyzers() -> list[Analyzer]:
    """The analyzers that take part, with `one_caption` in the place of ``blip2`` where a checkpoint is named."""
    wanted = changes()
    found = [analyzer for analyzer in discover() if not wanted.get("only") or analyzer.name in wanted["only"]]
    left_out = {"blip2"} if wanted.get("blip2") else set()
    left_out |= set(wanted.get("without", ()))
    kept: list[Analyzer] = []
    for analyzer in found:
        if analyzer.name in left_out or left_out & set(analyzer.upstream):
            left_out.add(analyzer.name)
        else:
            kept.append(analyzer)
    return [*kept, one_caption.ANALYZER] if wanted.get("blip2") else kept


def handles(hosts: Any = MODEL_HOSTS) -> dict[str, ModelResource]:
    """A handle of each task that an analyzer asks, by the key of its resource; some as a measurement wants them.

    Args:
        hosts: The resource with the engine, or its stand-in that takes its values when a run is launched.
    """
    wanted = changes()
    found = {task.key: handle_of(task)(hosts=hosts) for task in {item.task for item in analyzers() if item.task}}
    if "reader_load_s" in wanted:
        found[TEXT.key] = SlowTextReader(hosts=hosts, load_s=wanted["reader_load_s"])
    if wanted.get("blip2"):
        host = "benchmarks.blip2_hosts:QuantizingHost" if wanted.get("quantize_at_load") else ""
        # what is quantized at load is not kept; the other's form lies in the measurement's folder
        own = hosts if wanted.get("quantize_at_load") else ModelHostsResource(models=wanted["blip2_models"])
        found[CAPTIONS.key] = BenchmarkBlip2(hosts=own, repo=wanted["blip2"], host=host)
    return found


def job() -> dg.JobDefinition:
    """One video through the analyzers that take part."""
    defs = dg.Definitions(
        assets=[videos_asset(), *(analyzer_asset(analyzer) for analyzer in analyzers())],
        resources={**(project_resources.resources or {}), **handles()},
        executor=warm_executor,
        jobs=[dg.define_asset_job("measured", selection=dg.AssetSelection.all(), partitions_def=PARTITIONS)],
    )
    return defs.resolve_job_def("measured")


def answer(files: Sequence[str] = (), prewarm: Sequence[str] = ()) -> dict[str, Any]:
    """Has models loaded, then analyses files one after another, in this process.

    Returns:
        ``videos``: a mapping each, with ``video_id``, ``wall_s``, ``waited_s`` by model (0 for warm ones), and
        ``analyzers``: by name its status, the waits for its model and its turn, and its end in seconds from the
        start of the run.
        ``models``: state, process and memory of each model that was asked for, by the key of its resource.
    """
    models = handles(ModelHostsResource())
    warmed = {name: warm_up(models[name]) for name in prewarm}
    warehouse = Warehouse(path=str(settings().warehouse))
    publish(warehouse)
    with dg.DagsterInstance.get() as instance:
        videos = [analyse(Path(file), warehouse, instance) for file in files]
    return {"videos": videos, "models": warmed}


def warm_up(handle: ModelResource) -> dict[str, Any]:
    """Has a model loaded and waits for it."""
    handle.prewarm()
    while (status := handle.status()).state not in ("warm", "failed"):
        time.sleep(0.05)
    return {"state": status.state, "pid": status.pid, "memory_mb": status.memory_mb, "error": status.error}


def analyse(file: Path, warehouse: Warehouse, instance: dg.DagsterInstance) -> dict[str, Any]:
    """One run for one video; see `answer`."""
    video_id = register(file, warehouse, instance).video_id
    recon = dg.build_reconstructable_job("benchmarks.pipeline", "job")
    began, wall = time.time(), time.perf_counter()
    with kept_connections(instance):
        result = dg.execute_job(recon, instance, run_config=QUIET, tags={"dagster/partition": video_id})
    wall_s = time.perf_counter() - wall
    records = {}
    rows = read_records(video_id, warehouse)
    for analyzer in analyzers():
        row = rows.get(analyzer.name)
        if row is None or row["run_id"] != result.run_id:
            # Something upstream failed: see `failures`.
            records[analyzer.name] = {"status": "did not run", "reason": None}
            continue
        records[analyzer.name] = {
            "status": row["status"],
            "reason": row["reason"],
            "load_s": row["load_s"],
            "queue_s": row["queue_s"],
            "ended_s": row["ended_at"].timestamp() - began,
        }
    notes = [event.event_specific_data for event in result.all_events if event.event_type_value == "ENGINE_EVENT"]
    return {
        "video_id": video_id,
        "run_id": result.run_id,
        "success": result.success,
        "failures": {event.step_key: str(event.event_specific_data) for event in result.all_events if event.is_failure},
        "wall_s": wall_s,
        "analyzers": records,
        "waited_s": _waits(getattr(note, "metadata", {}) for note in notes),
    }


def _waits(notes: Iterable[Any]) -> dict[str, float]:
    """Seconds that the run waited for each model, from what its log says; 0 for those that were warm at its start."""
    waits: dict[str, float] = {}
    for note in notes:
        values = {name: getattr(value, "value", value) for name, value in note.items()}
        for name in filter(None, values.get("models_warm", "").split(", ")):
            waits[name] = 0.0
        if "waited_s" in values:
            waits[values["model"]] = values["waited_s"]
    return waits


def loads(warehouse: Warehouse, model: str) -> list[dict[str, Any]]:
    """The rows of ``model_loads`` of one model, oldest first, as any reader sees them."""
    with warehouse.connect() as connection:
        query = f'SELECT kind, load_s, bytes, run_id FROM {MODEL_LOADS.name} WHERE model = ? ORDER BY "at"'
        cursor = connection.execute(query, [model])
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
