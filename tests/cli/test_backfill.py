"""A backfill tells what failed and what it leaves, ends by signals in good order, and has company of no second one."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from resources.errors import CatalogueError, InvalidSetting
from resources.hosting.local.hosts import LocalHosts
from resources.warehouse.records import ANALYZER_RUNS
from resources.warehouse.resource import Warehouse
from vid_assets.archive.exclusive import LOCK, exclusive, holder
from vid_assets.archive.register import register
from vid_assets.defs import automation
from vid_assets.errors import SettingsError
from vid_assets.executor import Stop
from vid_assets.pipeline.records import read_records
from vid_assets.registry import computed
from vid_assets.runs import backfill as module
from vid_assets.runs.backfill import FAILED, FINE, Backfill
from vid_assets.runs.home import dagster_home
from vid_assets.sql.publish import publish
from vid_assets.synthetic.clips import Clip, Shot, render

ROOT = Path(__file__).parents[2]
RUN = {"color_analysis"}
OFF = ",".join(analyzer.name for analyzer in computed() if analyzer.name not in RUN)
# A process whose analyzers take their time, with a run for each video.
SLOW = """
import os, sys, time
from functools import partial
from vid_assets.defs import automation, factory

# Dagster takes over stdout while it captures the logs of a run.
stdout = os.dup(1)

def slow(*arguments, real=factory.analyze, **options):
    os.write(stdout, b"step\\n")
    end = time.monotonic() + float(sys.argv[1])
    while time.monotonic() < end:
        time.sleep(0.05)
    return real(*arguments, **options)

