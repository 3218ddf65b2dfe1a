"""Finds the analyzers: every file in ``vid_assets/analyzers``, and the analyzers of installed packages.

A package provides an analyzer with an entry point in the group ``vid_assets.analyzers``. The entry point names an
`Analyzer`, or a module that has one as ``ANALYZER``. An invalid file or entry point fails at load time.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import EntryPoint

from resources.plugins import offered
from vid_assets.contract import STREAMS, Analyzer
from vid_assets.errors import AnalyzerDefinitionError

GROUP = "vid_assets.analyzers"
INDEXES = "vid_assets.indexes"


@cache
def discover(package: str = GROUP) -> tuple[Analyzer, ...]:
    """Return all analyzers, upstream before downstream, then by name.

    Args:
        package: Package that contains the files; also the group of the entry points.

    Raises:
        AnalyzerDefinitionError: A file or entry point has no analyzer, its name differs from the file's stem or is
            taken, an input is unknown, or the inputs form a cycle. Import errors are passed on unchanged.
    """
    folder = importlib.import_module(package).__path__
    own = [_load(f"{package}.{module.name}") for module in pkgutil.iter_modules(folder)]
    return ordered([*own, *_offered(package, {analyzer.name: f"{analyzer.name}.py" for analyzer in own})])


@cache
def indexes() -> tuple[Analyzer, ...]:
    """Return what is made of the answers for searching: every file in ``vid_assets/indexes``, by name.

    An index has the description of an analyzer, and is computed, recorded and renewed as one. It answers nothing new
    about a video, so reports and scores do not count it.

    Raises:
        AnalyzerDefinitionError: See `discover`.
    """
    folder = importlib.import_module(INDEXES).__path__
    found = [_load(f"{INDEXES}.{module.name}") for module in pkgutil.iter_modules(folder)]
    return ordered(found, discover())


@cache
def computed() -> tuple[Analyzer, ...]:
    """Return everything that is computed for each video: the analyzers, and then the indexes."""
    return (*discover(), *indexes())


def ordered(analyzers: Iterable[Analyzer], others: Sequence[Analyzer] = ()) -> tuple[Analyzer, ...]:
    """Return the analyzers sorted so that each comes after those whose tables it reads.

    Args:
        analyzers: The analyzers.
        others: Further analyzers whose tables they may read.

    Raises:
        AnalyzerDefinitionError: An input is neither a stream nor an analyzer, or the inputs form a cycle.
    """
    by_name = {analyzer.name: analyzer for analyzer in analyzers}
    there = {*by_name, *(analyzer.name for analyzer in others)}
    for analyzer in by_name.values():
        for name in analyzer.upstream:
            if name not in there:
                known = ", ".join([*STREAMS, *sorted(there)])
                raise AnalyzerDefinitionError(analyzer.name, f"unknown input {name!r}", f"use one of {known}")
    sorter = TopologicalSorter({name: sorted(by_name.keys() & by_name[name].upstream) for name in sorted(by_name)})
    try:
        return tuple(by_name[name] for name in sorter.static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise AnalyzerDefinitionError(circle, "the inputs form a cycle", "remove one of these inputs") from error


def _load(module_name: str) -> Analyzer:
    stem = module_name.rpartition(".")[2]
    analyzer = getattr(importlib.import_module(module_name), "ANALYZER", None)
    if not isinstance(analyzer, Analyzer):
        raise AnalyzerDefinitionError(f"{stem}.py", "no ANALYZER in it", "end the file with ANALYZER = Analyzer(...)")
    if analyzer.name != stem:
        raise AnalyzerDefinitionError(f"{stem}.py", f"its analyzer is named {analyzer.name!r}", f"name it {stem!r}")
    return analyzer


def _offered(group: str, taken: dict[str, str]) -> Iterator[Analyzer]:
    """Yield the analyzers of installed packages."""
    for point in offered(group):
        where = _place(point)
        try:
            found = point.load()
        except (ModuleNotFoundError, AttributeError) as error:
            fix = "correct the entry point, or uninstall the package"
            raise AnalyzerDefinitionError(where, f"cannot be loaded: {error}", fix) from error
        analyzer = getattr(found, "ANALYZER", found)
        if not isinstance(analyzer, Analyzer):
            raise AnalyzerDefinitionError(where, "it names no Analyzer", "name an Analyzer, or a module with ANALYZER")
        if analyzer.name in taken:
            problem = f"the name {analyzer.name!r} is taken by {taken[analyzer.name]}"
            raise AnalyzerDefinitionError(where, problem, "rename the analyzer, or uninstall one of the packages")
        taken[analyzer.name] = where
        yield analyzer


def _place(point: EntryPoint) -> str:
    package = f" of {point.dist.name}" if point.dist is not None else ""
    return f"entry point {point.name}{package} ({point.value})"
