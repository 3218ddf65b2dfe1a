"""What the command line tells: one line for a bad file, whatever it is called, and where results are."""

import io

import pytest
from rich.console import Console

from resources.warehouse.records import ANALYZER_RUNS, VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets import cli
from vid_assets.pipeline.records import put_rejection
from vid_assets.sql.publish import publish

HOSTILE = "he said \"hi\"\n; rm 'x' [red]é\x1b[2J日本<b>.mp4"


@pytest.fixture
def places(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    for name, folder in {
        "DAGSTER_HOME": "home",
        "VID_WAREHOUSE": "warehouse",
        "VID_SCRATCH": "scratch",
        "VID_REPORTS": "reports",
    }.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.delenv("VID_DISABLED", raising=False)
    return tmp_path


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
    assert cli.main(["analyze", str(file)]) == 1
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    assert output.startswith("failed ")
    assert "\x1b" not in output
    assert "Traceback" not in output


def test_names_are_shown_as_they_are(places):
    _, output = told(cli._complain, HOSTILE)
    assert (
        output
        == "failed he said \"hi\"\N{REPLACEMENT CHARACTER}; rm 'x' [red]é\N{REPLACEMENT CHARACTER}[2J日本<b>.mp4\n"
    )


def test_the_table_names_the_file_and_what_did_not_run(places):
    warehouse = Warehouse(path=str(places / "warehouse"))
    publish(warehouse)
    put_rejection("clip-0", "some reason", warehouse)
    answer, output = told(cli._show, "clip-0", HOSTILE, 3.0, warehouse)
    assert (answer, output) == (False, "failed some reason\n")

    row = {"video_id": "clip-0", "duration_s": 2.0, "warnings": ["ends at 2.00 s of the 4.00 s"]}
    warehouse.replace_partition(VIDEOS.name, "clip-0", VIDEOS.frame([row]))
    records = warehouse.read_partition(ANALYZER_RUNS.name, "clip-0")
    assert records is not None
    values = {"status": "value", "reason": None}
    done = ANALYZER_RUNS.frame([records.row(0, named=True) | values])
    warehouse.replace_partition(ANALYZER_RUNS.name, "clip-0", done)
    answer, output = told(cli._show, "clip-0", HOSTILE, 3.0, warehouse)
    assert answer is True
    assert "[red]é" in output.splitlines()[0]
    assert "(2.0 s, 0.00x realtime, 3 s in all)" in output.splitlines()[0]
    assert output.count("did not run") == 27
    assert "  videos: ends at 2.00 s of the 4.00 s\n" in output


def test_an_unknown_analyzer_is_one_line(places, monkeypatch, capsys):
    monkeypatch.setenv("VID_DISABLED", "no_such_[thing]")
    assert cli.main(["analyze", str(places / "missing.mp4")]) == 1
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    assert "no_such_[thing]" in output