factory.analyze = slow
automation.batches = partial(automation.batches, size=1)
"""
BACKFILL = """
from vid_assets.runs.backfill import Backfill
tell = partial(print, flush=True)
sys.exit(Backfill(tell, tell).run())
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An archive of two clips, and an empty home; one light analyzer is switched on."""
    places = {"VID_ARCHIVE": "archive", "VID_WAREHOUSE": "warehouse", "VID_SCRATCH": "scratch", "VID_REPORTS": "pages"}
    for name, folder in (places | {"DAGSTER_HOME": "dagster"}).items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setenv("VID_DISABLED", OFF)
    monkeypatch.setenv("VID_PROFILE", "offline")
    for folder in ("archive", "dagster"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "dagster_home" / "dagster.yaml", tmp_path / "dagster")
    for name, background in (("one", "grey"), ("two", "brown")):
        put(tmp_path / "archive", name, background)
    yield tmp_path
    LocalHosts(tmp_path / "scratch").stop()


def put(folder, name, background="grey", age_s=60.0, seconds=0.4):
    path = folder / f"{name}.mp4"
    render(Clip(shots=(Shot(seconds, background=background),), width=64, height=36), path)
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def run(**options):
    """A backfill on this thread: its exit code, and what it tells."""
    lines: list[str] = []
    backfill = Backfill(lines.append, lambda line: lines.append(f"failed {line}"), **options)
    try:
        return backfill._guarded(Stop()), lines
    except (SettingsError, InvalidSetting, CatalogueError) as error:
        return MISCONFIGURED, [*lines, str(error)]


def records(home, name):
    warehouse = Warehouse(path=str(home / "warehouse"))
    (key,) = (key for key in warehouse.partitions("sources") if key.startswith(name))
    return key, read_records(key, warehouse)


MISCONFIGURED = 2


@pytest.mark.slow
def test_what_failed_is_told_and_counted(home):
    broken, empty = home / "archive/broken.mp4", home / "archive/empty.mp4"
    broken.write_bytes((home / "archive/one.mp4").read_bytes()[:1000])
    empty.touch()
    (home / "archive/index.ts").write_text("export {}")
    for file in (broken, empty, home / "archive/index.ts"):
        os.utime(file, (1e9, 1e9))
    code, lines = run()
    key, _ = records(home, "broken")
    assert code == FAILED
    assert f"failed {empty}: is empty; name a media file" in lines
    assert f"left out 1 (text): {home}/archive/index.ts" in lines
    (reason,) = (line for line in lines if line.startswith(f"failed broken.mp4 ({key}): videos: "))
    assert "cannot be read as video or sound" in reason
    assert "3 videos done, 1 of them failed, at least in part." in lines
    assert {records(home, name)[1]["color_analysis"]["status"] for name in ("one", "two")} == {"value"}
    # the file is tried twice more, then it is given up and stays on the list
    assert [run()[0] for _ in range(2)] == [FAILED, FAILED]
    for dry_run in (True, False):
        code, lines = run(dry_run=dry_run)
        assert code == FINE
        assert "Given up after 3 failures, 1 video:" in lines
        assert any(line.startswith(f"  broken.mp4 ({key}): videos: ") for line in lines)
        assert "Try again with: vid-assets backfill --retry" in lines
        assert "Nothing else is missing, failed or out of date." in lines
        assert f"1 file in all cannot be read: {empty} (is empty)" in lines
    code, lines = run(retry=True, dry_run=True)
    assert f"failed: 1 video from {key} to {key}: everything" in lines
    shutil.copyfile(home / "archive/one.mp4", broken)
    os.utime(broken, (2e9 - 1e9, 1e9 + 5))
    empty.unlink()
    code, lines = run()
    assert (code, lines[-1]) == (FINE, "1 video done.")


def test_a_file_that_was_copied_a_moment_ago_is_waited_for(home, monkeypatch):
    assert run()[0] == FINE
    put(home / "archive", "fresh", "black", age_s=0)
    code, lines = run(dry_run=True)
    assert lines[0].startswith("1 file left for the next backfill: still being written")
    code, lines = run()
    assert code == FINE
    assert lines[0] == "Waiting at most 30 s for 1 file, still being written a moment ago."
    assert records(home, "fresh")[1]["color_analysis"]["status"] == "value"
    # one that never settles is told
    monkeypatch.setattr(module, "SETTLE_S", 0.0)
    put(home / "archive", "growing", "grey", age_s=-3600, seconds=0.8)
    code, lines = run()
    assert any(line.startswith("1 file left for the next backfill") for line in lines)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("VID_ARCHIVE", "no/such/folder", "the archive cannot be listed (No such file or directory)"),
        ("VID_ARCHIVE", "nosuch://films", "no file system supports it"),
        ("VID_BACKFILL_VIDEOS", "many", "VID_BACKFILL_VIDEOS='many': not a"),
        ("VID_DISABLED", "no_such_thing", "no such analyzer"),
    ],
)
def test_a_wrong_setting_is_told(home, monkeypatch, name, value, told):
    monkeypatch.setenv(name, value)
    code, lines = run()
    assert code == MISCONFIGURED
    assert told in lines[-1]


def test_a_missing_file_of_models_is_told(home):
    # a process reads the catalogue once, at its start
    ended = subprocess.run(
        [sys.executable, "-m", "vid_assets", "backfill"],
        env={**os.environ, "VID_CATALOG": "no/such.toml"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == MISCONFIGURED
    assert "no/such.toml: cannot be read" in ended.stderr.splitlines()[-1]


def test_a_disk_that_cannot_be_written_is_told(home, monkeypatch):
    (home / "file").touch()
    with monkeypatch.context() as wrong:
        wrong.setenv("VID_WAREHOUSE", str(home / "file" / "warehouse"))
        code, lines = run()
    assert (code, lines[-1].startswith("failed VID_WAREHOUSE "), "is not a folder" in lines[-1]) == (FAILED, True, True)
    with monkeypatch.context() as full:
        error = OSError(errno.ENOSPC, "No space left on device", "/warehouse/x")
        full.setattr(module, "publish", lambda _: (_ for _ in ()).throw(error))
        code, lines = run()
    assert (code, lines) == (FAILED, ["failed [Errno 28] No space left on device: '/warehouse/x'"])
    for database in (home / "dagster/history").glob("runs.db*"):
        database.write_bytes(b"no database" * 1000)
    code, lines = run()
    assert (code, lines) == (FAILED, ["failed Dagster's database or the archive's index: file is not a database"])


def test_a_run_that_fails_as_such_is_told(home, monkeypatch):
    monkeypatch.setattr("vid_assets.defs.report.write_report", lambda *_: 1 / 0)
    code, lines = run()
    assert code == FAILED
    (line,) = (line for line in lines if line.startswith("failed run "))
    assert "video_report: " in line
    assert "ZeroDivisionError: division by zero" in line


def test_one_backfill_at_a_time(home):
    lock = home / "dagster" / LOCK
    assert holder(lock) is None
    with exclusive(lock, lambda _: False):
        told = holder(lock)
        assert told is not None
        assert told.startswith(f"process {os.getpid()} on ")
        code, lines = run()
        assert (code, lines) == (FAILED, [f"failed backfill: {told} is under way; wait for it with --wait, or end it"])
        code, lines = run(dry_run=True)
        assert (code, lines[0]) == (FINE, f"A backfill is under way: {told}.")
        # the nightly one leaves it alone
        with (
            dg.DagsterInstance.get() as instance,
            dg.build_schedule_context(
                instance=instance,
                resources={"warehouse": Warehouse(path=str(home / "warehouse"))},
                scheduled_execution_time=datetime.now(UTC),
            ) as context,
        ):
            tick = automation.nightly_backfill.evaluate_tick(context)
        assert (tick.run_requests, told in (tick.skip_message or "")) == ([], True)
    assert holder(lock) is None


def started(home, seconds, command=BACKFILL):
    """A backfill, or another command, in a process of its own, in the middle of its first step."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW + command, str(seconds)],
        cwd=ROOT,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.strip())
        if line == "step\n":
            return process, lines
    raise AssertionError(lines)


