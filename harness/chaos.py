"""Kill anything: ``python -m harness.chaos --seed 1 --kills 300``.

Rounds of a backfill over 20 short clips, beside Dagster's daemon with its sensor, and its web server. At random moments
a random process gets SIGKILL: backfill, run, decoder, model host, compaction, daemon, code server, web server. What a
user's supervisor would start again is started again. At the end of a round every table must hold what an undisturbed
run wrote, each row once, and nothing may be left: no process, no lock, no slot, no temporary file.

The last line is JSON: ``tried`` (kills), ``survived`` (kills of rounds without a finding), ``lost`` and ``doubled``
(rows), ``hung`` (rounds that did not end), ``left`` (what was left behind), ``kinds`` (kills by kind), ``seed``.
"""

import argparse
import fcntl
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from harness.world import ANALYZERS, Service, World, services
from resources.settings import settings
from resources.warehouse.records import ANALYZER_RUNS, CUES, SOURCES, TRACKS, VIDEOS
from resources.warehouse.resource import Warehouse

CLIPS = 20
# An undisturbed backfill sees this many kills; what is killed has to begin again.
KILLS_A_BACKFILL = 8
AGED_S = 86_400.0
# Columns that differ between two right runs: times, and where a file was.
_OWN = {"decode_s", "decode_passes", "path", "registered_at", "seen_at", "modified_at", "vanished_at"}
_TEMPORARY = ("**/.tmp/*", "**/.tmp-*", "**/.trash-*", "**/.*.part", "**/*.part", "**/.staged/*", "**/fetched/.*")
Rows = dict[str, Counter[str]]


