"""``make accuracy``: every analyzer is measured, and docs/accuracy.md says how right it is."""

import io
import re
from datetime import date

import pytest
from rich.console import Console

from evaluation import __main__ as runner
from evaluation.figure import Calibration, Figure
from vid_assets.registry import discover

ANALYZERS = {analyzer.name for analyzer in discover()}
HITS = Figure(analyzer="a", what="hits | misses", value=0.94996, unit="1", cases=40, at_least=0.95)
ERROR = Figure(analyzer="b", what="error", value=12.0, unit="ms", cases=7, at_most=40)


def rows_of(text):
    figures = text.partition("\n## ")[0]
    table = [line.strip("|").split("|") for line in figures.splitlines() if line.startswith("|")]
    heads, _, *rows = [tuple(cell.strip() for cell in line) for line in table]
    assert heads == runner.HEADINGS
    return rows


def silent():
    return Console(file=io.StringIO(), width=200)


def measures(monkeypatch, *figures):
    """Put these figures in the place of all modules."""
    monkeypatch.setattr(runner, "modules", lambda: sorted({figure.analyzer for figure in figures}))
    monkeypatch.setattr(runner, "check_modules", lambda measured, known: None)
    monkeypatch.setattr(runner, "measure", lambda name, seed: [figure for figure in figures if figure.analyzer == name])


def test_every_analyzer_is_measured():
    assert set(runner.modules()) == ANALYZERS


def test_the_document_has_figures_of_every_analyzer_within_their_bounds():
    text = runner.DOCUMENT.read_text()
    rows = rows_of(text)
    assert {row[0] for row in rows} == ANALYZERS
    for analyzer, what, value, bound, unit, cases, met in rows:
        assert what, analyzer
        assert unit, analyzer
        assert int(cases) > 0, (analyzer, what)
        low, high = re.fullmatch(r"(?:≥ (\S+)|(?:(\S+) to|≤) (\S+))", bound).group(1, 3)
        assert float(value) >= float(low or "-inf"), (analyzer, what)
        assert float(value) <= float(high or "inf"), (analyzer, what)
        assert met == "yes", (analyzer, what)
    assert re.search(r"^Seed \d+, \d{4}-\d\d-\d\d: (\d+) of \1 figures of 27 analyzers", text, re.MULTILINE)


def test_bounds_of_cuts():
    bounds = {row[1]: row[3] for row in rows_of(runner.DOCUMENT.read_text()) if row[0] == "cut_analysis"}
    assert bounds["F1 of hard cuts, 0 frames tolerance"] == "≥ 0.95"
    assert bounds["F1 of gradual transitions that overlap"] == "≥ 0.8"


@pytest.mark.parametrize(
    ("value", "bounds", "met"),
    [
        (0.95, {"at_least": 0.95}, True),
        (0.94, {"at_least": 0.95}, False),
        (40, {"at_most": 40}, True),
        (41, {"at_most": 40}, False),
        (1.0, {"at_least": 0.9, "at_most": 1.1}, True),
        (1.2, {"at_least": 0.9, "at_most": 1.1}, False),
        (0.8, {"at_least": 0.9, "at_most": 1.1}, False),
        (float("nan"), {"at_least": 0.9}, False),
        (float("nan"), {"at_most": 0.9}, False),
    ],
)
def test_bounds(value, bounds, met):
    assert Figure(analyzer="a", what="b", value=value, unit="1", cases=1, **bounds).met is met


def test_rows():
    assert runner.row(HITS) == ("a", "hits | misses", "0.94996", "≥ 0.95", "1", "40", "NO")
    assert runner.row(ERROR) == ("b", "error", "12", "≤ 40", "ms", "7", "yes")
    both = Figure(analyzer="c", what="ratio", value=1.0, unit="1", cases=2, at_least=0.9, at_most=1.1)
    assert runner.row(both)[3] == "0.9 to 1.1"


def test_document():
    text = runner.document([HITS, ERROR], 7, date(2026, 1, 2))
    assert "Seed 7, 2026-01-02: 1 of 2 figures of 2 analyzers within their bounds." in text
    assert "make accuracy SEED=7" in text
    assert rows_of(text) == [("a", "hits / misses", *runner.row(HITS)[2:]), runner.row(ERROR)]


def test_modules_and_analyzers_must_agree():
    runner.check_modules(["a", "b"], ["b", "a"])
    with pytest.raises(runner.AccuracyError, match="nothing measures b, c"):
        runner.check_modules(["a"], ["a", "b", "c"])
    with pytest.raises(runner.AccuracyError, match="no analyzers: b"):
        runner.check_modules(["a", "b"], ["a"])


@pytest.mark.parametrize(
    ("figures", "problem"),
    [
        ([], "no figures"),
        ([ERROR], "a figure of 'b'"),
        ([Figure(analyzer="cut_analysis", what="F1", value=1, unit="1", cases=1)], "no cases or no bound"),
        ([Figure(analyzer="cut_analysis", what="F1", value=1, unit="1", cases=0, at_least=1)], "no cases or no bound"),
    ],
)
def test_figures_that_could_not_fail_are_refused(monkeypatch, figures, problem):
    monkeypatch.setattr("evaluation.cut_analysis.measure", lambda seed: figures)
    with pytest.raises(runner.AccuracyError, match=problem):
        runner.measure("cut_analysis", 1)


def test_writes_the_document_and_fails_if_a_bound_is_missed(monkeypatch, tmp_path):
    out = tmp_path / "accuracy.md"
    measures(monkeypatch, ERROR)
    assert runner.main(["--seed", "3", "--out", str(out)], silent()) == 0
    assert rows_of(out.read_text()) == [runner.row(ERROR)]
    measures(monkeypatch, HITS, ERROR)
    assert runner.main(["--out", str(out)], silent()) == 1
    assert [row[-1] for row in rows_of(out.read_text())] == ["NO", "yes"]


def test_only_some_are_printed_and_not_written(monkeypatch, tmp_path):
    out, console = tmp_path / "accuracy.md", silent()
    measures(monkeypatch, HITS, ERROR)
    assert runner.main(["--only", "b", "--out", str(out)], console) == 0
    assert not out.exists()
    printed = console.file.getvalue()
    assert "≤ 40" in printed
    assert "≥ 0.95" not in printed


def test_unknown_names_are_refused(monkeypatch, capsys):
    measures(monkeypatch, ERROR)
    with pytest.raises(SystemExit):
        runner.main(["--only", "nobody"], silent())
    assert "nothing measures nobody" in capsys.readouterr().err


def test_calibration_is_a_table_of_its_own():
    answers = tuple((confidence, right) for confidence in (0.55, 0.95) for right in (True, True, False, True))
    calibration = Calibration("b", "things", answers)
    assert [(part.answers, part.right) for part in calibration.bins()] == [(4, 0.75), (4, 0.75)]
    assert calibration.error == pytest.approx(0.2)
    assert not calibration.figure(at_most=0.19).met
    text = runner.document([HITS, calibration, ERROR], 5, date(2026, 1, 2))
    assert [row[0] for row in rows_of(text)] == ["a", "b"]
    assert "| b | things | 0.9 to 1 | 4 | 0.95 | 0.75 |" in text


def test_a_confidence_of_one_is_in_the_last_range():
    assert [part.answers for part in Calibration("b", "things", ((1.0, True), (0.0, False))).bins()] == [1, 1]
    assert Calibration("b", "things", ()).error == 0
