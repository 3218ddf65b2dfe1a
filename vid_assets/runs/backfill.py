"""Register the archive and run what is due, one run after the other: ``vid_assets backfill``.

The exit code is 0 on success, 1 if a video or the machine failed or another backfill is running, and 128 plus the
signal number if a signal ended it. A wrong setting raises an error, for which the program exits with 2.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from pathlib import Path

import dagster as dg

from resources.errors import CatalogueError, InvalidSetting, ResourceError
from resources.settings import settings
from resources.warehouse.records import SOURCES
from resources.warehouse.resource import Warehouse
from vid_assets.archive.changes import EXAMPLES
from vid_assets.archive.exclusive import LOCK, exclusive, holder
from vid_assets.archive.partitions import members, partition_keys
from vid_assets.archive.plan import ATTEMPTS, Batch, GivenUp
from vid_assets.archive.register import TakenIn, take_in
from vid_assets.archive.scan import Archive
from vid_assets.defs.automation import hopeless, planned, selection_of, tags_of, under_way
from vid_assets.defs.report import REPORT
from vid_assets.defs.wanted import dependencies
from vid_assets.defs.work import RETRY_TAG
from vid_assets.disk import check, explained
from vid_assets.errors import FolderError, MediaError, SettingsError, VidAssetsError
from vid_assets.executor import Stop, end_orphans
from vid_assets.media.paths import name_of, readable, shown
from vid_assets.pipeline.listening import listening
from vid_assets.pipeline.records import records_of
from vid_assets.runs.execute import execute
from vid_assets.runs.home import dagster_home
from vid_assets.runs.home import instance as dagster_instance
from vid_assets.runs.progress import Advance, Progress
from vid_assets.runs.signals import run_stoppable
from vid_assets.sql.progress import costs, unanswered
from vid_assets.sql.publish import publish

FINE, FAILED = 0, 1
SETTLE_S = 30.0
ROOM_POLL_S = 5.0
TOLD = 20
Tell = Callable[[str], None]


def _nowhere(_share: float, _given: int, _planned: int) -> None:
    """Show no progress."""


@dataclass(slots=True)
class Backfill:
    """One backfill.

    Attributes:
        tell: Called with each line of information.
        complain: Called with each line about a failure.
        dry_run: Whether only to print what would run; files are registered anyway.
        retry: Whether to retry what was given up.
        wait: Whether to wait for another running backfill, and for room on a full disk.
        advance: Receives how far the runs are: see `Progress`.
        stop: What may end it; set by `run`.
    """

    tell: Tell
    complain: Tell
    dry_run: bool = False
    retry: bool = False
    wait: bool = False
    advance: Advance = _nowhere
    stop: Stop = field(default_factory=Stop)
    _told_of: str = ""

    def run(self) -> int:
        """Run the backfill until it is done or a signal ends it; call it only on the main thread.

        Returns:
            The exit code, as in this module's docstring.

        Raises:
            SettingsError: A setting, or one of Dagster's, is wrong.
            InvalidSetting: The value of a setting is not allowed.
            CatalogueError: A file of models is invalid.
        """
        return run_stoppable(self._guarded, self.tell)

    def _guarded(self, stop: Stop) -> int:
        """Turn an error of the settings or of the machine into a line and an exit code."""
        self.stop = stop
        try:
            dagster_home()
            self.await_room()
            with dagster_instance() as instance:
                return self._alone(instance)
        except (SettingsError, InvalidSetting, CatalogueError):
            raise
        except dg.DagsterInvalidConfigError as error:
            raise SettingsError("dagster.yaml", readable(str(error)), "correct the file") from error
        except Exception as error:
            line = _line_about(error)
            if line is None:
                raise
            self.complain(line)
        return FAILED

    def _alone(self, instance: dg.DagsterInstance) -> int:
        lock = Path(instance.root_directory) / LOCK
        if self.dry_run:
            if other := holder(lock):
                self.tell(f"A backfill is under way: {other}.")
            return self._work(instance)
        with exclusive(lock, self._waits_for):
            return self._work(instance)

    def _waits_for(self, other: str) -> bool:
        if self.wait and other != self._told_of:
            self.tell(f"Waiting for the backfill that is under way: {other}.")
            self._told_of = other
        return self.wait and not self.stop.soon.is_set()

    def await_room(self) -> None:
        """Return once all folders have room, if this backfill waits for what hinders it.

        Raises:
            FolderError: A folder is full or cannot be written.
        """
        told = False
        while True:
            try:
                return check()
            except FolderError as error:
                if not self.wait or self.stop.soon.is_set():
                    raise
                if not told:
                    self.tell(f"Waiting until there is room: {error}")
                told = True
                self.stop.soon.wait(ROOM_POLL_S)

    def _work(self, instance: dg.DagsterInstance) -> int:
        warehouse = Warehouse(path=str(settings().warehouse))
        publish(warehouse)
        refused = _TakingIn(self, warehouse, instance).run()
        if not self.dry_run:
            end_orphans(instance)
        order = partition_keys(instance)
        made = planned(instance, warehouse, inf if self.retry else ATTEMPTS, order)
        failed = _Runs(self, warehouse, instance, order).run(made)
        left = hopeless(instance, warehouse, order)
        self._tell_given_up(left, warehouse)
        if made and not self.dry_run:
            self._tell_unanswered(warehouse)
        if not made:
            busy = under_way(instance, order)
            also = "else " if left or busy else ""
            if busy:
                self.tell(f"Being analysed by other runs: {_count(busy, 'partition')}.")
            self.tell(f"Nothing {also}is missing, failed or out of date.")
        return FAILED if failed or refused else FINE

    def _tell_unanswered(self, warehouse: Warehouse) -> None:
        """Tell what the archive has no answer to, and what would mend it; failures are told beside it."""
        with closing(warehouse.connect()) as connection:
            found = [item for item in unanswered(connection, 10 * TOLD) if item.status == "undefined"]
        if not found:
            return
        self.tell("Without an answer in this archive:")
        for item in found[:TOLD]:
            self.tell(f"  {item.analyzer}, {_count(item.videos, 'video')}: {shown(item.reason)}")
        if len(found) > TOLD:
            self.tell(f"  and {len(found) - TOLD} more: FROM unanswered")

    def _tell_given_up(self, left: Sequence[GivenUp], warehouse: Warehouse) -> None:
        if not left:
            return
        self.tell(f"Given up after {ATTEMPTS} failures, {_count(left, 'video')}:")
        for item in left[:TOLD]:
            self.tell(f"  {title(item.video_id, warehouse)}: {', '.join(item.assets)}: {item.reason}")
        if len(left) > TOLD:
            self.tell(f"  and {len(left) - TOLD} more")
        self.tell("Try again with: vid-assets backfill --retry")


@dataclass(frozen=True, slots=True)
class _TakingIn:
    """Registers the whole archive, including files that settle in the next seconds."""

    backfill: Backfill
    warehouse: Warehouse
    instance: dg.DagsterInstance

    def run(self) -> int:
        """Register the archive, and print what was left out.

        Returns:
            The number of files that were refused.

        Raises:
            SettingsError: The archive does not exist.
        """
        scratch = settings().scratch
        tell, complain = self.backfill.tell, self.backfill.complain
        try:
            archive = Archive(settings().archive, scratch)
        except MediaError as error:
            raise SettingsError(f"VID_ARCHIVE {error.culprit}", readable(error.problem), error.fix) from error
        with archive:
            archive.retry()
            refused, unreadable = self._looks(archive, scratch)
            for line in (*refused[:TOLD], *unreadable[:TOLD]):
                complain(line)
            for group in archive.skipped()[:TOLD]:
                tell(str(group))
            if len(before := archive.refused()) > len(refused):
                tell(f"{_count(before, 'file')} in all cannot be read: {', '.join(before[:EXAMPLES])}")
        return len(refused) + len(unreadable)

    def _looks(self, archive: Archive, scratch: Path) -> tuple[list[str], list[str]]:
        """Look until all folders are listed and all files have settled; wait for the latter at most `SETTLE_S`."""
        began, give_up = time.time(), time.monotonic() + SETTLE_S
        stop, waiting = self.backfill.stop.soon, False
        refused: list[str] = []
        unreadable: dict[str, None] = {}
        while not stop.is_set():
            taken = self._look(archive, scratch)
            refused += taken.refused
            unreadable |= dict.fromkeys(taken.unreadable)
            if archive.unlisted(began):
                continue
            if not taken.settling:
                break
            if self.backfill.dry_run or time.monotonic() > give_up:
                files = _count(taken.settling, "file")
                self.backfill.tell(f"{files} left for the next backfill: still being written a moment ago")
                break
            if not waiting:
                files = _count(taken.settling, "file")
                self.backfill.tell(f"Waiting at most {SETTLE_S:g} s for {files}, still being written a moment ago.")
                waiting = True
            stop.wait(1.0)
        return refused, list(unreadable)

    def _look(self, archive: Archive, scratch: Path) -> TakenIn:
        stop = self.backfill.stop.soon.is_set
        try:
            return take_in(archive, scratch, self.warehouse, self.instance, seconds=inf, stop=stop, everything=True)
        except MediaError as error:
            raise SettingsError(error.culprit, error.problem, error.fix) from error


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs batches, and prints what failed in them."""

    backfill: Backfill
    warehouse: Warehouse
    instance: dg.DagsterInstance
    order: Sequence[str]  # all partition keys
    failed: dict[str, str] = field(default_factory=dict)

    def run(self, made: Sequence[Batch]) -> int:
        """Run the batches one after the other, or only print them.

        Returns:
            The number of videos, and of runs as a whole, that failed.
        """
        places = {key: place for place, key in enumerate(self.order)}
        done, progress = 0, self._progress(made)
        if made and not self.backfill.dry_run:
            progress.begin()
        try:
            for place, batch in enumerate(made):
                if self.backfill.stop.soon.is_set():
                    self.backfill.tell(
                        f"{_count(made[place:], 'run')} not started; the next backfill continues with them"
                    )
                    break
                what = "everything" if selection_of(batch) is None else ", ".join(sorted(batch.assets))
                videos = _count(batch.videos, "video")
                self.backfill.tell(f"{batch.reason}: {videos} from {batch.first} to {batch.last}: {what}")
                if not self.backfill.dry_run:
                    self.backfill.await_room()
                    keys = self.order[places[batch.first] : places[batch.last] + 1]
                    with listening(progress.answered):
                        self._run(batch, keys)
                    done += batch.videos
                    progress.over(_answers([batch]))
        finally:
            self._tell(done)
        return len(self.failed)

    def _progress(self, made: Sequence[Batch]) -> Progress:
        with closing(self.warehouse.connect()) as connection:
            return Progress(_answers(made), costs(connection), self.backfill.advance)

    def _run(self, batch: Batch, keys: Sequence[str]) -> None:
        began = datetime.now(UTC)
        tags = tags_of(batch) | ({RETRY_TAG: "true"} if self.backfill.retry else {})
        result = execute(self.instance, tags, selection_of(batch), self.backfill.stop)
        videos = [video_id for found in members(self.warehouse, keys).values() for video_id in found]
        found = failures(self.warehouse, videos, began)
        self.failed.update((title(key, self.warehouse), reason) for key, reason in found.items())
        if not result.success and not found and not self.backfill.stop.soon.is_set():
            self.failed[f"run {result.run_id}"] = _why_a_run_failed(result)
            check()  # what a full disk did to one run, it does to the next

    def _tell(self, done: int) -> None:
        for place, (what, reason) in enumerate(self.failed.items()):
            if place == TOLD:
                self.backfill.complain(f"and {len(self.failed) - TOLD} more: see analyzer_runs, status 'failed'")
                break
            self.backfill.complain(f"{what}: {reason}")
        if done:
            bad = f", {len(self.failed)} of them failed, at least in part" if self.failed else ""
            self.backfill.tell(f"{_count(done, 'video')} done{bad}.")


