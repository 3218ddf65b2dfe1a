"""What is said of an answer after it was given."""

from datetime import UTC, datetime
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.tasks.speech import SPEECH
from resources.warehouse.records import ANALYZER_RUNS, VIDEOS
from resources.warehouse.resource import Warehouse
from tests.kit.makers import make_analyzer, make_video
from vid_assets.pipeline.judgements import FIXED_S, JUDGEMENTS, budget_s, covered_share, judge, paces_before
from vid_assets.registry import discover

WITH_MODEL = make_analyzer(task=SPEECH, run=lambda video, model: None)


def problems(covered=None, before=(), duration_s=10.0, analyzer=None, **changes):
    record = {
        "status": "value", "reason": None, "compute_s": 0.1, "content_hash": "c0ffee", "code_version": "1",
        "revision": None,
    } | changes  # fmt: skip
    outcomes = judge(analyzer or make_analyzer(), record, duration_s, covered, before)
    assert [outcome.name for outcome in outcomes] == list(JUDGEMENTS)
    return {outcome.name: outcome.problems for outcome in outcomes if outcome.problems}


def test_a_good_answer_has_no_problems():
    assert problems() == {}
    assert problems(status="not_applicable", reason="no sound") == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "failed", "reason": "broken"}, {}),
        ({"status": "undefined"}, {"justified": ("undefined without a reason",)}),
        ({"compute_s": 3.0}, {"realtime_factor": ("took 3.00 s, the budget is 2.05 s",)}),
        ({"content_hash": None}, {"attribution": ("content_hash is missing",)}),
        ({"analyzer": WITH_MODEL}, {"attribution": ("revision is missing",)}),
        ({"analyzer": make_analyzer(coverage=0.9), "covered": 0.9}, {}),
        (
            {"analyzer": make_analyzer(coverage=0.9), "covered": 0.5},
            {"coverage": ("the rows span 0.50 of the video, not 0.9",)},
        ),
        ({"analyzer": make_analyzer(coverage=0.9), "status": "undefined", "reason": "dark"}, {}),
        ({"compute_s": 1.0, "before": [0.02] * 4}, {}),
        (
            {"compute_s": 1.0, "before": [0.02] * 5},
            {"regression": ("0.100x realtime, the median of the last videos is 0.020x",)},
        ),
        ({"compute_s": 0.6, "before": [0.02] * 5}, {}),
        ({"duration_s": 0.0, "status": "failed", "reason": "empty"}, {}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(changes, expected):
    assert problems(**changes) == expected


@pytest.mark.parametrize(
    ("table", "share"),
    [
        ({"time_s": [0.0, 0.5, 1.0, 1.5]}, 0.2),
        ({"time_s": [4.0]}, 1.0),
        ({"start_s": [0.0, 1.0, 8.0], "end_s": [2.0, 3.0, 10.0]}, 0.5),
        ({"start_s": [2.0, 0.0], "end_s": [3.0, 9.0]}, 0.9),
        ({"word": ["a"]}, None),
        ({"time_s": []}, None),
    ],
)
def test_coverage(table, share):
    assert covered_share(pl.DataFrame(table), make_video()) == (None if share is None else pytest.approx(share))


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=20))
def test_coverage_of_spans_is_the_measure_of_their_union(pairs):
    spans = [sorted(pair) for pair in pairs]
    table = pl.DataFrame(spans, {"start_s": pl.Float64, "end_s": pl.Float64}, orient="row")
    edges = sorted({edge for span in spans for edge in span})
    union = sum(right - left for left, right in pairwise(edges) if any(a <= left and right <= b for a, b in spans))
    assert covered_share(table, make_video()) == pytest.approx(union / 10, abs=1e-9)


def test_paces_are_those_of_the_last_videos_and_of_other_runs(tmp_path):
    warehouse = Warehouse(path=str(tmp_path))
    warehouse.publish([])
    for number in range(60):
        key, now = f"clip-{number:012}", datetime.now(UTC)
        warehouse.replace_partition("videos", key, VIDEOS.frame([{"video_id": key, "duration_s": 2.0}]))
        row = {
            "video_id": key, "analyzer": "example", "status": "value" if number % 2 else "undefined",
            "compute_s": float(number), "run_id": "now" if number == 59 else "then", "started_at": now, "ended_at": now,
        }  # fmt: skip
        warehouse.merge_partition("analyzer_runs", key, ANALYZER_RUNS.frame([row]), on="analyzer")
    assert sorted(paces_before(str(tmp_path), "now")["example"]) == [number / 2 for number in range(11, 58, 2)]


def test_budgets_fit_into_real_time():
    budgets = {analyzer.name: analyzer.budget for analyzer in discover()}
    assert min(budgets.values()) > 0
    assert sum(budgets.values()) <= 1.0
    assert budget_s(make_analyzer(), 100.0) == FIXED_S + 100 * 0.005
    assert budget_s(make_analyzer(budget=0.25), 100.0) == FIXED_S + 100 * 0.25
