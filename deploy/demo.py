"""Analyses generated clips on two Ray nodes of this machine: ``make cluster-demo``, or ``python -m deploy.demo``."""

import argparse
import sys
import time

import dagster as dg
import polars as pl

from deploy.machine import Cluster
from deploy.work import (
    NODES,
    add_clips,
    hosts_of,
    lake,
    own_cluster,
    runs,
    start_seconds,
    until_begun,
    until_published,
)
from resources.warehouse.records import ANALYZER_RUNS


def main() -> int:
    """Start the cluster, put clips into the archive in two halves, wait, and tell where they were analysed."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=__doc__)
    parser.add_argument("--clips", type=int, default=8, help="clips of two seconds, at least two")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long to wait for them")
    options = parser.parse_args()
    with own_cluster() as made:
        for node in NODES:
            made.start_node(node)
            say(f"{node} is up")
        made.start_daemon()
        began = time.monotonic()
        half = max(1, options.clips // 2)
        add_clips(made, "first", range(half))
        # what comes while the first run is under way makes a second one, for the other node
        until_begun(made, 1)
        add_clips(made, "second", range(half, options.clips))
        until_published(made, options.clips, 60 * options.minutes)
        say(f"{options.clips} clips analysed in {time.monotonic() - began:.0f} s")
        return 0 if tell(made) else 1


def tell(made: Cluster) -> bool:
    """Tell of each node and run what it did. Return whether all is well."""
    for node in NODES:
        say(f"{node} decoded {len(made.decoded_on(node))}, and keeps {len(hosts_of(made, node))} model hosts")
    made_runs = runs(made)
    for run in made_runs:
        seconds = (run.end_time or 0.0) - (run.start_time or 0.0)
        start = start_seconds(made, run.dagster_run.run_id)
        say(f"a run began {start:.1f} s after its launch and took {seconds:.1f} s: {run.dagster_run.status.value}")
    answers = lake(made).read_table(ANALYZER_RUNS.name).collect()
    for status, count in sorted(answers.group_by("status").len().iter_rows()):
        say(f"{count} answers with status {status}")
    for name, reason in answers.filter(pl.col("status") == "failed").select("analyzer", "reason").iter_rows():
        say(f"{name} failed: {reason}")
    is_well = "failed" not in answers["status"] and {run.dagster_run.status for run in made_runs} == {
        dg.DagsterRunStatus.SUCCESS
    }
    return is_well and answers.select("video_id", "analyzer").is_unique().all()


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