@dataclass(slots=True)
class Findings:
    """What a round, or all of them, brought to light."""

    tried: int = 0
    survived: int = 0
    lost: int = 0
    doubled: int = 0
    hung: int = 0
    left: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled, hung or left."""
        return not (self.lost or self.doubled or self.hung or self.left)

    def add(self, other: "Findings") -> None:
        """Add the findings of one round."""
        other.survived = other.tried if other.is_clean else 0
        for name in ("tried", "survived", "lost", "doubled", "hung", "left", "kinds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Round:
    """One backfill from an empty warehouse to the end, with kills.

    Attributes:
        world: Where.
        dice: Decides moments and victims.
        pause_s: Mean time between two kills.
        expected: The rows of an undisturbed run.
        kills: Most kills.
        limit_s: A round that takes longer hangs.
        beside: The services beside the backfill.
        tell: Called with each line about what happens.
    """

    world: World
    dice: random.Random
    pause_s: float
    expected: Rows
    kills: int
    limit_s: float
    beside: Sequence[Service]
    tell: Callable[[str], None]
    found: Findings = field(default_factory=Findings)

    def run(self) -> Findings:
        """Run, and return what was found."""
        work = Service(self.world, "backfill", ["-m", "vid_assets", "backfill", "--wait"])
        try:
            self._disturb(work)
        except BaseException:
            self._stop(work)
            self.world.end()
            raise
        self._stop(work)
        self._judge()
        return self.found

    def _disturb(self, work: Service) -> None:
        """Kill at random moments until the backfill is done."""
        began, kill_at = time.monotonic(), time.monotonic() + self._pause()
        while not self._is_done(work):
            for service in (work, *self.beside):
                service.keep_up()
            now = time.monotonic()
            if now - began > self.limit_s:
                self.found.hung += 1
                self.tell(f"hung: {[' '.join(process.cmdline())[:80] for _, process in self.world.processes()]}")
                return
            if now >= kill_at and self.found.tried < self.kills:
                self._kill()
                kill_at = now + self._pause()
            time.sleep(0.05)

    def _stop(self, work: Service) -> None:
        for service in (work, *self.beside):
            service.stop()

    def _is_done(self, work: Service) -> bool:
        """Whether the backfill ended by itself and left nothing to do, and no run of the daemon goes on."""
        if work.process is None or work.process.poll() is None or work.process.returncode != 0:
            return False
        told = self.world.run("status", "--json")
        facts = json.loads(told.stdout) if told.returncode == 0 else {}
        return bool(facts) and facts["videos"]["registered"] == CLIPS and not facts["running"]

    def _pause(self) -> float:
        return self.dice.expovariate(1 / self.pause_s)

    def _kill(self) -> None:
        living: dict[str, list[psutil.Process]] = {}
        for kind, process in self.world.processes():
            if kind:
                living.setdefault(kind, []).append(process)
        if not living:
            return
        kind = self.dice.choice(sorted(living))
        process = self.dice.choice(sorted(living[kind], key=lambda process: process.pid))
        with suppress(psutil.NoSuchProcess):
            process.kill()
            self.found.tried += 1
            self.found.kinds[kind] += 1
            self.tell(f"kill {self.found.tried}: {kind} {process.pid}")

    def _judge(self) -> None:
        """Compare the rows, and look for what is left, after what users do now and then: a backfill and a prune."""
        if not self.found.hung:
            last = self.world.run("backfill")
            if last.returncode:
                self.found.left.append(f"a last backfill ended with {last.returncode}: {last.stdout[-300:]}")
        self.found.left += [f"process {orphan}" for orphan in self.world.end()]
        _age(self.world.root)
        pruned = self.world.run("prune", "--older-than", "0.5")
        if pruned.returncode:
            self.found.left.append(f"prune ended with {pruned.returncode}: {pruned.stderr[-300:]}")
        self.found.left += [f"file {file}" for file in _temporary(self.world.root)]
        self.found.left += [f"lock {file}" for file in _held_locks(self.world.root)]
        self.found.left += [f"slot of run {run_id}" for run_id in _slots(self.world)]
        there = rows_of(self.world)
        for table, rows in self.expected.items():
            lost, more = rows - there[table], there[table] - rows
            self.found.lost += lost.total()
            self.found.doubled += more.total()
            for sign, some in (("lost", lost), ("more", more)):
                for row in list(some)[:3]:
                    self.tell(f"{sign} {table}: {row[:300]}")


def rows_of(world: World) -> Rows:
    """Return the rows of each table by content, and how often each is there; of the records, which answer there is."""
    warehouse = Warehouse(path=str(world.root / "warehouse"))
    found: Rows = {}
    for table in (*sorted(ANALYZERS), TRACKS.name, CUES.name, VIDEOS.name, SOURCES.name):
        frame = warehouse.read_table(table).collect()
        found[table] = Counter(
            repr({name: _rounded(value) for name, value in row.items() if name not in _OWN})
            for row in frame.iter_rows(named=True)
        )
    # a run that was killed has not yet said which analyzers are switched off, or hang on one that is
    answered = (pl.col("status") != "disabled") & ~pl.col("reason").fill_null("").str.ends_with(" is disabled")
    runs = warehouse.read_table(ANALYZER_RUNS.name).filter(answered).select("video_id", "analyzer", "status", "rows")
    found[ANALYZER_RUNS.name] = Counter(repr(row) for row in runs.collect().iter_rows())
    pages = (world.root / "reports").glob("*-*.html")
    found["pages"] = Counter(page.name for page in pages)
    return found


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def _age(root: Path) -> None:
    """Let a day go by for all temporary files."""
    before = time.time() - AGED_S
    for file in _temporary(root):
        os.utime(file, (before, before))


def _temporary(root: Path) -> Iterator[Path]:
    for folder in ("warehouse", "scratch", "reports", "dagster"):
        for pattern in _TEMPORARY:
            yield from (root / folder).glob(pattern)


def _held_locks(root: Path) -> Iterator[Path]:
    for file in (*root.glob("*/*.lock"), *root.glob("warehouse/.locks/*"), *root.glob("scratch/hosts/*.lock")):
        handle = os.open(file, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield file
        finally:
            os.close(handle)


def _slots(world: World) -> set[str]:
    import dagster as dg

    os.environ["DAGSTER_HOME"] = str(world.root / "dagster")
    with dg.DagsterInstance.get() as instance:
        return instance.event_log_storage.get_concurrency_run_ids()


def undisturbed(world: World, seed: int) -> tuple[Rows, float]:
    """Return the rows of a backfill that nobody disturbs, and its seconds."""
    world.add_clips(CLIPS, seed)
    began = time.monotonic()
    done = world.run("backfill", timeout_s=3600)
    seconds = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(f"the undisturbed backfill failed: {done.stdout}{done.stderr}")
    world.end()
    return rows_of(world), seconds


def chaos(seed: int, kills: int, *, with_services: bool, tell: Callable[[str], None]) -> Findings:
    """Run rounds until there were this many kills."""
    models, found = settings().models.absolute(), Findings()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        calm = World(Path(folder) / "undisturbed", models)
        expected, seconds = undisturbed(calm, seed)
        tell(f"undisturbed: {seconds:.0f} s, {sum(rows.total() for rows in expected.values())} rows")
        dice, number = random.Random(seed), 0
        while found.tried < kills and not found.hung:
            number += 1
            world = World(Path(folder) / f"round_{number}", models)
            # the same bytes: an encoder with threads may write others
            shutil.copytree(calm.videos, world.videos, dirs_exist_ok=True)
            beside = services(world) if with_services else []
            left = kills - found.tried
            limit_s = max(600.0, 20 * seconds)
            one = Round(world, dice, seconds / KILLS_A_BACKFILL, expected, left, limit_s, beside, tell)
            found.add(one.run())
            tell(f"round {number}: {found}")
    return found


def main() -> int:
    """Read the command line, run, and print the line of JSON."""
    parser = argparse.ArgumentParser(description="SIGKILL everything during a backfill, and compare the results.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--without-services", action="store_true", help="only the backfill, no daemon and web server")
    given = parser.parse_args()

    def tell(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    found = chaos(given.seed, given.kills, with_services=not given.without_services, tell=tell)
    facts = {name: getattr(found, name) for name in Findings.__dataclass_fields__}
    sys.stdout.write(json.dumps({**facts, "seed": given.seed}) + "\n")
    return 0 if found.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
