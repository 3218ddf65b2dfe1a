"""A plain ``pip install`` of the wheel, away from the checkout, gives a program that works."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
ANSWERS = {"value", "not_applicable", "undefined"}


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The folder of programs of an environment that holds the wheel and its dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    command = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, "-c", ROOT / "constraints.txt", wheel], check=True, cwd=folder)
    return folder / "bin"


def ran(installed: Path, program: str, *arguments: str, cwd: Path) -> str:
    """What a program of the environment prints, with nothing of this project in its environment variables."""
    dropped = ("VID_", "DAGSTER_", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    done = subprocess.run(
        [installed / program, *arguments],
        cwd=cwd,
        env=environment | {"COLUMNS": "160"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_one_cv2_is_left_and_it_imports(installed, tmp_path):
    script = (
        "import cv2, importlib.metadata as m; print([d.metadata['Name'] for d in m.distributions()"
        " if d.metadata['Name'].startswith('opencv')], cv2.resize(__import__('numpy').zeros((4, 4)), (2, 2)).shape)"
    )
    assert ran(installed, "python", "-c", script, cwd=tmp_path).split("\n")[0] == "['opencv-python-headless'] (2, 2)"


def test_definitions_import(installed, tmp_path):
    script = "import vid_assets.definitions as it; print(it.__file__)"
    assert Path(ran(installed, "python", "-c", script, cwd=tmp_path).strip()).is_relative_to(installed.parent)


def test_the_program_explains_itself(installed, tmp_path):
    assert "analyze" in ran(installed, "vid-assets", "--help", cwd=tmp_path)


def test_the_demo_runs_from_an_empty_folder(installed, tmp_path):
    output = ran(installed, "vid-assets", "demo", cwd=tmp_path)
    assert (tmp_path / "data" / "reports" / "index.html").is_file()
    script = (
        "import duckdb, json; connection = duckdb.connect('data/warehouse/results.duckdb');"
        "rows = connection.sql('SELECT status, count(*)::INT FROM analyzer_runs GROUP BY status').fetchall();"
        "print(json.dumps(dict(rows)))"
    )
    answers = json.loads(ran(installed, "python", "-c", script, cwd=tmp_path))
    assert set(answers) <= ANSWERS, output
    assert answers["value"] >= 40
    assert "3 of 3" in output
    ran(installed, "vid-assets", "models", "down", cwd=tmp_path)
