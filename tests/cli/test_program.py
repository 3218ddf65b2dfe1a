"""The program as a whole: help, start time, one line per bad input, exit codes."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vid_assets.cli import main
from vid_assets.cli.app import app

ROOT = Path(__file__).parents[2]
COMMANDS = [
    "demo",
    "analyze",
    "backfill",
    "status",
    "search",
    "export",
    "prune",
    "compact",
    "settings",
    "bench",
    "ui",
    "models",
]
HEAVY = {"dagster", "polars", "duckdb", "numpy", "torch", "cv2", "av", "fsspec"}


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=lambda words: " ".join(words) or "all")
def test_help_names_the_exit_codes(command):
    result = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "300"})
    assert result.exit_code == 0
    assert "Usage: " in result.output
    if command != ["models"]:
        assert "2 the command line or a setting is wrong" in result.output


def test_help_lists_every_command():
    output = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "300"}).output
    assert [name for name in COMMANDS if f" {name} " not in output] == []


def test_help_is_there_at_once():
    script = (
        "import sys, time; from vid_assets.cli import main; code = main(['--help']);"
        f"print(code, sorted(set(sys.modules) & {HEAVY!r}), time.process_time() < 0.5)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 [] True"


def test_the_package_declares_the_program_and_python_m_is_the_same():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"vid-assets": "vid_assets.cli:main"}
    command = [sys.executable, "-m", "vid_assets", "frobnicate"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("vid-assets: No such command 'frobnicate'; use one of demo, analyze")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["analyze"], "PATH"),
        (["analyze", "--bogus"], "--bogus"),
        (["analyze", "--only", "cut_analysis,no_such", "x.mp4"], "--only cut_analysis,no_such"),
        (["analyze", "--disable", "no_such", "x.mp4"], "--disable no_such"),
        (["analyze", "--profile", "tpu", "x.mp4"], "use auto, offline, cpu, gpu"),
        (["models", "pull", "--profile", "tpu"], "use auto, offline, cpu, gpu"),
        (["models", "seal", "missing"], "missing"),
        (["export", "x", "--format", "xml"], "'csv', 'jsonl', 'parquet', 'srt', 'vtt'"),
        (["export", "x", "--table", "nope"], "analyzer_runs"),
        (["export", "x", "--table", "videos", "--format", "srt"], "--table"),
        (["search", "--limit", "0", "x"], "--limit"),
        (["prune", "--older-than", "-1"], "--older-than"),
        (["prune", "--older-than", "week"], "a valid number"),
        (["frobnicate\n\x1b[2J"], "use one of demo"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_bad_command_line_is_one_line_and_exit_code_2(places, capsys, arguments, named):
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert output.err.startswith("vid-assets: ")
    assert named in output.err
    assert "\x1b" not in output.err
    assert [path.name for path in places.iterdir()] in (["home"], ["home", "warehouse"], ["warehouse", "home"])


@pytest.mark.parametrize(
    "command", [["status"], ["analyze", "x.mp4"], ["search", "x"], ["backfill"], ["models", "down"]]
)
def test_a_bad_setting_is_one_line_and_exit_code_2(places, monkeypatch, capsys, command):
    monkeypatch.setenv("VID_SCRATCH_GB", "ten")
    assert main(command) == 2
    line = "vid-assets: VID_SCRATCH_GB='ten': not a number; set it to a number of GB, such as 20, or unset it\n"
    assert capsys.readouterr() == ("", line)


def test_without_a_command_the_help_is_shown(capsys):
    assert main([]) == 2
    output = capsys.readouterr()
    assert "Usage: " in output.out
    assert output.err == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete(shell):
    result = CliRunner().invoke(app, [], prog_name="vid-assets", env={"_VID_ASSETS_COMPLETE": f"source_{shell}"})
    assert result.exit_code == 0
    assert "_VID_ASSETS_COMPLETE" in result.output


def test_names_of_analyzers_are_completed():
    line = "vid-assets analyze --only cut_analysis,col"
    environment = {"_VID_ASSETS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "3"}
    result = CliRunner().invoke(app, [], prog_name="vid-assets", env=environment)
    assert result.output.split() == ["cut_analysis,color_analysis"]


def test_benchmarks_are_those_of_the_checkout():
    assert main(["bench", "--", "--only", "nothing"]) == 2


def test_an_installed_package_has_no_benchmarks(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("vid_assets.cli.bench._FOLDER", tmp_path)
    assert main(["bench"]) == 2
    assert "clone the repository" in capsys.readouterr().err


def test_dagster_keeps_its_storage_with_the_data_unless_told_otherwise(tmp_path, monkeypatch, capsys):
    from vid_assets.runs.home import dagster_home

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", "")
    assert dagster_home() == tmp_path / "data" / "dagster_home"
    assert os.environ["DAGSTER_HOME"] == str(tmp_path / "data" / "dagster_home")
    assert (tmp_path / "data/dagster_home/dagster.yaml").read_text() == (ROOT / "dagster_home/dagster.yaml").read_text()

    monkeypatch.setenv("DAGSTER_HOME", "")
    (tmp_path / "dagster_home").mkdir()
    shutil.copy(ROOT / "dagster_home" / "dagster.yaml", tmp_path / "dagster_home")
    assert dagster_home() == tmp_path / "dagster_home"

    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "named"))
    assert capsys.readouterr() == ("", "")
    assert dagster_home() == tmp_path / "named"
    told = f"DAGSTER_HOME {tmp_path / 'named'}: put a dagster.yaml there, with the limits of the model pools\n"
    assert capsys.readouterr() == ("", told)
    settings = tmp_path / "named" / "dagster.yaml"
    assert settings.read_text() == (ROOT / "dagster_home/dagster.yaml").read_text()

    settings.write_text("telemetry: {enabled: false}\n")
    assert dagster_home() == tmp_path / "named"
    assert settings.read_text() == "telemetry: {enabled: false}\n"
    assert capsys.readouterr() == ("", "")
