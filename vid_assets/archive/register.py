"""Registers video files of the archive: one row of ``sources`` per file, and their partitions."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import dagster as dg
import polars as pl

from resources.warehouse.records import ANALYZER_RUNS, SOURCES
from resources.warehouse.resource import Warehouse
from resources.warehouse.stage import Stage, Tables
from vid_assets.archive.changes import Changes, Skipped, Vanished, grouped
from vid_assets.archive.partitions import NAME, WAITING, add_missing, add_partitions, bucket_of_new, close_buckets
from vid_assets.archive.scan import Archive
from vid_assets.errors import MediaError, OutsideError
from vid_assets.media.paths import is_remote, name_of, path_of, shown, stored
from vid_assets.media.remote import fetch, first_bytes
from vid_assets.media.sniff import is_named_like_media, why_not
from vid_assets.media.source import DIGEST_LENGTH, Source, identify, slug
from vid_assets.pipeline.records import put_rejection

SECONDS = 20.0


@dataclass(slots=True)
class TakenIn:
    """Result of one look at the archive.

    Attributes:
        new: Ids of newly registered videos, in the order of registration.
        partitions: New partitions, in their order, and how many videos each has.
        refused: Problems of files that cannot become a partition.
        skipped: Files without video and sound, by reason; each is reported once, when it is first seen.
        unreadable: Problems of files and folders that cannot be read now; they are tried again.
        vanished: Keys of videos whose file is gone.
        settling: Number of files that are still being written.
        left: Number of files that are ready but left for the next look.
    """

    new: list[str] = field(default_factory=list)
    partitions: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    settling: int = 0
    left: int = 0


def take_in(
    archive: Archive,
    scratch: Path,
    warehouse: Warehouse,
    instance: dg.DagsterInstance,
    seconds: float = SECONDS,
    stop: Callable[[], bool] = lambda: False,
    *,
    everything: bool = False,
) -> TakenIn:
    """Scan a part of the archive: register new files, leave out files that are not videos, and mark vanished files.

    Each file is read completely, because its content identifies it. So no new file is started after `seconds`, or when
    `stop` returns True.

    Args:
        archive: The archive.
        scratch: The scratch folder.
        warehouse: Gets the rows of ``sources``.
        instance: Gets the partitions.
        seconds: See above.
        stop: See above.
        everything: Whether to close the open bucket once no file is left: see `close_buckets`.

    Raises:
        MediaError: The archive cannot be listed.
    """
    began, changes = time.monotonic(), archive.scan()
    with warehouse.batch() as batch:
        look = _Look(archive, scratch, batch, warehouse, instance)
        # likely videos come first: checking many other files can take several calls
        ready = sorted(changes.ready.items(), key=lambda item: not is_named_like_media(item[0]))
        for place, (path, before) in enumerate(ready):
            if stop() or time.monotonic() - began > seconds:
                look.answer.left = len(ready) - place
                break
            look.take(path, before)
        look.finish(changes)
    add_missing(warehouse, instance)
    is_last = everything and not look.answer.left and not look.answer.settling
    look.answer.partitions |= close_buckets(warehouse, instance, everything=is_last)
    return look.answer


@dataclass(frozen=True)
class _Look:
    """One look at an archive, with the results for its files so far."""

    archive: Archive
    scratch: Path
    warehouse: Stage
    published: Warehouse
    instance: dg.DagsterInstance
    answer: TakenIn = field(default_factory=TakenIn)
    settled: list[tuple[str, str]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    put_off: list[str] = field(default_factory=list)
    replaced: list[Vanished] = field(default_factory=list)

    def take(self, path: str, before: str | None) -> None:
        """Register one file, or record why not. `before` is the id it was registered under."""
        url, video_id = self.archive.url_of(path), None
        try:
            if reason := why_not(path, self._reader(path)):
                self.skipped[path] = reason
                self._forget_rejection(url)
            else:
                video_id = self._register(url)
                self.settled.append((path, video_id))
        except OutsideError as error:
            self.put_off.append(path)
            self.answer.unreadable.append(str(error))
            return
        except MediaError as error:
            reject(url, error, self.warehouse)
            self.answer.refused.append(str(error))
            self.refused[path] = error.problem
        if before not in (None, video_id):
            self.replaced.append(Vanished(path, before, None))

    @cached_property
    def rejected(self) -> frozenset[str]:
        """Ids of all records of rejected files, asked for once: a look may take in very many files, or none."""
        return _rejected(self.published)

    def finish(self, changes: Changes) -> None:
        """Add partitions for new videos, and record the result for each file."""
        self.warehouse.publish()
        add_partitions(self.instance, self.answer.partitions)
        # after the partitions, so that an interrupted look is simply repeated
        self.archive.settle(self.settled)
        self.archive.refuse(self.refused.items())
        self.archive.skip(self.skipped.items())
        self.archive.put_off(self.put_off)
        for path in changes.forgotten:
            self._forget_rejection(self.archive.url_of(path))
        replaced = (replace(gone, elsewhere=self.archive.place_of(gone.video_id)) for gone in self.replaced)
        for gone in (*changes.vanished, *replaced):
            _mark_vanished(gone, self.archive, self.warehouse)
            self.answer.vanished += [] if gone.elsewhere else [gone.video_id]
        told = changes.skipped | self.skipped
        self.answer.skipped = grouped((reason, path) for path, reason in told.items())
        self.answer.unreadable += [f"{shown(path_of(path))}: {why}" for path, why in changes.unreadable.items()]
        self.answer.settling = changes.settling

    def _reader(self, path: str) -> Callable[[int], bytes]:
        filesystem = None if self.archive.is_local else self.archive.fs
        return lambda count: first_bytes(filesystem, path, count)

    def _register(self, url: str) -> str:
        source = fetch(url, self.scratch) if is_remote(url) else identify(path_of(url))
        bucket, is_known = _write_source(source, url, self.warehouse, bucket_of_new())
        if bucket is None:
            # a look that was interrupted before this is repeated
            is_known = self.instance.has_dynamic_partition(NAME, source.video_id)
        if not is_known and source.video_id not in self.answer.new:
            self.answer.new.append(source.video_id)
            self.answer.partitions |= {} if bucket == WAITING else {source.video_id: 1}
        self._forget_rejection(url)
        return source.video_id

    def _forget_rejection(self, url: str) -> None:
        if _rejection_id(url) in self.rejected:
            _forget_rejection(url, self.warehouse)


def register(file: Path, warehouse: Warehouse, instance: dg.DagsterInstance) -> Source:
    """Register one file as a partition, identified by its content. A second call changes nothing.

    Raises:
        MediaError: The file is missing, empty, or not a regular file.
    """
    source = identify(file)
    url = stored(source.path.absolute())
    bucket, _ = _write_source(source, url, warehouse, None)
    _forget_rejection(url, warehouse)
    if bucket is None:
        add_partitions(instance, [source.video_id])
    return source


def _write_source(source: Source, url: str, warehouse: Tables, bucket: str | None) -> tuple[str | None, bool]:
    """Write the row of a file. A video that is in a bucket stays there; a new one gets this `bucket`.

    Returns:
        Its bucket, and whether it had a row before.
    """
    before = warehouse.read_partition(SOURCES.name, source.video_id)
    known = {} if before is None else before.row(0, named=True)
    if known and (bucket is not None or known.get("bucket") != WAITING):
        bucket = known.get("bucket")
    row = {
        "video_id": source.video_id,
        "path": url,
        "content_hash": source.content_hash,
        "size_bytes": source.size,
        "modified_at": datetime.fromtimestamp(source.path.stat().st_mtime, UTC),
        "registered_at": datetime.now(UTC),
        "bucket": bucket,
    }
    warehouse.replace_partition(SOURCES.name, source.video_id, SOURCES.frame([row]))
    return bucket, bool(known)


def _mark_vanished(gone: Vanished, archive: Archive, warehouse: Tables) -> None:
    """Record in ``sources`` that the file is gone, or where the same content is now. Results stay."""
    source = warehouse.read_partition(SOURCES.name, gone.video_id)
    if source is None:
        return
    row = source.row(0, named=True)
    if gone.elsewhere is not None:
        row["path"] = archive.url_of(gone.elsewhere)
    elif row["path"] == archive.url_of(gone.path):
        row["vanished_at"] = datetime.now(UTC)
    warehouse.replace_partition(SOURCES.name, gone.video_id, SOURCES.frame([row]))


def reject(file: str | Path, error: MediaError, warehouse: Tables) -> str:
    """Record a file that cannot become a partition as a failed run, identified by its name and path.

    Args:
        file: Its path, or its stored path or URL.
        error: What is wrong with it.
        warehouse: Stores the record.

    Returns:
        The id of the record.
    """
    place = str(file) if isinstance(file, str) and is_remote(file) else stored(path_of(str(file)).absolute())
    video_id = _rejection_id(place)
    put_rejection(video_id, str(error), warehouse)
    return video_id


def _rejected(warehouse: Warehouse) -> frozenset[str]:
    """Return the ids of all records of rejected files: those of no run."""
    runs = warehouse.read_table(ANALYZER_RUNS.name).filter(pl.col("run_id").is_null()).select("video_id")
    return frozenset(runs.collect()["video_id"])


def _rejection_id(place: str) -> str:
    path_hash = hashlib.sha256(place.encode()).hexdigest()
    return f"{slug(Path(name_of(place)).stem)}-{path_hash[:DIGEST_LENGTH]}"


def _forget_rejection(place: str, warehouse: Tables) -> None:
    """Remove the record of a file that was rejected once: it is another file now, or is gone."""
    warehouse.remove_partition(ANALYZER_RUNS.name, _rejection_id(place))
