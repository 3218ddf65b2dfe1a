"""Let it run: ``python -m harness.soak --seed 1 --minutes 20``.

Clips stream into the archive while Dagster's daemon takes them in by its sensor and runs them, and the web server
stands beside it. Every ten seconds, the memory and the open files of each long-lived process and the bytes of each
folder are noted. The last line is JSON: for each, the first and last value and the slope per hour and, for folders, per
video, of the second half of the time, by least squares.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from harness.world import World, services
from resources.settings import settings

EVERY_S = 10.0
CLIP_EVERY_S = 20.0
LONG_LIVED = ("daemon", "webserver", "code server", "host")
FOLDERS = ("warehouse", "scratch", "reports", "dagster")
Series = dict[str, list[tuple[float, float]]]


def measure(world: World) -> dict[str, float]:
    """Return memory (MB) and open files of each long-lived process, and MB and files of each folder."""
    found: dict[str, float] = {}
    for kind, process in world.processes():
        if kind in LONG_LIVED:
            with suppress(psutil.Error):
                name = f"{kind} {process.pid}"
                found[f"{name} MB"] = process.memory_info().rss / 1e6
                found[f"{name} open"] = process.num_fds()
    for folder in FOLDERS:
        sizes = []
        for file in (world.root / folder).rglob("*"):
            with suppress(FileNotFoundError):
                sizes.append(file.lstat().st_size)
        found[f"{folder} MB"], found[f"{folder} files"] = sum(sizes) / 1e6, len(sizes)
    found["videos"] = len(list((world.root / "reports").glob("*-*.html")))
    return found


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of a line through points by least squares; 0 for fewer than two."""
    if len(points) < 2:
        return 0.0
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def summary(series: Series) -> dict[str, Any]:
    """Return first and last value and the slopes of each series, without processes that ended before."""
    videos = dict(series["videos"])
    end = max(at for points in series.values() for at, _ in points)
    facts: dict[str, Any] = {}
    for name, points in sorted(series.items()):
        if points[-1][0] < end:
            continue
        late = points[len(points) // 2 :]
        facts[name] = {
            "first": round(points[0][1], 2),
            "last": round(points[-1][1], 2),
            "per_hour": round(3600 * slope(late), 3),
        }
        if name.split()[0] in FOLDERS:
            facts[name]["per_video"] = round(slope([(videos[at], value) for at, value in late]), 4)
    return facts


def soak(seed: int, minutes: float) -> dict[str, Any]:
    """Run for these minutes, and return the summary."""
    series: Series = {}
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        world = World(Path(folder), settings().models.absolute())
        beside, began, number, next_clip = services(world), time.monotonic(), 0, 0.0
        try:
            while (at := time.monotonic() - began) < minutes * 60:
                for service in beside:
                    service.keep_up()
                if at >= next_clip:
                    world.add_clips(1, seed + number, first=number)
                    number, next_clip = number + 1, at + CLIP_EVERY_S
                for name, value in measure(world).items():
                    series.setdefault(name, []).append((at, value))
                time.sleep(EVERY_S)
        finally:
            for service in beside:
                service.stop()
            orphans = world.end()
    return {"seed": seed, "minutes": minutes, "clips": number, "orphans": orphans, "slopes": summary(series)}


def main() -> int:
    """Read the command line, run, and print the line of JSON."""
    parser = argparse.ArgumentParser(description="Stream clips through the pipeline, and measure what grows.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=20.0)
    given = parser.parse_args()
    facts = soak(given.seed, given.minutes)
    sys.stdout.write(json.dumps(facts) + "\n")
    return 1 if facts["orphans"] else 0


if __name__ == "__main__":
    sys.exit(main())
