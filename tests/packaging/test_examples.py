"""The example packages, installed as a stranger would, in a process of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
KNOWN = """
import json
from vid_assets.registry import discover
from vid_assets.defs.factory import analyzer_asset
from vid_assets.defs.wanted import wanted_answers
from vid_assets.definitions import defs
from resources.catalog.rows import catalogue, find
from resources.warehouse.resource import Warehouse
from vid_assets.sql.publish import publish
from vid_assets.settings import with_dependants

job = defs.resolve_job_def("analyze_video")
fields = job.run_config_schema.config_type.fields["ops"].config_type.fields["mean_luma"].config_type.fields["config"]
warehouse = Warehouse(path="warehouse")
publish(warehouse)
with warehouse.connect() as connection:
    columns = connection.sql("SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'mean_luma'")
    comments = columns.fetchall()
print(json.dumps({
    "analyzers": len(discover()),
    "field": fields.config_type.fields["margin"].description,
    "wanted": wanted_answers()["mean_luma"].version,
    "objects": wanted_answers()["object_detection"].version,
    "rows": [spec.name for spec in catalogue() if spec.name.startswith("red-")],
    "default": find("objects", "offline").name,
    "comments": dict(comments),
    "disabled": with_dependants({"mean_luma"}),
}))
"""
SEEN = """
import json, sys
import numpy as np
from resources.hosting.handle import ModelHostsResource, handle_of
from resources.hosting.inprocess import InProcess
from resources.tasks.objects import OBJECTS
from vid_assets.contract import Frames

ENGINE = InProcess()
class Here(ModelHostsResource):
    def engine(self):
        return ENGINE

picture = np.full((1, 90, 160, 3), 200, np.uint8)
picture[0, 18:54, 40:80] = (255, 0, 0)
frames = Frames(picture, np.zeros(1), np.zeros(1, np.int64))
handle, here = handle_of(OBJECTS), Here(models="models")
print(json.dumps({name: handle(hosts=here, model=name).detect(frames, [0]).rows() for name in sys.argv[1:]}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both packages in it, as pip leaves them."""
    folder = tmp_path_factory.mktemp("site")
    for package in ("vid-assets-mean-luma", "vid-assets-red-detector"):
        # setuptools builds in the source folder, which must stay as it is
        copy = shutil.copytree(EXAMPLES / package, folder / "sources" / package)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--no-build-isolation", "--target", str(folder), str(copy)], check=True)
    return folder


def run(code: str, installed: Path, cwd: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    keep = {name: value for name, value in os.environ.items() if not name.startswith("VID_")}
    environment = {**keep, "PYTHONPATH": f"{installed}{os.pathsep}{ROOT}", "VID_PROFILE": "offline", **variables}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_an_analyzer_of_another_package_takes_part_everywhere(installed: Path, tmp_path: Path) -> None:
    done = run(KNOWN, installed, tmp_path)
    assert done.returncode == 0, done.stderr
    known = json.loads(done.stdout.splitlines()[-1])
    assert known["analyzers"] == 28
    assert known["field"] == "Share of the width and height that is left out at each edge [1]"
    assert known["wanted"].startswith("1-")
    assert known["comments"]["luma"] == "Mean luma. [1]"
    assert known["disabled"] == {"mean_luma": "mean_luma"}
    # models that no profile names change nothing until somebody asks for them
    assert sorted(known["rows"]) == ["red-blob", "red-grid"]
    assert known["default"] == "centernet"
    (tmp_path / "archive.toml").write_text(
        '[models.objects]\nmodel = "red-grid"\n[analyzers.mean_luma]\nmargin = 0.1\n'
    )
    changed = run(KNOWN, installed, tmp_path, VID_CONFIG=str(tmp_path / "archive.toml"))
    assert changed.returncode == 0, changed.stderr
    after = json.loads(changed.stdout.splitlines()[-1])
    assert after["wanted"] != known["wanted"]
    assert after["objects"] != known["objects"]


def test_models_of_another_package_answer(installed: Path, tmp_path: Path) -> None:
    done = run(SEEN, installed, tmp_path, "red-grid", "red-blob")
    assert done.returncode == 0, done.stderr
    tables = json.loads(done.stdout.splitlines()[-1])
    (blob,) = tables["red-blob"]
    assert blob == [0, "red thing", 1.0, 0.25, 0.2, 0.5, 0.6]
    assert len(tables["red-grid"]) == 6  # cells of 20 x 11.25 px that are mostly red, two across and three down
    for row, label, score, x0, y0, x1, y1 in tables["red-grid"]:
        assert (row, label) == (0, "red thing")
        assert 0.5 <= score <= 1
        assert 0.25 <= x0 < x1 <= 0.5
        assert 0.2 - 0.0625 <= y0 < y1 <= 0.6 + 0.0625


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vid_assets.analyzers", "broken = json:loads", "entry point broken .*it names no Analyzer; name an Analyzer"),
        (
            "vid_assets.analyzers",
            "twice = vid_assets.analyzers.cut_analysis",
            "the name 'cut_analysis' is taken by cut_a",
        ),
    ],
)
def test_a_broken_plugin_is_one_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    info = tmp_path / "site" / "plugin-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{name}]\n{content}\n")
    done = run("from vid_assets.registry import discover; discover()", tmp_path / "site", tmp_path)
    assert done.returncode == 1
    line = done.stderr.strip().splitlines()[-1]
    assert "AnalyzerDefinitionError" in line
    assert re.search(message, line), line