def assert_clean(home):
    """No run is under way, no slot is taken, and nobody holds the lock."""
    with dg.DagsterInstance.get() as instance:
        statuses = [run.status for run in instance.get_runs()]
        assert set(statuses) <= {dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.SUCCESS}
        for pool in instance.event_log_storage.get_concurrency_keys():
            assert instance.event_log_storage.get_concurrency_info(pool).active_slot_count == 0
    assert holder(home / "dagster" / LOCK) is None
    return statuses


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_ends_it_after_the_running_steps(home, number):
    process, _ = started(home, 2.0)
    process.send_signal(number)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + number
    assert f"{number.name}: stopping after the running steps; a second signal stops at once" in output
    assert "1 run not started; the next backfill continues with them" in output
    assert assert_clean(home) == [dg.DagsterRunStatus.CANCELED]
    # what ran is whole, and the next backfill does the rest
    ran = {name for video in ("one", "two") for name in records(home, video)[1]} - {"videos"}
    assert 0 < len(ran) < len(computed())
    assert "1 video done." in output
    assert run()[0] == FINE
    for video in ("one", "two"):
        assert {records(home, video)[1][name]["status"] for name in RUN} == {"value"}


@pytest.mark.slow
def test_the_second_signal_ends_it_at_once(home):
    process, _ = started(home, 600.0)
    process.send_signal(signal.SIGINT)
    time.sleep(1.0)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=60)[0]
    assert time.monotonic() - began < 30
    assert process.returncode == 128 + signal.SIGINT
    assert "stopping at once" in output
    assert assert_clean(home) == [dg.DagsterRunStatus.CANCELED]
    assert run()[0] == FINE


@pytest.mark.slow
def test_signals_end_an_analysis_in_the_same_way(home):
    """The first one after the running step, with the other file untouched; the second one at once."""
    files = [str(home / "archive" / f"{name}.mp4") for name in ("one", "two")]
    command = f"from vid_assets.cli import main\nsys.exit(main({['analyze', *files]!r}))"
    process, _ = started(home, 2.0, command)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + signal.SIGINT
    assert "SIGINT: stopping after the running steps; a second signal stops at once" in output
    assert "did not run" in output
    assert "0 of 2 analysed without a failure\n1 not started\n" in output
    assert "Traceback" not in output
    assert assert_clean(home) == [dg.DagsterRunStatus.CANCELED]
    assert not [key for key in Warehouse(path=str(home / "warehouse")).partitions("sources") if key.startswith("two")]

    process, _ = started(home, 600.0, command)
    process.send_signal(signal.SIGTERM)
    time.sleep(1.0)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert time.monotonic() - began < 30
    assert process.returncode == 128 + signal.SIGTERM
    assert "stopping at once" in output
    assert "Traceback" not in output
    assert assert_clean(home) == [dg.DagsterRunStatus.CANCELED] * 2


@pytest.mark.slow
def test_the_second_backfill_waits_if_it_shall(home):
    process, _ = started(home, 0.5)
    lines: list[str] = []
    code = Backfill(lines.append, lines.append, wait=True)._guarded(Stop())
    output = process.communicate(timeout=60)[0]
    assert (process.returncode, code) == (0, FINE)
    assert lines == [
        f"Waiting for the backfill that is under way: {lines[0].split(': ', 1)[1]}",
        "Nothing is missing, failed or out of date.",
    ]
    assert "2 videos done." in output


def test_an_analyzer_that_was_given_up_is_listed(home):
    warehouse = Warehouse(path=str(home / "warehouse"))
    publish(warehouse)
    with dg.DagsterInstance.get() as instance:
        keys = [register(home / f"archive/{name}.mp4", warehouse, instance).video_id for name in ("one", "two")]
    for key in keys:
        rows = [
            {
                "video_id": key,
                "analyzer": name,
                "status": "failed" if name == "color_analysis" else "value",
                "reason": "it broke" if name == "color_analysis" else None,
                "code_version": wanted.version,
                "failures": 3 if name == "color_analysis" else 0,
            }
            for name, wanted in automation.wanted_answers().items()
        ]
        warehouse.replace_partition(ANALYZER_RUNS.name, key, ANALYZER_RUNS.frame(rows))
    code, lines = run(dry_run=True)
    assert (code, lines[0]) == (FINE, "Given up after 3 failures, 2 videos:")
    assert lines[1:3] == [
        f"  {name}.mp4 ({key}): color_analysis: it broke"
        for name, key in zip(("two", "one"), reversed(keys), strict=True)
    ]


@pytest.mark.parametrize("content", [None, ""])
def test_a_home_without_settings_gets_all_of_them_or_none(tmp_path, monkeypatch, content):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    if content is not None:  # an earlier release left this when the disk was full
        (tmp_path / "dagster.yaml").write_text(content)
    dagster_home()
    assert (tmp_path / "dagster.yaml").read_bytes() == (ROOT / "dagster_home/dagster.yaml").read_bytes()
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    dagster_home()
    assert (tmp_path / "dagster.yaml").read_text() == "telemetry:\n  enabled: false\n"
