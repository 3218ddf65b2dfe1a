"""Analyses generated clips on two Ray nodes of this machine: ``make cluster-demo``, or ``python -m deploy.demo``."""

import argparse
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from deploy.machine import Cluster, cluster
from resources.errors import WarehouseError
from resources.settings import settings
from resources.warehouse.records import VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets.synthetic.clips import random_clip, render

ROOT = Path(__file__).parents[1]
NODES = ("node1", "node2")
# clips that arrive together; the sensor puts up to ten videos into a run
WAVE = 4


def main() -> int:
    """Start the cluster, put clips into the archive, wait, and tell where they were analysed."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=__doc__)
    parser.add_argument("--clips", type=int, default=8, help="clips of three seconds")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long to wait for them")
    options = parser.parse_args()
    own = {"VID_PROFILE": "offline", "VID_MODELS": str(settings().models.absolute()), "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory(prefix="vid-") as name, cluster(Path(name), own) as made:
        os.environ.update(made.environment)
        for node in NODES:
            made.start_node(node)
            say(f"{node} is up")
        made.start_daemon()
        began = time.monotonic()
        for first in range(0, options.clips, WAVE):
            add_clips(made, range(first, min(first + WAVE, options.clips)))
        warehouse = Warehouse(path=made.environment["VID_WAREHOUSE"])
        done = wait_for(warehouse, options.clips, began + 60 * options.minutes)
        say(f"{done} of {options.clips} clips analysed in {time.monotonic() - began:.0f} s")
        for node in NODES:
            say(f"{node} decoded {len(made.decoded_on(node))}")
        return int(done < options.clips)


def add_clips(made: Cluster, seeds: range) -> None:
    """Put clips into the archive."""
    for seed in seeds:
        part = made.folder / f"clip{seed}.mp4"
        render(random_clip(seed, duration_s=3.0, width=320, height=180), part)
        part.rename(made.archive / part.name)


def wait_for(warehouse: Warehouse, count: int, until: float) -> int:
    """Wait until so many videos are published, and return their number."""
    done = 0
    while done < count and time.monotonic() < until:
        time.sleep(2)
        with suppress(WarehouseError):  # nothing is published yet
            done = len(warehouse.partitions(VIDEOS.name))
    return done


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
