"""The bar moves within a run: over the answers as they come, weighed by what each takes."""

import io
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console

from tests.cli.test_backfill import home, run
from vid_assets.cli.bar import answers_bar, left_s
from vid_assets.pipeline.listening import listening, tell_answer
from vid_assets.runs.progress import Progress

__all__ = ["home"]


def test_the_bar_moves_within_a_run(home):
    """Two clips in one run: their decodes, and the answers of one analyzer."""
    told: list[tuple[float, int, int]] = []
    code, lines = run(advance=lambda *values: told.append(values))
    assert (code, lines[-1]) == (0, "2 videos done.")
    assert [given for _, given, _ in told] == [0, 1, 2, 3, 4, 4]
    assert {planned for *_, planned in told} == {4}
    shares = [share for share, *_ in told]
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert shares == sorted(shares)
    assert 0 < shares[1] < shares[3] < 1


def test_an_answer_counts_as_what_it_takes():
    told: list[tuple[float, int, int]] = []
    progress = Progress({"quick": 10, "slow": 10}, {"quick": 1.0, "slow": 9.0}, lambda *values: told.append(values))
    progress.begin()
    for asset in ("quick", "slow", "unknown"):
        progress.answered(asset)
    assert told == [(0.0, 0, 20), (pytest.approx(0.01), 1, 20), (pytest.approx(0.1), 2, 20)]
    progress.over({"quick": 10})
    assert told[-1] == (pytest.approx(0.19), 11, 20)
    for _ in range(12):
        progress.answered("slow")
    assert told[-1] == (1.0, 20, 20)
    assert len(told) == 4 + 9


def test_answers_are_heard_from_any_thread_and_only_inside():
    heard: list[str] = []
    tell_answer("before")
    with listening(heard.append):
        thread = threading.Thread(target=tell_answer, args=("inside",))
        thread.start()
        thread.join()
    tell_answer("after")
    assert heard == ["inside"]


def test_the_time_left_follows_the_pace_and_counts_down():
    assert left_s(0.5, 100.0, 0.0) == pytest.approx(100.0)
    assert left_s(0.5, 100.0, 30.0) == pytest.approx(70.0)
    assert left_s(0.8, 100.0, 90.0) == 1.0
    assert left_s(0.01, 100.0, 0.0) is None
    assert left_s(1.0, 100.0, 0.0) is None


def test_a_bar_is_only_on_a_terminal():
    for is_terminal in (True, False):
        output = io.StringIO()
        with answers_bar(Console(file=output, force_terminal=is_terminal, width=100)) as bar:
            bar.name("one\n[red].mp4")
            bar.advance(0.25, 1, 4)
        shown = output.getvalue()
        assert ("1/4 answers" in shown) is is_terminal
        assert ("one\N{REPLACEMENT CHARACTER}[red].mp4" in shown) is is_terminal


def test_what_is_said_during_a_run_reaches_the_caller():
    """Dagster redirects the descriptors of the process while a step works."""
    program = """
import os, sys
from vid_assets.cli.console import console, say
screen = console()
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
say("heard", screen)
"""
    answer = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, cwd=Path(__file__).parents[2]
    )
    assert answer.stdout == b"heard\n"
