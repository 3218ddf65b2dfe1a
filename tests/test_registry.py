"""Every file is an analyzer, and a broken one is loud."""

import importlib
import sys

import polars as pl
import pytest

from tests.kit.makers import make_analyzer
from vid_assets.errors import AnalyzerDefinitionError
from vid_assets.registry import GROUP, discover, ordered

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
    with pytest.raises(AnalyzerDefinitionError, match="the inputs form a cycle"):
        ordered([one, two])


def test_every_column_says_what_it_is():
    for analyzer in discover():
        for name, column in analyzer.table.items():
            assert column.unit, f"{analyzer.name}.{name} has no unit"
            assert column.description.endswith("."), f"{analyzer.name}.{name}: {column.description!r}"


@pytest.fixture
def offered(package):
    """Installs a package that offers analyzers: name, module and attribute, and its text; beside an analyzer `own`."""
    (package / "own.py").write_text(GOOD.replace("NAME", "own"))
    info = package.parent / "offering-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: offering\nVersion: 1.0\n")
    points: list[str] = []

    def offer(name, value, text=None, group="some_analyzers"):
        if text is not None:
            (package.parent / f"{value.partition(':')[0]}.py").write_text(text)
        points.append(f"[{group}]\n{name} = {value}\n")
        (info / "entry_points.txt").write_text("".join(points))
        importlib.invalidate_caches()

    yield offer
    for name in [name for name in sys.modules if name.startswith("offered_")]:
        del sys.modules[name]


def test_packages_offer_analyzers_and_modules_with_one(offered):
    offered("z", "offered_one", GOOD.replace("NAME", "brightness"))
    offered("a", "offered_two:MINE", GOOD.replace("NAME", "contrast").replace("ANALYZER =", "MINE ="))
    assert [analyzer.name for analyzer in discover("some_analyzers")] == ["brightness", "contrast", "own"]


def test_offered_analyzers_read_the_tables_of_others(offered):
    text = GOOD.replace("NAME", "after").replace('("video",)', '("own",)').replace("run(video)", "run(own)")
    offered("after", "offered_one", text)
    assert [analyzer.name for analyzer in discover("some_analyzers")] == ["own", "after"]


def test_only_entry_points_of_the_group_count(offered):
    offered("x", "no_such_module", group="other_group")
    assert [analyzer.name for analyzer in discover("some_analyzers")] == ["own"]
    assert GROUP == "vid_assets.analyzers"


def test_an_entry_point_without_analyzer_is_refused(offered):
    offered("empty", "offered_one", "ANALYZER = 3\n")
    with pytest.raises(
        AnalyzerDefinitionError,
        match=r"entry point empty of offering \(offered_one\): it names no Analyzer; name an Analyzer, or a module ",
    ):
        discover("some_analyzers")


def test_an_offered_name_that_is_taken_is_refused(offered):
    offered("again", "offered_one", GOOD.replace("NAME", "own"))
    with pytest.raises(
        AnalyzerDefinitionError,
        match=r"entry point again of offering \(offered_one\): the name 'own' is taken by own\.py; ",
    ):
        discover("some_analyzers")


def test_two_packages_with_one_name_are_refused(offered):
    offered("a", "offered_one", GOOD.replace("NAME", "twin"))
    offered("b", "offered_two", GOOD.replace("NAME", "twin"))
    with pytest.raises(
        AnalyzerDefinitionError,
        match=r"the name 'twin' is taken by entry point a of offering \(offered_one\); rename the analyzer",
    ):
        discover("some_analyzers")


@pytest.mark.parametrize(("value", "text"), [("offered_none", None), ("offered_one:NOBODY", "ANALYZER = 3\n")])
def test_an_entry_point_that_cannot_be_loaded_is_one_line(offered, value, text):
    offered("lost", value, text)
    with pytest.raises(
        AnalyzerDefinitionError, match=r"entry point lost of offering \(.*\): cannot be loaded: "
    ) as caught:
        discover("some_analyzers")
    assert "\n" not in str(caught.value)


def test_an_offered_module_that_breaks_is_loud(offered):
    offered("broken", "offered_one", "1 / 0")
    with pytest.raises(ZeroDivisionError):
        discover("some_analyzers")
