"""``vid-assets analyze``: run every analyzer, or those that you name, on the given files."""

import itertools
import time
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vid_assets.cli.options import Disable, Only, Profile, names_in, use_profile

if TYPE_CHECKING:
    import dagster as dg
    from rich.console import Console

    from resources.warehouse.resource import Warehouse
    from vid_assets.cli.bar import AnswersBar
    from vid_assets.errors import MediaError
    from vid_assets.executor import Stop
    from vid_assets.runs.progress import Progress

Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH", help="Files, folders with all videos below them, or quoted patterns.", show_default=False
    ),
]


def analyze(paths: Paths, only: Only = None, disable: Disable = None, profile: Profile = "") -> int:
    """Analyse videos: files, folders, patterns.

    A file that is no video is one line, and the others go on. Ctrl-C stops after the steps that run; a second one stops
    at once.
    """
    chosen, off = names_in(only, "--only"), names_in(disable, "--disable")
    use_profile(profile)
    from vid_assets.cli.inputs import files_of

    files, problems = files_of(paths)
    return analyze_files(files, only=chosen or None, disable=off, profile=profile, problems=problems)


def analyze_files(
    files: Sequence[Path],
    *,
    only: Collection[str] | None = None,
    disable: Collection[str] = (),
    profile: str = "",
    problems: "Sequence[MediaError]" = (),
) -> int:
    """Register files, run the job for each, and show the answers. Call it only on the main thread.

    Args:
        files: The files.
        only: The analyzers to run; None for all.
        disable: The analyzers to leave out.
        profile: Tag of the runs; empty for none.
        problems: Problems with other paths of the command line.

    Returns:
        The exit code; 128 plus its number after a signal.

    Raises:
        SettingsError: ``VID_DISABLED`` names an analyzer that does not exist.
    """
    from resources.hosting.handle import PROFILE_TAG
    from resources.settings import settings
    from resources.warehouse.resource import Warehouse
    from vid_assets.cli.bar import answers_bar
    from vid_assets.cli.console import complain, console, say
    from vid_assets.cli.outcome import show_next_steps
    from vid_assets.executor import end_orphans
    from vid_assets.registry import computed, discover
    from vid_assets.runs.home import instance
    from vid_assets.runs.progress import Progress
    from vid_assets.runs.signals import run_stoppable
    from vid_assets.settings import DISABLED_TAG, analyzers_named
    from vid_assets.sql.progress import costs
    from vid_assets.sql.publish import publish

    analyzers_named(settings().disabled)
    screen, warehouse = console(), Warehouse(path=str(settings().warehouse))
    tags = {name: value for name, value in ((PROFILE_TAG, profile), (DISABLED_TAG, ",".join(disable))) if value}
    names = [item.name for item in (discover() if only is None else computed()) if only is None or item.name in only]

    def work(stop: "Stop") -> int:
        publish(warehouse)
        for problem in problems:
            complain(str(problem), screen)
        with closing(warehouse.connect()) as connection:
            known = costs(connection)
        with instance() as dagster, answers_bar(screen) as bar:
            end_orphans(dagster)
            progress = Progress(dict.fromkeys(names, len(files)), known, bar.advance)
            one = _Work(warehouse, dagster, screen, bar, progress, stop, names, tags, everything=only is None)
            waiting = itertools.takewhile(lambda _: not stop.is_set, enumerate(files))
            good = [one.on(place, file, len(files)) for place, file in waiting]
        if len(files) + len(problems) > 1:
            say(f"{sum(good)} of {len(files) + len(problems)} analysed without a failure", screen)
        if left := len(files) - len(good):
            say(f"{left} not started", screen)
        if any(one.shown) and not stop.is_set:
            show_next_steps(warehouse, screen)
        return int(bool(problems) or not all(good))

    return run_stoppable(work, lambda line: say(line, screen))


class _Work:
    """Runs one video after the other, under one progress bar for all of them.

    Args:
        warehouse: The warehouse for the results.
        instance: The Dagster instance.
        console: Console for the output.
        bar: The progress display.
        progress: What it shows.
        stop: What may end the work.
        names: The analyzers that must answer.
        tags: Tags of every run.
        everything: Whether these are all analyzers.
    """

    def __init__(
        self,
        warehouse: "Warehouse",
        instance: "dg.DagsterInstance",
        console: "Console",
        bar: "AnswersBar",
        progress: "Progress",
        stop: "Stop",
        names: Sequence[str],
        tags: dict[str, str],
        *,
        everything: bool,
    ) -> None:
        self.warehouse, self.instance, self.console, self.bar = warehouse, instance, console, bar
        self.progress, self.stop = progress, stop
        self.names, self.tags, self.everything = names, tags, everything
        self.shown: list[bool] = []

    def on(self, place: int, file: Path, count: int) -> bool:
        """Analyse one of `count` files.

        Returns:
            Whether nothing failed.
        """
        from vid_assets.archive.register import register, reject
        from vid_assets.cli.console import complain
        from vid_assets.cli.outcome import show
        from vid_assets.errors import MediaError

        self.bar.name(f"{place + 1}/{count} {file.name}" if count > 1 else file.name)
        if not place:
            self.progress.begin()
        start = time.perf_counter()
        try:
            video_id = register(file, self.warehouse, self.instance).video_id
        except MediaError as error:
            reject(file, error, self.warehouse)
            complain(str(error), self.console)
            self.progress.over(dict.fromkeys(self.names, 1))
            return False
        succeeded = self._run(video_id)
        if self.stop.now.is_set():
            return False
        if not self.stop.is_set:
            self._ensure_report(video_id)
        spent_s = time.perf_counter() - start
        self.shown.append(show(video_id, file.name, spent_s, self.warehouse, self.console, self.names))
        return succeeded

    def _run(self, video_id: str) -> bool:
        """Return whether the run of a video succeeded."""
        from vid_assets.archive.partitions import partition_of
        from vid_assets.cli.running import PARTITION_TAG, with_what_they_need
        from vid_assets.defs.work import VIDEOS_TAG
        from vid_assets.pipeline.listening import listening
        from vid_assets.runs.execute import execute

        selection = None if self.everything else with_what_they_need(self.names, video_id, self.warehouse)
        partition = partition_of(self.warehouse, video_id)
        tags = self.tags | {PARTITION_TAG: partition} | ({VIDEOS_TAG: video_id} if partition != video_id else {})
        with listening(self.progress.answered):
            result = execute(self.instance, tags, selection, self.stop)
        self.progress.over(dict.fromkeys(self.names, 1))
        return result.success

    def _ensure_report(self, video_id: str) -> None:
        """Write the page if Dagster skipped it because an analyzer failed."""
        from resources.settings import settings
        from vid_assets.configuration import configuration
        from vid_assets.registry import discover
        from vid_assets.report import write_report
        from vid_assets.report.index import write_index
        from vid_assets.report.write import is_stale

        reports = settings().reports
        if is_stale(self.warehouse, reports, video_id, discover()):
            media = configuration().media.settings()
            write_report(self.warehouse, settings().scratch, reports, video_id, discover(), media)
            write_index(reports)
