"""Dagster's storage is created once, however many programs open it at the same moment."""

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

OPEN = """
import sys, time
import dagster
from vid_assets.runs.home import instance
time.sleep(max(0.0, float(sys.argv[1]) - time.time()))
with instance() as opened:
    assert opened.get_runs_count() == 0
"""


def test_programs_that_open_a_new_storage_at_once_leave_one_version(tmp_path: Path) -> None:
    environment = os.environ | {"DAGSTER_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    together = str(time.time() + 6)
    programs = [subprocess.Popen([sys.executable, "-c", OPEN, together], env=environment) for _ in range(4)]
    assert [program.wait(120) for program in programs] == [0] * 4
    for name in ("history/runs.db", "history/runs/index.db", "schedules/schedules.db"):
        with sqlite3.connect(tmp_path / name) as storage:
            assert len(storage.execute("SELECT * FROM alembic_version").fetchall()) == 1, name
