"""Finds the analyzers: every file in ``vid_assets/analyzers`` must hold one, and a broken one stops the show."""

import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache
from graphlib import CycleError, TopologicalSorter

from vid_assets.contract import STREAMS, Analyzer
from vid_assets.errors import AnalyzerDefinitionError


@cache
def discover(package: str = "vid_assets.analyzers") -> tuple[Analyzer, ...]:
    """All analyzers of the package, upstream before downstream, otherwise by name.

    Raises:
        AnalyzerDefinitionError: A file holds no `ANALYZER`, its name is not the file's stem, an input is unknown, or
            the inputs form a circle. An error while a file is imported is passed on as it is.
    """
    folder = importlib.import_module(package).__path__
    return ordered(_load(f"{package}.{module.name}") for module in pkgutil.iter_modules(folder))


def ordered(analyzers: Iterable[Analyzer]) -> tuple[Analyzer, ...]:
    """The analyzers sorted so that each comes after those whose tables it reads.

    Raises:
        AnalyzerDefinitionError: An input is neither a stream nor an analyzer, or the inputs form a circle.
    """
    by_name = {analyzer.name: analyzer for analyzer in analyzers}
    for analyzer in by_name.values():
        for name in analyzer.upstream:
            if name not in by_name:
                known = ", ".join([*STREAMS, *sorted(by_name)])
                raise AnalyzerDefinitionError(analyzer.name, f"unknown input {name!r}", f"use one of {known}")
    sorter = TopologicalSorter({name: sorted(by_name[name].upstream) for name in sorted(by_name)})
    try:
        return tuple(by_name[name] for name in sorter.static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise AnalyzerDefinitionError(circle, "the inputs form a circle", "remove one of these inputs") from error


def _load(module_name: str) -> Analyzer:
    stem = module_name.rpartition(".")[2]
    analyzer = getattr(importlib.import_module(module_name), "ANALYZER", None)
    if not isinstance(analyzer, Analyzer):
        raise AnalyzerDefinitionError(f"{stem}.py", "no ANALYZER in it", "end the file with ANALYZER = Analyzer(...)")
    if analyzer.name != stem:
        raise AnalyzerDefinitionError(f"{stem}.py", f"its analyzer is named {analyzer.name!r}", f"name it {stem!r}")
    return analyzer
