"""Every file is an analyzer, and a broken one is loud."""

import sys

import polars as pl
import pytest

from tests.kit.makers import make_analyzer
from vid_assets.errors import AnalyzerDefinitionError
from vid_assets.registry import discover, ordered

GOOD = """
import polars as pl
from vid_assets.contract import Analyzer, Column

def run(video):
    return pl.DataFrame({"time_s": [0.0]})

ANALYZER = Analyzer(name="NAME", version="1", group="picture", inputs=("video",), run=run,
                    table={"time_s": Column(pl.Float64, "s", "When.")})
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of analyzers on disk, filled by the test."""
    folder = tmp_path / "some_analyzers"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    discover.cache_clear()
    for name in [name for name in sys.modules if name.startswith("some_analyzers")]:
        del sys.modules[name]


def test_a_file_is_all_it_takes(package):
    (package / "brightness.py").write_text(GOOD.replace("NAME", "brightness"))
    assert [analyzer.name for analyzer in discover("some_analyzers")] == ["brightness"]


def test_a_file_without_analyzer_is_refused(package):
    (package / "nothing.py").touch()
    with pytest.raises(AnalyzerDefinitionError, match=r"nothing\.py: no ANALYZER in it"):
        discover("some_analyzers")


def test_a_name_that_is_not_the_stem_is_refused(package):
    (package / "one.py").write_text(GOOD.replace("NAME", "two"))
    with pytest.raises(AnalyzerDefinitionError, match=r"one\.py: its analyzer is named 'two'; name it 'one'"):
        discover("some_analyzers")


def test_a_file_that_cannot_be_imported_is_loud(package):
    (package / "broken.py").write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        discover("some_analyzers")


def test_upstream_comes_first():
    last = make_analyzer("a_last", inputs=("z_first",), run=lambda z_first: pl.DataFrame())
    assert [item.name for item in ordered([last, make_analyzer("z_first")])] == ["z_first", "a_last"]


def test_unknown_inputs_are_refused():
    with pytest.raises(AnalyzerDefinitionError, match="unknown input 'nobody'"):
        ordered([make_analyzer(inputs=("nobody",), run=lambda nobody: pl.DataFrame())])


def test_circles_are_refused():
    one = make_analyzer("one", inputs=("two",), run=lambda two: pl.DataFrame())
    two = make_analyzer("two", inputs=("one",), run=lambda one: pl.DataFrame())
    with pytest.raises(AnalyzerDefinitionError, match="the inputs form a circle"):
        ordered([one, two])


def test_every_column_says_what_it_is():
    for analyzer in discover():
        for name, column in analyzer.table.items():
            assert column.unit, f"{analyzer.name}.{name} has no unit"
            assert column.description.endswith("."), f"{analyzer.name}.{name}: {column.description!r}"
