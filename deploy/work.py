"""Work for a cluster on one machine, and what becomes of it."""

import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg
import psutil

from deploy.machine import Cluster, cluster
from resources.errors import WarehouseError
from resources.settings import settings
from resources.warehouse.records import VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets.defs.compaction import compact_results
from vid_assets.synthetic.clips import random_clip, render

ROOT = Path(__file__).parents[1]
NODES = ("node1", "node2")
# A file that was written this long ago is taken in at once.
SETTLED_S = 60.0
# each look asks the lake and Dagster, which the nodes share
_POLL_S = 2.0
BEGUN = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS]
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@contextmanager
def own_cluster(*, slots: int = len(NODES), disabled: Iterable[str] = ()) -> Iterator[Cluster]:
    """Start a cluster without nodes, in a folder of its own, and ask it from this process.

    Args:
        slots: Number of runs at once.
        disabled: Analyzers to leave out.
    """
    own = {
        "VID_PROFILE": "offline",
        "VID_MODELS": str(settings().models.absolute()),
        "VID_DISABLED": ",".join(disabled),
        "PYTHONPATH": str(ROOT),
    }
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="vid-") as name, cluster(Path(name), own, slots=slots) as made:
        os.environ.update(made.environment)
        try:
            yield made
        finally:
            os.environ.clear()
            os.environ.update(before)


def add_clips(made: Cluster, name: str, seeds: Iterable[int]) -> None:
    """Put clips of two seconds into a new folder of the archive, where all appear at once."""
    folder = made.folder / name
    folder.mkdir()
    for seed in seeds:
        file = folder / f"clip{seed}.mp4"
        render(random_clip(seed, duration_s=2.0, width=320, height=180), file)
        settled = time.time() - SETTLED_S
        os.utime(file, (settled, settled))
    folder.rename(made.archive / name)


def lake(made: Cluster) -> Warehouse:
    """Return the results."""
    return Warehouse(path=made.environment["VID_WAREHOUSE"])


def published(made: Cluster) -> set[str]:
    """Return the videos that have results."""
    with suppress(WarehouseError):
        return set(lake(made).partitions(VIDEOS.name))
    return set()  # nothing is published yet


@contextmanager
def records(made: Cluster) -> Iterator[dg.DagsterInstance]:
    """Yield Dagster's instance."""
    with dg.DagsterInstance.from_config(made.environment["DAGSTER_HOME"]) as instance:
        yield instance


def until(condition: Callable[[], object], what: str, seconds: float = 900.0) -> None:
    """Wait.

    Raises:
        TimeoutError: It did not come true; the message is `what`.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} within {seconds:.0f} s")
        time.sleep(_POLL_S)


def runs(made: Cluster, statuses: Collection[dg.DagsterRunStatus] = ()) -> list[dg.RunRecord]:
    """Return the runs that analyse videos, oldest first; with one of these statuses, if there are any."""
    chosen = dg.RunsFilter(statuses=list(statuses) or None)
    with records(made) as instance:
        found = instance.get_run_records(chosen, ascending=True)
    return [run for run in found if run.dagster_run.job_name != compact_results.name]


def until_begun(made: Cluster, count: int) -> None:
    """Wait until so many runs have begun."""
    until(lambda: len(runs(made, BEGUN)) >= count, f"{count} runs do not begin")


def until_published(made: Cluster, count: int, seconds: float = 900.0) -> None:
    """Wait until so many videos have results, and no run is left."""
    until(lambda: len(published(made)) >= count, f"{count} videos are not analysed", seconds)
    until(lambda: not runs(made, UNFINISHED), "the runs do not end")


def hosts_of(made: Cluster, node: str) -> set[int]:
    """Return the processes of a node's model hosts."""
    found: set[int] = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            scratch = process.environ().get("VID_SCRATCH", "")
            if "resources.hosting.server.process" in process.cmdline() and scratch == str(made.scratch(node)):
                found.add(process.pid)
    return found


def start_seconds(made: Cluster, run_id: str) -> float:
    """Return how long it took from giving a run to Ray until it began: what each run pays, whatever waits before it."""
    with records(made) as instance:
        stats = instance.get_run_stats(run_id)
    return (getattr(stats, "start_time", None) or float("inf")) - (getattr(stats, "launch_time", None) or 0.0)
