"""``vid-assets backfill``, ``prune`` and ``models`` on archives of a file or none."""

import os
import time
from importlib.util import find_spec

import pytest

from resources.warehouse.records import ANALYZER_RUNS, SOURCES
from resources.warehouse.resource import Warehouse
from vid_assets.cli import main
from vid_assets.synthetic.clips import random_clip, render


def test_a_dry_backfill_says_what_would_run(places, capsys):
    (places / "videos").mkdir()
    render(random_clip(3), places / "videos" / "clip.mp4")
    # a file that was written a moment ago may still be growing
    os.utime(places / "videos" / "clip.mp4", (time.time() - 60,) * 2)
    assert main(["backfill", "--dry-run"]) == 0
    warehouse = Warehouse(path=str(places / "warehouse"))
    (video_id,) = warehouse.partitions(SOURCES.name)
    assert video_id in capsys.readouterr().out
    assert warehouse.partitions(ANALYZER_RUNS.name) == []


def test_an_empty_archive_is_up_to_date(places, capsys):
    (places / "videos").mkdir()
    assert main(["backfill"]) == 0
    assert capsys.readouterr().out == "Nothing is missing, failed or out of date.\n"


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("nosuch://bucket/films", "nosuch://bucket/films: no file system supports it"),
        ("missing/folder", "missing/folder: the archive cannot be listed"),
        ("s3://bucket/films", "s3://bucket/films: its package is missing (Install s3fs"),
    ],
)
def test_an_archive_that_cannot_be_listed_is_one_line(places, monkeypatch, capsys, url, named):
    if url.startswith("s3:") and find_spec("s3fs"):
        pytest.skip("the package for it is there")
    monkeypatch.setenv("VID_ARCHIVE", url)
    assert main(["backfill"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert named in output.err


def test_a_dry_prune_removes_nothing(archive, places, capsys):
    (places / "scratch").mkdir()
    before = sorted(path for path in places.rglob("*") if "home" not in path.parts)
    assert main(["prune", "--older-than", "0", "--results", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("would remove: ")
    assert sorted(path for path in places.rglob("*") if "home" not in path.parts) == before


def test_without_a_command_models_shows_what_is_loaded(places, capsys):
    assert main(["models"]) == 0
    assert main(["models", "down"]) == 0
    assert capsys.readouterr().out == "no model is loaded\n"
