"""What an archive of short clips costs beyond computing: runs of ten, warm, with every analyzer."""

import os
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import dagster as dg
import polars as pl

from benchmarks.clips import make_clips
from benchmarks.kit import Home, child
from benchmarks.plan import Plan
from resources.settings import settings
from resources.warehouse.records import ANALYZER_RUNS
from resources.warehouse.resource import Warehouse
from vid_assets.archive.register import register
from vid_assets.runs.execute import execute
from vid_assets.sql.publish import publish

TEN = 10
FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def measure(home: Home, plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """Analyses clips of ten seconds in runs of ten; the first run warms up and does not count.

    Returns:
        ``archive_beyond_compute_s``: seconds of wall time for each clip, less what its analyzers compute divided by
        the number of cores; and both.
    """
    runs = 1 if plan.rehearse else 4
    clips = make_clips(home.root / "clips-archive", (runs + 1) * TEN, 1.0 if plan.rehearse else 10.0, first_seed=1000)
    plan.note(f"{runs} runs of ten clips")
    done = child("throughput", {"files": clips}, home.variables("warehouse-archive"))
    home.forget()
    beyond = done["wall_s"] - done["compute_s"] / len(os.sched_getaffinity(0))
    return {"archive_beyond_compute_s": beyond}, done


def answer(files: Sequence[str]) -> dict[str, Any]:
    """Runs every analyzer on the files, ten at a time.

    Returns:
        ``wall_s`` and ``compute_s`` of a clip, means over all runs but the first.
    """
    warehouse = Warehouse(path=str(settings().warehouse))
    publish(warehouse)
    walls, keys = [], []
    with dg.DagsterInstance.get() as instance:
        for place in range(0, len(files), TEN):
            ten = [register(Path(file), warehouse, instance).video_id for file in files[place : place + TEN]]
            began = perf_counter()
            assert execute(instance, {FIRST: ten[0], LAST: ten[-1]}).success
            walls.append(perf_counter() - began)
            keys += ten
    counted = warehouse.read_table(ANALYZER_RUNS.name).filter(pl.col("video_id").is_in(keys[TEN:])).collect()
    clips = len(keys) - TEN
    return {"wall_s": sum(walls[1:]) / clips, "compute_s": float(counted["compute_s"].sum()) / clips}
