"""What the command line tells: one line for a bad file, whatever it is called, and where results are."""

import io

import polars as pl
import pytest
from rich.console import Console

from resources.warehouse.records import ANALYZER_RUNS, VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets.cli import main
from vid_assets.cli.console import complain
from vid_assets.cli.outcome import show
from vid_assets.pipeline.records import put_rejection
from vid_assets.sql.publish import publish
from vid_assets.synthetic.clips import random_clip, render

HOSTILE = "he said \"hi\"\n; rm 'x' [red]é\x1b[2J日本<b>.mp4"


def told(write, *arguments):
    """What a function writes into a console that is no terminal."""
    output = io.StringIO()
    answer = write(*arguments, Console(file=output, width=80))
    return answer, output.getvalue()


@pytest.mark.parametrize("name", ["missing.mp4", "empty.mp4", "folder", HOSTILE])
def test_a_bad_file_is_one_line(places, capsys, name):
    file = places / name
    if name == "empty.mp4":
        file.touch()
    if name == "folder":
        file.mkdir()
    assert main(["analyze", str(file)]) == 1
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    assert output.startswith("failed ")
    assert "\x1b" not in output
    assert "Traceback" not in output


def test_names_are_shown_as_they_are(places):
    _, output = told(complain, HOSTILE)
    assert (
        output
        == "failed he said \"hi\"\N{REPLACEMENT CHARACTER}; rm 'x' [red]é\N{REPLACEMENT CHARACTER}[2J日本<b>.mp4\n"
    )


def test_the_table_names_the_file_and_what_did_not_run(places):
    warehouse = Warehouse(path=str(places / "warehouse"))
    publish(warehouse)
    put_rejection("clip-0", "some reason", warehouse)
    answer, output = told(show, "clip-0", HOSTILE, 3.0, warehouse)
    assert (answer, output) == (False, "failed some reason\n")

    row = {"video_id": "clip-0", "duration_s": 2.0, "warnings": ["ends at 2.00 s of the 4.00 s"]}
    warehouse.replace_partition(VIDEOS.name, "clip-0", VIDEOS.frame([row]))
    records = warehouse.read_partition(ANALYZER_RUNS.name, "clip-0")
    assert records is not None
    values = {"status": "value", "reason": None}
    done = ANALYZER_RUNS.frame([records.row(0, named=True) | values])
    warehouse.replace_partition(ANALYZER_RUNS.name, "clip-0", done)
    answer, output = told(show, "clip-0", HOSTILE, 3.0, warehouse)
    assert answer is True
    assert "[red]é" in output.splitlines()[0]
    assert "(2.0 s, 0.00x realtime, 3 s in all)" in output.splitlines()[0]
    assert output.count("did not run") == 27
    assert "  videos: ends at 2.00 s of the 4.00 s\n" in output


def test_an_unknown_analyzer_is_one_line(places, monkeypatch, capsys):
    monkeypatch.setenv("VID_DISABLED", "no_such_[thing]")
    assert main(["analyze", str(places / "missing.mp4")]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert "no_such_[thing]" in output.err


def test_a_bad_path_does_not_hold_up_the_others(places, capsys):
    """Two clips of a folder, two analyzers, beside an empty folder and a file that is none."""
    (places / "films").mkdir()
    for seed in (1, 2):
        render(random_clip(seed), places / "films" / f"clip{seed}.mp4")
    (places / "empty").mkdir()
    given = [str(places / name) for name in ("empty", "missing.mp4", "films")]
    assert main(["analyze", *given, "--only", "color_analysis,speech_rate", "--disable", "speech_transcription"]) == 1
    output = capsys.readouterr().out
    assert f"failed {places / 'empty'}: holds no video" in output
    assert "missing.mp4: there is no such file" in output
    assert "2 of 4 analysed without a failure" in output
    assert output.count("color_analysis │ value") == 2
    records = Warehouse(path=str(places / "warehouse")).read_table(ANALYZER_RUNS.name).collect()
    done = records.filter(status="value").group_by("video_id").agg(pl.col("analyzer").sort())
    assert done["analyzer"].to_list() == [["color_analysis", "videos"]] * 2
    left = (
        records.filter(pl.col("analyzer").str.starts_with("speech_"))
        .select("analyzer", "status")
        .unique()
        .sort("analyzer")
    )
    assert left.rows() == [("speech_rate", "not_applicable"), ("speech_transcription", "disabled")]
    assert len(list((places / "reports").glob("clip*.html"))) == 2

    assert main(["analyze", str(places / "films" / "clip1.mp4"), "--only", "temporal_consistency"]) == 0
    assert "did not run" not in capsys.readouterr().out