def _answers(batches: Sequence[Batch]) -> Counter[str]:
    """Return how many answers each asset gives in these runs; the page of a video is none."""
    answers = Counter[str]()
    for batch in batches:
        answers.update(dict.fromkeys(batch.assets - {REPORT}, batch.videos))
    return answers


def failures(warehouse: Warehouse, keys: Sequence[str], since: datetime) -> dict[str, str]:
    """Return the videos of these with a failure since then: what failed, and why, without what depends on it."""
    upstream = dependencies()
    found: dict[str, str] = {}
    for key, records in records_of(keys, warehouse).items():
        failed = [name for name, row in records.items() if row["status"] == "failed" and row["started_at"] >= since]
        causes = sorted(name for name in failed if not set(upstream.get(name, ())) & set(failed))
        if causes:
            found[key] = "; ".join(f"{name}: {records[name]['reason']}" for name in causes)
    return found


def title(video_id: str, warehouse: Warehouse) -> str:
    """Return the name of a video's file, and its key."""
    source = warehouse.read_partition(SOURCES.name, video_id)
    return video_id if source is None else f"{shown(name_of(source['path'].item()))} ({video_id})"


def _line_about(error: Exception) -> str | None:
    """Return one line about an error of the machine or of a file; None for a defect."""
    import sqlalchemy.exc

    if folder := explained(error):
        return str(folder)
    if isinstance(error, (VidAssetsError, ResourceError, dg.DagsterError, OSError)):
        return readable(str(error))
    if isinstance(error, (sqlite3.Error, sqlalchemy.exc.SQLAlchemyError)):
        return f"Dagster's database or the archive's index: {getattr(error, 'orig', None) or error}"
    return None


def _why_a_run_failed(result: dg.JobExecutionResult) -> str:
    """Return the first step that failed and its error, or what ended the run as a whole."""
    for event in result.filter_events(lambda event: event.is_step_failure):
        error = event.step_failure_data.error
        cause = error and (error.cause or error)
        return f"{event.step_key}: {cause.message.strip().splitlines()[0] if cause else event.message}"
    ended = [event.message for event in result.all_events if event.event_type_value == "PIPELINE_FAILURE"]
    for event in result.filter_events(lambda event: event.is_job_failure):
        if error := event.job_failure_data.error:
            return error.message.strip().splitlines()[0]
    return (ended or ["it failed without a reason"])[-1] or "see its log in the UI"


def _count(items: Collection[object] | int, what: str) -> str:
    count = items if isinstance(items, int) else len(items)
    return f"{count} {what}{'' if count == 1 else 's'}"
