"""What goes wrong outside a file does not count against it; what is given up is known, and can be tried again."""

import errno
import math
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import polars as pl
import pytest

from resources.errors import HostLost, HostsFolderError, ModelCancelled, ModelDeadline, ModelError, NoHost
from resources.hosting.rundir import crashed
from resources.warehouse.resource import Warehouse
from tests.kit.makers import make_analyzer
from vid_assets.archive.plan import Wanted, due, given_up
from vid_assets.archive.register import register
from vid_assets.errors import ContractError, MediaError, OutsideError, UpstreamError, is_outside
from vid_assets.media import sandbox
from vid_assets.pipeline.analyze import analyze, probe
from vid_assets.pipeline.outcome import Run
from vid_assets.pipeline.records import read_records
from vid_assets.sql.publish import table_spec
from vid_assets.synthetic.clips import Clip, Shot, render

WANTED = {
    "videos": Wanted("1"),
    "example": Wanted("1-a", upstream=("videos",)),
    "upon": Wanted("1-b", upstream=("videos", "example")),
}
BOOT = """
import os, signal, sys; sys.path.insert(0, sys.argv[1])
from vid_assets.media import worker
def one_pass(folder, settings, pulse):
    {body}
worker.decode_file = one_pass
worker.main(sys.argv[2:])
"""


@pytest.fixture
def run(tmp_path):
    warehouse = Warehouse(path=str(tmp_path / "warehouse"))
    warehouse.publish([table_spec(make_analyzer()), table_spec(make_analyzer("upon"))])
    return Run(warehouse, tmp_path / "scratch", "offline", "run-1", datetime.now(UTC))


@pytest.fixture
def video_id(run, tmp_path):
    render(Clip(shots=(Shot(0.4, background="grey"),), width=64, height=36), tmp_path / "clip.mp4")
    with dg.DagsterInstance.ephemeral() as instance:
        return register(tmp_path / "clip.mp4", run.warehouse, instance).video_id


def tried(run, video_id, times, analyzer=None):
    """The record and the plan after a number of runs, each of its own."""
    for number in range(times):
        again = replace(run, run_id=f"run-{number}", started_at=datetime.now(UTC))
        probe(video_id, again, "1")
        analyze(analyzer or make_analyzer(), video_id, again, "1-a")
        analyze(make_analyzer("upon", inputs=("example",), run=lambda example: example), video_id, again, "1-b")
    records = read_records(video_id, run.warehouse)
    plan = (run.warehouse, [video_id], WANTED)
    return records, [set(item.assets) for item in due(*plan)], list(given_up(*plan))


@pytest.mark.parametrize(
    "body",
    [
        "os.kill(os.getpid(), signal.SIGKILL)",
        "os.kill(os.getpid(), signal.SIGTERM)",
        f"raise OSError({errno.ENOSPC}, 'No space left on device')",
        f"raise OSError({errno.EROFS}, 'Read-only file system')",
    ],
)
def test_a_decoder_that_is_killed_or_has_no_room_never_gives_the_file_up(run, video_id, monkeypatch, body):
    with monkeypatch.context() as broken:
        broken.setattr(sandbox, "BOOT", BOOT.format(body=body))
        records, wanted, hopeless = tried(run, video_id, 4)
    assert {name: (row["status"], row["failures"]) for name, row in records.items()} == dict.fromkeys(
        WANTED, ("failed", 0)
    )
    assert (wanted, hopeless) == ([set(WANTED)], [])
    records, wanted, hopeless = tried(run, video_id, 1)
    assert {row["status"] for row in records.values()} == {"value"}
    assert (wanted, hopeless) == ([], [])


def test_a_decoder_that_crashes_counts(run, video_id, monkeypatch):
    monkeypatch.setattr(sandbox, "BOOT", BOOT.format(body="os.kill(os.getpid(), signal.SIGSEGV)"))
    records, wanted, hopeless = tried(run, video_id, 3)
    assert [records[name]["failures"] for name in WANTED] == [3, 0, 0]
    assert wanted == []
    assert [(item.video_id, item.assets) for item in hopeless] == [(video_id, ("videos",))]
    assert "crashed (SIGSEGV)" in hopeless[0].reason
    again = list(due(run.warehouse, [video_id], WANTED, attempts=math.inf))
    assert [set(item.assets) for item in again] == [set(WANTED)]


def test_an_analyzer_that_fails_is_given_up_with_what_rests_on_it(run, video_id):
    broken = make_analyzer(run=lambda video: pl.DataFrame({"wrong": [1]}))
    records, wanted, hopeless = tried(run, video_id, 3, broken)
    assert [records[name]["failures"] for name in WANTED] == [0, 3, 0]
    assert (wanted, [item.assets for item in hopeless]) == ([], [("example",)])
    # mended code is another version
    mended = WANTED | {"example": Wanted("2-a", upstream=("videos",))}
    assert [set(item.assets) for item in due(run.warehouse, [video_id], mended)] == [{"example", "upon"}]


def test_a_cause_outside_leaves_the_count_as_it_is(run, video_id):
    def fails(error):
        def analyse(video):
            raise error

        return make_analyzer(run=analyse)

    assert tried(run, video_id, 2, fails(ValueError("x")))[0]["example"]["failures"] == 2
    assert tried(run, video_id, 2, fails(HostLost("m", "killed", "x")))[0]["example"]["failures"] == 2
    assert tried(run, video_id, 1, fails(ValueError("x")))[0]["example"]["failures"] == 3


OUTSIDE = (
    OutsideError("a", "b", "c"), UpstreamError("a", "b", "c"), HostLost("a", "b", "c"), NoHost("a", "b", "c"),
    HostsFolderError("a", "b", "c"), ModelCancelled("a", "b", "c"), MemoryError(), TimeoutError(),
    OSError(errno.ENOSPC, "full"), OSError(errno.EMFILE, "files"), ConnectionResetError(),
)  # fmt: skip
INSIDE = (
    MediaError("a", "b", "c"), ContractError("a", "b", "c"), ModelError("a", "b", "c"), ModelDeadline("a", "b", "c"),
    ValueError(), KeyError("x"), OSError(errno.EINVAL, "x"), FileNotFoundError(errno.ENOENT, "x"),
)  # fmt: skip


@pytest.mark.parametrize("error", [*OUTSIDE, *INSIDE], ids=repr)
def test_which_causes_lie_outside(error):
    assert is_outside(error) == (error in OUTSIDE)
    wrapped = ValueError("wrapped")
    wrapped.__cause__ = error
    assert is_outside(wrapped) == (error in OUTSIDE)


def test_a_crash_leaves_a_trace_and_a_kill_does_not(tmp_path):
    for name in ("SIGSEGV", "SIGABRT", "SIGKILL"):
        code = f"import faulthandler, os; faulthandler.enable(); os.kill(os.getpid(), {int(signal.Signals[name])})"
        with (tmp_path / name).open("wb") as log:
            subprocess.run([sys.executable, "-c", code], stderr=log, check=False)
        assert crashed(tmp_path / name) == (name != "SIGKILL")
    assert not crashed(tmp_path / "none")
