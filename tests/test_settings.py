"""The table of settings: defaults, and one clear line for a bad value."""

import ast
import re
import subprocess
import sys
import traceback
from pathlib import Path

import dagster as dg
import pytest

from resources.catalog.spec import PROFILES
from resources.errors import InvalidSetting
from resources.settings import Settings, rows, settings, variable
from vid_assets.settings import configured

ROOT = Path(__file__).parents[1]
READER = re.compile(r"os\.(environ|getenv)\b.*VID_")


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)


def test_defaults_and_empty_variables(monkeypatch):
    assert settings().scratch_gb == 20.0
    assert settings().backfill_hours is None
    for name in Settings.model_fields:
        monkeypatch.setenv(variable(name), "")
    assert settings() == Settings.model_construct(**{name: it.default for name, it in Settings.model_fields.items()})


@pytest.mark.parametrize(
    "url",
    ["s3://key:S3CRET@bucket/films", "ftp://user:S3CRET@host/films", "https://:S3CRET@host", "sftp://u:S3/CR@ET@h"],
)
def test_a_password_in_a_url_is_refused_and_not_repeated(monkeypatch, url):
    monkeypatch.setenv("VID_ARCHIVE", url)
    with pytest.raises(InvalidSetting) as caught:
        settings()
    assert "S3CRET" not in str(caught.value)
    assert "without a password" in str(caught.value)
    assert "S3CRET" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url", ["s3://bucket/a:b@c", "/films/a:b@c", "data/videos", "memory://films", "ftp://user@host/x"]
)
def test_other_urls_are_accepted(monkeypatch, url):
    monkeypatch.setenv("VID_ARCHIVE", url)
    assert settings().archive == url


def test_a_change_of_the_environment_is_seen(monkeypatch):
    monkeypatch.setenv("VID_WAREHOUSE", "elsewhere")
    assert settings().warehouse == "elsewhere"
    monkeypatch.setenv("VID_WAREHOUSE", "there")
    assert settings().warehouse == "there"
    assert next(row.value for row in rows() if row.variable == "VID_WAREHOUSE") == "there"


@pytest.mark.parametrize(
    ("name", "value", "problem", "fix"),
    [
        ("VID_SCRATCH_GB", "ten", "not a number", "set it to a number of GB, such as 20, or unset it"),
        (
            "VID_SCRATCH_GB",
            "-1",
            "must be greater than or equal to 0",
            "set it to a number of GB, such as 20, or unset it",
        ),
        ("VID_SCRATCH_GB", "inf", "must be a finite number", "set it to a number of GB, such as 20, or unset it"),
        ("VID_PROFILE", "tpu", "no such value", "set it to auto, offline, cpu or gpu, or unset it"),
        ("VID_MODEL_IDLE_S", "0", "must be greater than 0", "set it to a number of seconds, such as 900, or unset it"),
        ("VID_HOST_MEMORY_MB", "nan", "must be a finite number", "set it to a number of MB, or unset it"),
        ("VID_HOST_THREADS", "1.5", "not a whole number", "set it to a number of threads, or unset it"),
        ("VID_BACKFILL_VIDEOS", "0", "must be greater than or equal to 1", "such as 1000, or unset it"),
        ("VID_BACKFILL_HOURS", "all", "not a number", "set it to a number of hours, or unset it"),
    ],
)
def test_a_bad_value_is_named_with_what_it_may_be(monkeypatch, name, value, problem, fix):
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSetting) as error:
        settings()
    assert str(error.value).startswith(f"{name}={value!r}: {problem}; ")
    assert str(error.value).endswith(fix)


def test_every_setting_has_a_meaning_and_numbers_a_unit():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    numbers = [row for row in rows() if re.fullmatch(r"[\d.]+", row.default)]
    assert numbers
    assert [row.variable for row in numbers if not row.unit] == []


def test_the_profiles_are_those_of_the_catalogue(monkeypatch):
    for profile in ("auto", *PROFILES):
        monkeypatch.setenv("VID_PROFILE", profile)
        assert settings().profile == profile


def test_nobody_else_reads_or_names_a_variable_that_is_none():
    """Whoever reads ``VID_...`` from the environment would have a default and a meaning of its own."""
    known = {variable(name) for name in Settings.model_fields}
    for path in [path for package in ("vid_assets", "resources") for path in (ROOT / package).rglob("*.py")]:
        text = path.read_text()
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call | ast.Subscript)]
        reads = [node for node in nodes if not isinstance(getattr(node, "ctx", None), ast.Store)]
        readers = [code for node in reads if READER.match(code := ast.unparse(node))]
        unknown = [name for name in re.findall(r"\bVID_[A-Z_]*[A-Z]\b", text) if name not in known | {"VID_NAME"}]
        assert (path, readers, unknown) == (path, [], [])


def test_a_bad_value_is_the_error_of_the_code_location(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import vid_assets.definitions"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "VID_SCRATCH_GB": "ten"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "InvalidSetting: VID_SCRATCH_GB='ten': not a number; set it to a number of GB, such as 20, or unset it"
    )


def test_dagster_is_told_the_variable_where_one_is_set(monkeypatch):
    """So the UI names it, and a run process reads what its own environment has."""
    assert configured("warehouse") == "data/warehouse"
    monkeypatch.setenv("VID_WAREHOUSE", "elsewhere")
    told = configured("warehouse")
    assert isinstance(told, dg.EnvVar)
    assert told.env_var_name == "VID_WAREHOUSE"
    assert told.get_value() == "elsewhere"
    monkeypatch.setenv("VID_PROFILE", "tpu")
    with pytest.raises(InvalidSetting, match="VID_PROFILE='tpu'"):
        configured("warehouse")
