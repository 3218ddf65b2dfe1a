"""``make accuracy``: measures every analyzer on generated and real clips and writes ``docs/accuracy.md``.

Each file of this folder that is named after an analyzer measures that one; what begins with an underscore, and
``figure.py``, they share.
"""

import argparse
import importlib
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from evaluation.figure import Calibration, Figure
from vid_assets.errors import VidAssetsError
from vid_assets.registry import discover

FOLDER = Path(__file__).parent
DOCUMENT = FOLDER.parent / "docs" / "accuracy.md"
SHARED = "figure"
HEADINGS = ("analyzer", "measure", "value", "bound", "unit", "cases", "met")
WORTH = ("analyzer", "answers", "confidence", "cases", "mean confidence", "right")

INTRODUCTION = """\
# How right the analyzers are

A row is one figure: what was measured, its bound, its unit (`1` is a share or a ratio), and the number of cases. Most
inputs are generated pictures, sound and tables. The script that makes them knows their exact truth, and draws them from
the seed. Rows that begin with `footage:` are of real clips and photographs, labelled by hand in
`evaluation/real/clips.toml`; pip fetches them, and the programs to compare with. They do not depend on the seed. The
docstring of each analyzer says what it cannot do.

```console
$ make accuracy SEED={seed}
```

This command measures everything again and writes this file. Another seed draws other cases, and the same bounds hold.
The exit code is 1 if a bound is missed. Each row comes from `evaluation/<analyzer>.py`.

Seed {seed}, {day}: {met} of {count} figures of {analyzers} analyzers within their bounds.
"""

CALIBRATIONS = """
## What a confidence is worth

How often an answer on real clips is right, by the confidence that it carries. The expected calibration error above is
the mean distance between the last two columns, weighted by the cases. Objects, goods and faces are counted by track.
"""


class AccuracyError(VidAssetsError):
    """An analyzer is not measured, or what measures it says nothing that could fail."""


def modules() -> list[str]:
    """The analyzers that this folder measures, by name."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem[0] != "_" and path.stem != SHARED)


def check_modules(measured: Iterable[str], known: Iterable[str]) -> None:
    """Every analyzer has a module, and every module an analyzer.

    Raises:
        AccuracyError: Naming those that do not.
    """
    measured, known = set(measured), set(known)
    if missing := sorted(known - measured):
        raise AccuracyError("evaluation", f"nothing measures {', '.join(missing)}", "write a module for each")
    if strange := sorted(measured - known):
        raise AccuracyError("evaluation", f"no analyzers: {', '.join(strange)}", "name modules after analyzers")


def measure(name: str, seed: int) -> list[Figure | Calibration]:
    """What the module of this analyzer answers.

    Raises:
        AccuracyError: It answers nothing, speaks of another analyzer, or gives a figure without cases or bound.
    """
    measured: list[Figure | Calibration] = importlib.import_module(f"evaluation.{name}").measure(seed)
    figures = [one for one in measured if isinstance(one, Figure)]
    if not figures:
        raise AccuracyError(name, "it has no figures", "measure something")
    for figure in figures:
        if figure.analyzer != name:
            raise AccuracyError(name, f"a figure of {figure.analyzer!r}", "speak of the module's own analyzer")
        if not figure.cases or (figure.at_least is None and figure.at_most is None):
            raise AccuracyError(name, f"{figure.what!r} has no cases or no bound", "give it both")
    return measured


def bound(figure: Figure) -> str:
    """Such as ``≥ 0.95``, or ``0.9 to 1.1``."""
    if figure.at_least is not None and figure.at_most is not None:
        return f"{figure.at_least:g} to {figure.at_most:g}"
    return f"≥ {figure.at_least:g}" if figure.at_least is not None else f"≤ {figure.at_most:g}"


def row(figure: Figure) -> tuple[str, ...]:
    """Its cells, in the order of `HEADINGS`."""
    # More digits where rounding could make a miss look like a hit.
    value, met = (f"{figure.value:.4g}", "yes") if figure.met else (f"{figure.value:.6g}", "NO")
    return figure.analyzer, figure.what, value, bound(figure), figure.unit, str(figure.cases), met


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]


def worth(calibrations: Iterable[Calibration]) -> list[tuple[str, ...]]:
    """A row for each range of confidence: its cells, in the order of `WORTH`."""
    return [
        (one.analyzer, one.what, f"{part.low:g} to {part.high:g}", str(part.answers), f"{part.confidence:.2f}",
         f"{part.right:.2f}")
        for one in calibrations
        for part in one.bins()
    ]  # fmt: skip


def document(measured: Sequence[Figure | Calibration], seed: int, day: date) -> str:
    """The text of ``docs/accuracy.md``."""
    figures, calibrations = parted(measured)
    met, analyzers = sum(figure.met for figure in figures), len({figure.analyzer for figure in figures})
    head = INTRODUCTION.format(seed=seed, day=day.isoformat(), met=met, count=len(figures), analyzers=analyzers)
    lines = [head, *table(HEADINGS, map(row, figures))]
    if calibrations:
        lines += [CALIBRATIONS, *table(WORTH, worth(calibrations))]
    return "\n".join([*lines, ""])


def parted(measured: Iterable[Figure | Calibration]) -> tuple[list[Figure], list[Calibration]]:
    """Figures and calibrations, each in their order."""
    measured = list(measured)
    figures = [one for one in measured if isinstance(one, Figure)]
    return figures, [one for one in measured if isinstance(one, Calibration)]


def measure_all(names: Sequence[str], seed: int, console: Console) -> list[Figure | Calibration]:
    """The figures of these analyzers, one after the other, with a bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    measured: list[Figure | Calibration] = []
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=len(names))
        for name in names:
            progress.update(bar, description=name)
            start = time.perf_counter()
            measured += measure(name, seed)
            progress.advance(bar)
            console.print(f"[dim]{name}: {time.perf_counter() - start:.1f} s[/dim]", highlight=False)
    return measured


def show(measured: Sequence[Figure | Calibration], console: Console) -> None:
    """Print the tables; what missed its bound stands out."""
    figures, calibrations = parted(measured)
    shown = Table(*HEADINGS)
    for figure in figures:
        shown.add_row(*row(figure), style="" if figure.met else "bold red")
    console.print(shown)
    if calibrations:
        shown = Table(*WORTH)
        for cells in worth(calibrations):
            shown.add_row(*cells)
        console.print(shown)


def main(arguments: Sequence[str], console: Console | None = None) -> int:
    """Measure, print, and write the document unless only some analyzers were asked for.

    Returns:
        The exit code: 0, or 1 if a bound is missed.
    """
    parser = argparse.ArgumentParser(prog="accuracy", description="How right the analyzers are.")
    parser.add_argument("--seed", type=int, default=1, help="other seeds draw other cases (default: 1)")
    parser.add_argument("--only", nargs="+", metavar="ANALYZER", help="print the figures of these, write nothing")
    parser.add_argument("--out", type=Path, default=DOCUMENT, help="the document to write (default: docs/accuracy.md)")
    options = parser.parse_args(arguments)
    console = console or Console()
    names = modules()
    if unknown := sorted(set(options.only or ()) - set(names)):
        parser.error(f"nothing measures {', '.join(unknown)}; there are {', '.join(names)}")
    if not options.only:
        check_modules(names, (analyzer.name for analyzer in discover()))
    measured = measure_all(options.only or names, options.seed, console)
    show(measured, console)
    if not options.only:
        options.out.write_text(document(measured, options.seed, datetime.now(UTC).date()))
        console.print(f"Written to {options.out}.", highlight=False)
    return int(not all(figure.met for figure in parted(measured)[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
