"""What the tool does that runs the tests under other versions of Dagster; the index of packages is made up here."""

import importlib.util
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "dagster_matrix.py"


@pytest.fixture
def matrix():
    spec = importlib.util.spec_from_file_location("dagster_matrix", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def listing(*versions):
    return lambda *_: f"dagster ({versions[0]})\nAvailable versions: {', '.join(versions)}\n  INSTALLED: 1.13.9\n"


def test_the_ends_of_the_range_go_by_version_and_not_by_text(matrix, monkeypatch):
    monkeypatch.setattr(matrix, "_pip", listing("1.14.0", "1.13.10", "1.13.9", "1.13.2", "1.12.30"))
    assert matrix.oldest_and_newest() == ["1.13.2", "1.13.10"]


@pytest.mark.parametrize(
    ("answer", "told"), [(listing("2.0.0"), "no release fits"), (lambda *_: "nothing", "no versions in the answer")]
)
def test_an_index_without_a_version_that_fits_is_an_error(matrix, monkeypatch, answer, told):
    monkeypatch.setattr(matrix, "_pip", answer)
    with pytest.raises(SystemExit, match=told):
        matrix.oldest_and_newest()


def test_a_folder_without_the_version_that_it_is_named_for_is_an_error(matrix, tmp_path):
    """The environment's own Dagster would be tested under another's name. No environment has this version."""
    with pytest.raises(SystemExit, match="from elsewhere"):
        matrix.passes(tmp_path / "0.0.0", ["tests/executor"])
