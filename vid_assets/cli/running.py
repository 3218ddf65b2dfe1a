"""Runs the job in this process: for one video with a bar that follows it, or for the videos and assets of a batch."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import dagster as dg

from resources.warehouse.resource import Warehouse
from vid_assets.defs.jobs import ANALYZE_JOB
from vid_assets.executor import PROCESS_TAG, kept_connections, this_process
from vid_assets.pipeline.records import read_records

PARTITION_TAG = "dagster/partition"
_LOOK_S = 0.2
# whoever names an analyzer wants it tried again, however often it has failed
_ANY = 1_000_000


def analyze_job() -> dg.JobDefinition:
    """The job in the form that `dagster.reconstructable` wants: a function of a module."""
    from vid_assets.definitions import defs

    return defs.resolve_job_def(ANALYZE_JOB)


def execute(
    instance: dg.DagsterInstance, tags: Mapping[str, str], selection: Sequence[dg.AssetKey] | None = None
) -> dg.JobExecutionResult:
    """Run the job in this process, silently: the records say what failed, and the run's log in the UI says it all.

    Args:
        instance: Dagster's.
        tags: Tags of the run, those that name its partitions among them.
        selection: The assets to materialize; None for all.
    """
    with kept_connections(instance):
        return dg.execute_job(
            dg.reconstructable(analyze_job),
            instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={**tags, PROCESS_TAG: this_process()},
            asset_selection=selection,
        )


def followed(
    video_id: str,
    names: Collection[str],
    warehouse: Warehouse,
    run: Callable[[], dg.JobExecutionResult],
    advance: Callable[[int], None],
) -> bool:
    """Wait for the run of one video, and report progress as its records land in the warehouse.

    Args:
        video_id: The video.
        names: Analyzers that the run is to answer for.
        warehouse: Where the records land.
        run: Does the run.
        advance: Gets the number of analyzers that have answered so far.

    Returns:
        Whether the run succeeded.
    """
    since = datetime.now(UTC)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        while not running.done():
            records = read_records(video_id, warehouse).values()
            advance(len({record["analyzer"] for record in records if record["ended_at"] >= since}.intersection(names)))
            time.sleep(_LOOK_S)
    return running.result().success


def with_what_they_need(names: Collection[str], video_id: str, warehouse: Warehouse) -> list[dg.AssetKey]:
    """The assets of these analyzers, the page of the video, and what they depend on that is not up to date.

    Raises:
        SettingsError: ``VID_DISABLED`` names an analyzer that does not exist.
    """
    from vid_assets.archive.plan import due
    from vid_assets.defs.automation import wanted_answers
    from vid_assets.defs.report import REPORT

    answers = wanted_answers()
    needed, waiting = set(names), list(names)
    while waiting:
        answer = answers.get(waiting.pop())
        new = set(answer.upstream if answer else ()) - needed
        needed |= new
        waiting += new
    found = list(due(warehouse, [video_id], answers, attempts=_ANY))
    wanted = needed.intersection(found[0].assets if found else ()).union(names, [REPORT])
    return [dg.AssetKey(name) for name in sorted(wanted)]
