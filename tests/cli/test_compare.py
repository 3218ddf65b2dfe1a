"""``vid-assets compare``: earlier answers are kept when asked for, and two of them lie side by side."""

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from resources.warehouse.records import ANALYZER_RUNS, KEPT_ANSWERS
from tests.cli.conftest import SILENT, SPEECH, record, sightings
from vid_assets.cli import main
from vid_assets.pipeline.kept import kept_answers, table_of

OLD, NEW = "aaaa1111", "bbbb2222"


def answer(archive, version, dogs, silent="not_applicable", config=None):
    """Let object_detection answer: `dogs` of the sightings for one video, no value for the other."""
    # later versions answer later
    ended_at = datetime(2026, 5, ord(version[0]) - ord("a") + 2, tzinfo=UTC)
    known = {"code_version": version, "config": config, "compute_s": 2.0, "ended_at": ended_at}
    rows = {SPEECH: record(SPEECH, "object_detection", "value"), SILENT: record(SILENT, "object_detection", silent)}
    for video_id, row in rows.items():
        archive.replace_partition(ANALYZER_RUNS.name, video_id, ANALYZER_RUNS.frame([row | known]))
    archive.replace_partition("object_detection", SPEECH, sightings().head(dogs))


def compared(capsys, *options):
    capsys.readouterr()
    assert main(["compare", "object_detection", "--json", *options]) == 0
    return {row["video_id"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}


def test_two_versions_side_by_side(places, own_archive, capsys):
    answer(own_archive, OLD, dogs=3)
    assert main(["compare", "object_detection"]) == 0
    assert "kept 2 answers of object_detection" in capsys.readouterr().out
    answer(own_archive, NEW, dogs=1, silent="undefined", config='{"min_score": 0.9}')
    rows = compared(capsys)
    assert {name: rows[SPEECH][name] for name in ("rows_a", "rows_b", "same_rows", "compute_s_b")} == {
        "rows_a": 3, "rows_b": 1, "same_rows": 1, "compute_s_b": 2.0,
    }  # fmt: skip
    assert (rows[SILENT]["status_a"], rows[SILENT]["status_b"]) == ("not_applicable", "undefined")
    page = (places / "reports" / "compare_object_detection.html").read_text()
    assert "2 of 2 videos differ" in page
    assert "only A has 2, only B 0" in page
    assert page.count('class="lane"') >= 5
    assert "min_score" in page


def test_versions_are_chosen_by_their_start(own_archive, capsys):
    for version, dogs in ((OLD, 3), (NEW, 2), ("cccc3333", 1)):
        answer(own_archive, version, dogs)
        main(["compare", "object_detection"])
    rows = compared(capsys, "--a", "bb", "--b", "aa")
    assert (rows[SPEECH]["rows_a"], rows[SPEECH]["rows_b"]) == (2, 3)
    with own_archive.connect() as connection:
        sql = "SELECT rows_a, rows_b FROM compare('object_detection', 'cccc', 'aaaa') WHERE video_id = ?"
        assert connection.execute(sql, [SPEECH]).fetchall() == [(1, 3)]


def test_the_same_answer_is_kept_once(own_archive, capsys):
    answer(own_archive, OLD, dogs=3)
    for _ in range(2):
        main(["compare", "object_detection"])
    assert own_archive.read_table(KEPT_ANSWERS.name).collect().height == 2
    (row,) = kept_answers(own_archive, "object_detection").filter(pl.col("video_id") == SPEECH)["answer"].to_list()
    schema = {name: dtype for name, dtype in sightings().schema.items() if name != "video_id"}
    assert table_of(row, schema).equals(sightings().drop("video_id"))


def test_what_is_kept_can_be_forgotten(own_archive, capsys):
    answer(own_archive, OLD, dogs=3)
    main(["compare", "object_detection"])
    main(["compare", "cut_analysis"])
    assert main(["compare", "object_detection", "--forget"]) == 0
    assert kept_answers(own_archive, "object_detection").is_empty()
    assert own_archive.read_partition("object_detection", SPEECH).height == 3


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["no_such"], "analyzer no_such: no such analyzer; use one of age_estimation, "),
        (["object_detection", "--a", "ffff"], "--a ffff: no answer of this version is kept; use one of bbbb2222, aaaa"),
        (["object_detection", "--b", ""], ""),
    ],
)
def test_a_wrong_name_is_one_line(own_archive, capsys, options, problem):
    for version in (OLD, NEW):
        answer(own_archive, version, dogs=1)
        main(["compare", "object_detection"])
    capsys.readouterr()
    code = main(["compare", *options])
    assert code == (2 if problem else 0)
    assert problem in capsys.readouterr().err
