"""What a video leaves behind in Dagster's storage: event rows and bytes, in runs of ten videos and of one."""

import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.clips import make_clips
from benchmarks.kit import Home, child
from benchmarks.plan import Plan
from resources.settings import settings
from resources.warehouse.resource import Warehouse
from vid_assets.archive.register import register
from vid_assets.runs.execute import execute
from vid_assets.sql.publish import publish

SECONDS = 2.0


def measure(home: Home, plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """Analyses clips with every analyzer, in runs of ten and of one, as a backfill does.

    Returns:
        ``event_rows`` and ``record_mb``: for each video of a run of ten, the events in the log of its run, and what all
        files of Dagster's storage grow by. The growth is that of the second run, which has no share in empty databases.
        The raw figures have both kinds of run, and the rows that the index of all runs repeats.
    """
    sizes = (2, 2, 1) if plan.rehearse else (10, 10, 1)
    files = make_clips(home.root / "clips-records", sum(sizes), SECONDS, first_seed=500)
    own = Home(home.root / "records", home.models)
    (own.root / "dagster").mkdir(parents=True)
    shutil.copy(home.root / "dagster" / "dagster.yaml", own.root / "dagster")
    runs = []
    try:
        for place, size in enumerate(sizes):
            plan.note(f"a run of {size} videos with every analyzer, {place + 1} of {len(sizes)}")
            done = sum(sizes[:place])
            runs.append(child("records", {"files": files[done : done + size]}, own.variables()))
    finally:
        own.stop_hosts()
    _, tens, ones = runs
    return {"event_rows": tens["event_rows"], "record_mb": tens["record_mb"]}, {"run_of_ten": tens, "run_of_one": ones}


def answer(files: Sequence[str]) -> dict[str, Any]:
    """Runs every analyzer on the files in one run.

    Returns:
        Per video ``event_rows`` in the log of the run, ``index_rows`` in that of all runs, and ``record_mb`` of growth;
        and the event rows by type.
    """
    folder = Path(os.environ["DAGSTER_HOME"])
    warehouse = Warehouse(path=str(settings().warehouse))
    publish(warehouse)
    with dg.DagsterInstance.get() as instance:
        keys = [register(Path(file), warehouse, instance).video_id for file in files]
    before, index_before = _bytes(folder), _rows(folder, "index").total()
    with dg.DagsterInstance.get() as instance:
        names = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
        tags: dict[str, str] = (
            dict(zip(names, (keys[0], keys[-1]), strict=True)) if len(keys) > 1 else {"dagster/partition": keys[0]}
        )
        result = execute(instance, tags)
    assert result.success
    types = _rows(folder, result.run_id)
    return {
        "event_rows": types.total() / len(keys),
        "index_rows": (_rows(folder, "index").total() - index_before) / len(keys),
        "record_mb": (_bytes(folder) - before) / len(keys) / 1e6,
        "types": dict(types.most_common()),
    }


def _rows(folder: Path, shard: str) -> Counter[str]:
    with sqlite3.connect(folder / "history" / "runs" / f"{shard}.db") as file:
        query = "SELECT coalesce(dagster_event_type, 'log line'), count(*) FROM event_logs GROUP BY 1"
        return Counter(dict(file.execute(query)))


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
