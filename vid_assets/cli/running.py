"""Follow the run of one video, and find what its analyzers depend on."""

import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import dagster as dg

from resources.warehouse.resource import Warehouse
from vid_assets.pipeline.records import read_records

PARTITION_TAG = "dagster/partition"
_LOOK_S = 0.2
# if you name an analyzer, you want it tried again, however often it has failed
_ANY = 1_000_000


def followed(
    video_id: str,
    names: Collection[str],
    warehouse: Warehouse,
    run: Callable[[], dg.JobExecutionResult],
    advance: Callable[[int], None],
) -> bool:
    """Wait for the run of one video, and report progress as its records arrive in the warehouse.

    Args:
        video_id: Key of the video.
        names: Analyzers that the run must answer for.
        warehouse: The warehouse that receives the records.
        run: Executes the run.
        advance: Receives the number of analyzers that have answered so far.

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
    """Return the assets of these analyzers, the page of the video, and their dependencies that are not up to date.

    Raises:
        SettingsError: ``VID_DISABLED`` names an analyzer that does not exist.
    """
    from vid_assets.archive.plan import due
    from vid_assets.defs.report import REPORT
    from vid_assets.defs.wanted import wanted_answers

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
