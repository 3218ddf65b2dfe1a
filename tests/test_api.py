"""The results of an archive for Python programs: `vid_assets.open`."""

import subprocess
import sys

import numpy as np
import pytest

import vid_assets
from tests.export.conftest import CUTS, WORDS, answered, films, my_film, places, shared, warehouse
from vid_assets.errors import MediaError, SettingsError

__all__ = ["answered", "films", "places", "shared", "warehouse"]


@pytest.fixture
def archive(shared):
    with vid_assets.open() as opened:
        yield opened


def test_the_package_imports_nothing_heavy():
    heavy = "{'dagster', 'polars', 'numpy', 'duckdb', 'pydantic', 'torch', 'av', 'PIL'}"
    command = [sys.executable, "-c", f"import sys, vid_assets; print(sorted({heavy} & set(sys.modules)))"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_tables_are_frames_of_all_videos_or_of_one(archive, shared):
    assert archive.videos["file_name"].to_list() == ["My film.mp4", "other & <b>.mkv"]
    assert {"videos", "sources", "cut_analysis", "speech_transcription"} <= set(archive.tables)
    assert archive.table("cut_analysis").height == 2 * len(CUTS)
    own = archive.table("cut_analysis", "My film.mp4")
    assert own["video_id"].unique().to_list() == [my_film(shared)]
    assert own.schema == archive.warehouse.schema_of("cut_analysis")


def test_a_timeline_and_a_search(archive, shared):
    timeline = archive.timeline("my_film")
    assert timeline["start_s"].is_sorted()
    assert timeline.filter(analyzer="speech_transcription")["text"].to_list()[: len(WORDS)] == [
        item["word"] for item in WORDS
    ]
    found = archive.search("said")
    assert found.rows() == [(my_film(shared), 1.25, pytest.approx(1.45), "speech_transcription", "said", None)]
    assert archive.search("zebra").schema == found.schema


def test_sql_takes_parameters(archive):
    rows = archive.sql(
        "SELECT kind, start_s FROM cut_analysis WHERE video_id = $1 ORDER BY ALL", [archive.find("other")]
    )
    assert rows.rows() == [("cut", 1.36), ("gradual", 2.4)]
    assert archive.sql("SELECT $a + 1 AS b", {"a": 1})["b"].to_list() == [2]


def test_closing_shows_later_results(warehouse):
    archive, count = vid_assets.open(), "SELECT count(*) AS n FROM cut_analysis"
    assert archive.sql(count)["n"].item() == 4
    warehouse.remove_partition("cut_analysis", my_film(warehouse))
    assert archive.sql(count)["n"].item() == 4
    archive.close()
    assert archive.sql(count)["n"].item() == 2
    archive.close()


@pytest.mark.parametrize(("time_s", "colour"), [(1.39, 0), (1.4, 1), (4.0, 2)])
def test_a_frame_is_the_picture_that_a_player_shows(archive, time_s, colour):
    picture = archive.frame("My film.mp4", time_s)
    assert (picture.shape, picture.dtype) == ((72, 128, 3), np.uint8)
    assert picture.mean(axis=(0, 1)).argmax() == colour


@pytest.mark.parametrize("time_s", [-0.1, 4.2, float("nan")])
def test_a_time_that_the_video_does_not_have_is_told(archive, time_s):
    with pytest.raises(MediaError, match=r"my_film-\w+: it has no time .* s; ask for 0 to 4"):
        archive.frame("my_film", time_s)


def test_what_does_not_exist_is_told_with_what_does(archive, tmp_path):
    with pytest.raises(SettingsError, match=r"no such table; use one of .*cut_analysis"):
        archive.table("cut_analysys")
    with pytest.raises(MediaError, match="no such video"):
        archive.timeline("nobody.mp4")
    with pytest.raises(SettingsError, match="there are no results in it"):
        vid_assets.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
