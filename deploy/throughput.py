"""Measures how much faster two nodes are than one, a core for each: ``python -m deploy.throughput``.

The same clips go through a cluster of one node and through one of two, with warm model hosts. All of it is on this
machine: Postgres, Dagster's daemon and the head of Ray share the cores with the nodes, so what is measured is less than
what two machines give.
"""

import argparse
import os
import sys
from statistics import median

from deploy.demo import say
from deploy.machine import Cluster
from deploy.work import NODES, add_clips, own_cluster, runs, until_begun, until_published


def main() -> int:
    """Measure, and tell each measurement and the ratio of the medians."""
    parser = argparse.ArgumentParser(prog="python -m deploy.throughput", description=__doc__)
    parser.add_argument("--clips", type=int, default=40, help="clips of two seconds, ten to a run")
    parser.add_argument("--repeats", type=int, default=1, help="measurements of one node and of two, in turn")
    options = parser.parse_args()
    taken: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(options.repeats):
        for nodes, found in taken.items():
            found.append(measure(nodes, options.clips))
            load = os.getloadavg()[0]
            say(f"{nodes} nodes: {options.clips} clips in {found[-1]:.1f} s (load of the machine {load:.1f})")
    say(f"two nodes have {median(taken[1]) / median(taken[2]):.2f} times the throughput of one")
    return 0


def measure(nodes: int, clips: int) -> float:
    """Return the seconds from the start of the first run to the end of the last, with warm hosts.

    Raises:
        RuntimeError: A run did not succeed, or a node had no work.
    """
    with own_cluster(slots=nodes) as made:
        used = NODES[:nodes]
        for core, node in enumerate(used):
            made.start_node(node, core=core)
        made.start_daemon()
        for number in range(nodes):
            # the second goes to the other node while the first is under way
            add_clips(made, f"warm{number}", [1000 + number])
            until_begun(made, number + 1)
        until_published(made, nodes)
        add_clips(made, "timed", range(clips))
        until_published(made, nodes + clips)
        if idle := [node for node in used if not made.decoded_on(node)]:
            raise RuntimeError(f"{idle[0]} had no work; nothing is measured")
        return _span(made, nodes)


def _span(made: Cluster, warm: int) -> float:
    """Return the seconds that all runs took together, but those that warmed the hosts."""
    found = runs(made)
    if bad := [run.dagster_run.run_id for run in found if not run.dagster_run.is_success]:
        raise RuntimeError(f"run {bad[0]} did not succeed; nothing is measured")
    timed = found[warm:]
    return max(run.end_time or 0.0 for run in timed) - min(run.start_time or 0.0 for run in timed)


if __name__ == "__main__":
    sys.exit(main())
