"""The archive overview: its numbers are those of the warehouse, and its texts are data."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import pytest

from resources.warehouse.records import ANALYZER_RUNS, SOURCES, VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets.defs.overview import archive_overview, plot
from vid_assets.registry import discover
from vid_assets.sql.publish import publish

DAY = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOSTILE = "it | <script>alert(1)</script> [x](http://example.invalid)"


def fill(warehouse, name, day, failing=()):
    video_id = f"{name}-000000000000"
    warehouse.replace_partition(SOURCES.name, video_id, SOURCES.frame([{"video_id": video_id, "path": f"/{name}.mp4"}]))
    warehouse.replace_partition(VIDEOS.name, video_id, VIDEOS.frame([{"video_id": video_id, "duration_s": 10.0}]))
    rows = []
    for item in discover():
        bad = item.name in failing
        at = DAY + timedelta(days=day)
        times = {"started_at": at, "ended_at": at + timedelta(seconds=5)}
        told = {"status": "failed" if bad else "value", "reason": HOSTILE if bad else None, "run_id": name}
        rows.append({"video_id": video_id, "analyzer": item.name, "rows": 0, **told, **times})
    warehouse.replace_partition(ANALYZER_RUNS.name, video_id, ANALYZER_RUNS.frame(rows))


@pytest.fixture
def drawn(tmp_path):
    def draw(*videos):
        warehouse = Warehouse(path=str(tmp_path / "warehouse"))
        publish(warehouse)
        for name, day, *failing in videos:
            fill(warehouse, name, day, failing)
        result = dg.materialize([archive_overview], resources={"warehouse": warehouse})
        (made,) = result.get_asset_materialization_events()
        return {name: item.value for name, item in made.materialization.metadata.items()}

    return draw


def test_an_empty_archive_has_an_overview(drawn):
    assert drawn()["videos"] == 0


def test_its_numbers(drawn):
    found = drawn(("a", 0), ("b", 1), ("c", 1, "cut_analysis", "blip2"))
    count = len(discover())
    assert (found["videos"], found["complete"], found["failed"]) == (3, 2, 2)
    assert found["realtime_factor"] == pytest.approx(0.5)
    assert found["reconstruction_score"] == pytest.approx((3 - 2 / count) / 3, abs=1e-4)
    text = "From 2026-05-01 to 2026-05-02:\n\n![The last days](data:image/webp;base64,"
    assert found["over_the_days"].startswith(text)
    assert found["left"].startswith("1 videos")
    assert len(found["over_the_days"]) < 60_000


def test_reasons_are_data(drawn):
    text = drawn(("c", 1, "cut_analysis"))["failures"]
    assert "<script" not in text
    assert "](" not in text
    assert text.count("\n") == 2
    assert text.endswith("| 1 |")


def test_days_without_a_factor_leave_a_gap():
    picture = plot([(20000, 1, 0.5, 1.0, 0), (20001, 1, None, 0.5, 2), (20005, 3, 1.5, 0.9, 1)])
    assert picture.dtype == np.uint8
    assert picture.shape[1] == 960
