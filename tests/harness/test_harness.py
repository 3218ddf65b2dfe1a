"""What the harnesses count and compare; the harnesses themselves run by `make chaos` and `make soak`."""

import fcntl
import os
import subprocess
import sys
import time
from collections import Counter

import pytest

from harness.chaos import Findings, _age, _held_locks, _rounded, _temporary
from harness.soak import slope, summary
from harness.world import KINDS, Service, World, kind_of
from tests.kit.host_kit import wait_until

# With a child that knows nothing of its world, as a decoder.
PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={})
time.sleep(60)
"""


def test_findings_add_up_and_a_bad_round_survives_nothing():
    every = Findings()
    every.add(Findings(tried=5, kinds=Counter(host=5)))
    every.add(Findings(tried=3, lost=1, kinds=Counter(host=2, run=1)))
    assert (every.tried, every.survived, every.lost) == (8, 5, 1)
    assert every.kinds == {"host": 7, "run": 1}
    assert not every.is_clean


@pytest.mark.parametrize("change", [{"lost": 1}, {"doubled": 1}, {"hung": 1}, {"left": ["file x"]}])
def test_each_finding_counts(change):
    assert Findings().is_clean
    assert not Findings(**change).is_clean


def test_values_are_compared_to_six_digits():
    assert _rounded([0.12345678, [1.0, "a"], None]) == [0.123457, [1.0, "a"], None]


def test_what_is_left_is_found(tmp_path):
    left = [
        "warehouse/.tmp/a",
        "warehouse/.staged/run",
        "scratch/.tmp-c-1",
        "scratch/.trash-1",
        "reports/cards/.1.part",
    ]
    fine = ["warehouse/tail/1", "scratch/clip-1", "reports/clip.html"]
    for name in (*left, *fine):
        (tmp_path / name).mkdir(parents=True)
    assert {str(file.relative_to(tmp_path)) for file in _temporary(tmp_path)} == set(left)
    _age(tmp_path)
    assert all((tmp_path / name).stat().st_mtime < time.time() - 3600 for name in left)
    lock = tmp_path / "scratch/clip.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert list(_held_locks(tmp_path)) == [lock]
    assert list(_held_locks(tmp_path)) == []


def test_processes_of_a_world_are_found_with_their_children(tmp_path):
    world = World(tmp_path, tmp_path)
    service = Service(world, "one", ["-c", PARENT])
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        service.keep_up()
        wait_until(lambda: len(list(world.processes())) == 2)
        assert service.process is not None
        pids = {process.pid for _, process in world.processes()}
        assert service.process.pid in pids
        assert not pids & {os.getpid(), other.pid}
        before = service.process.pid
        service.keep_up()
        assert service.process.pid == before
        children = [process for _, process in world.processes() if process.pid != before]
        service.process.kill()
        service.process.wait()
        service.keep_up()
        assert service.process.pid != before
        service.stop()
    finally:
        other.kill()
        other.wait()
        for process in children:
            process.kill()


def test_every_kind_is_told_by_its_command():
    assert kind_of("python -m vid_assets backfill --wait") == "backfill"
    assert kind_of("python -I -c import sys; from vid_assets.media.worker import main; main()") == "decoder"
    assert kind_of("python -c from multiprocessing.spawn import spawn_main; spawn_main()") == "run"
    assert kind_of("sleep 1") == ""
    assert all(kind_of(f"python {mark}") == kind for kind, mark in KINDS.items())


def test_slopes():
    assert slope([]) == slope([(1.0, 5.0)]) == slope([(1.0, 5.0), (1.0, 7.0)]) == 0.0
    assert slope([(x, 3.0 * x + 1) for x in range(5)]) == pytest.approx(3.0)
    points = [(10.0 * x, 2.0 * x) for x in range(8)]
    series = {"warehouse MB": points, "videos": [(at, float(place)) for place, (at, _) in enumerate(points)]}
    series |= {"host 7 MB": points[:3], "host 8 MB": [(at, 50.0) for at, _ in points]}
    facts = summary(series)
    assert facts["warehouse MB"] == {"first": 0.0, "last": 14.0, "per_hour": 720.0, "per_video": 2.0}
    assert facts["host 8 MB"]["per_hour"] == 0.0
    assert "host 7 MB" not in facts
