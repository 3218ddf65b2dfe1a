"""Puts video files into the archive's registry: one row of ``sources`` and one partition each."""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import dagster as dg

from resources.warehouse.records import SOURCES
from resources.warehouse.resource import Warehouse
from vid_assets.archive.partitions import PARTITIONS
from vid_assets.archive.scan import Archive, Vanished
from vid_assets.errors import MediaError
from vid_assets.media.remote import fetch, is_remote
from vid_assets.media.source import DIGEST_LENGTH, Source, identify, slug
from vid_assets.pipeline.records import put_rejection

# SQLite refuses statements with more than about 32,000 values, and Dagster writes a batch in one statement.
_CHUNK = 10_000
_VIDEOS = str(PARTITIONS.name)
SECONDS = 20.0


@dataclass(slots=True)
class TakenIn:
    """What came of looking at the archive once.

    Attributes:
        new: Keys of videos that were not registered before, in the order in which they became partitions.
        refused: What is wrong with files that cannot become a partition.
        vanished: Keys of videos whose file is gone.
        settling: How many files are still being written.
        left: How many files are ready, but for the next time.
    """

    new: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    settling: int = 0
    left: int = 0


def take_in(
    archive: Archive, scratch: Path, warehouse: Warehouse, instance: dg.DagsterInstance, seconds: float = SECONDS
) -> TakenIn:
    """Look at a part of the archive: register what is new, refuse what is no video, mark what is gone.

    A file is read as a whole to know it by its content, so no further one is begun after `seconds`.

    Raises:
        MediaError: The archive cannot be listed.
    """
    began, changes, answer = time.monotonic(), archive.scan(), TakenIn()
    answer.settling = changes.settling
    settled: list[tuple[str, str | None]] = []
    replaced: list[tuple[str, str]] = []
    for place, (path, before) in enumerate(changes.ready.items()):
        if time.monotonic() - began > seconds:
            answer.left = len(changes.ready) - place
            break
        url = archive.url_of(path)
        try:
            source = fetch(url, scratch) if is_remote(url) else identify(Path(url))
        except MediaError as error:
            reject(Path(url), error, warehouse)
            answer.refused.append(str(error))
            settled.append((path, None))
            replaced += [] if before is None else [(path, before)]
            continue
        if source.video_id not in answer.new and not instance.has_dynamic_partition(_VIDEOS, source.video_id):
            answer.new.append(source.video_id)
        _write_source(source, url, warehouse)
        settled.append((path, source.video_id))
        replaced += [] if before in (None, source.video_id) else [(path, before)]
    add_partitions(instance, answer.new)
    # after the partitions, so that a look that is cut off is simply taken again
    archive.settle(settled)
    for gone in (*changes.vanished, *(Vanished(path, old, archive.place_of(old)) for path, old in replaced)):
        _mark_vanished(gone, archive, warehouse)
        answer.vanished += [] if gone.elsewhere else [gone.video_id]
    return answer


def register(file: Path, warehouse: Warehouse, instance: dg.DagsterInstance) -> Source:
    """Make one file a partition, known by its content; a second time changes nothing.

    Raises:
        MediaError: The file is missing, empty, or no regular file.
    """
    source = identify(file)
    _write_source(source, str(source.path.absolute()), warehouse)
    add_partitions(instance, [source.video_id])
    return source


def _write_source(source: Source, url: str, warehouse: Warehouse) -> None:
    row = {
        "video_id": source.video_id,
        "path": url,
        "content_hash": source.content_hash,
        "size_bytes": source.size,
        "modified_at": datetime.fromtimestamp(source.path.stat().st_mtime, UTC),
        "registered_at": datetime.now(UTC),
    }
    warehouse.replace_partition(SOURCES.name, source.video_id, SOURCES.frame([row]))


def _mark_vanished(gone: Vanished, archive: Archive, warehouse: Warehouse) -> None:
    """Say in ``sources`` that the file is gone, or where its content lies otherwise; results stay."""
    source = warehouse.read_partition(SOURCES.name, gone.video_id)
    if source is None:
        return
    row = source.row(0, named=True)
    if gone.elsewhere is not None:
        row["path"] = archive.url_of(gone.elsewhere)
    elif row["path"] == archive.url_of(gone.path):
        row["vanished_at"] = datetime.now(UTC)
    warehouse.replace_partition(SOURCES.name, gone.video_id, SOURCES.frame([row]))


def reject(file: Path, error: MediaError, warehouse: Warehouse) -> str:
    """Record a file that cannot become a partition as a failed run, known by its name and path.

    Returns:
        The id under which the record stands.
    """
    path_hash = hashlib.sha256(os.fsencode(file.absolute())).hexdigest()
    video_id = f"{slug(file.stem)}-{path_hash[:DIGEST_LENGTH]}"
    put_rejection(video_id, str(error), warehouse)
    return video_id


def add_partitions(instance: dg.DagsterInstance, keys: Iterable[str]) -> None:
    """Add partition keys of any number; those that exist already stay as they are."""
    for chunk in _chunks(keys):
        instance.add_dynamic_partitions(_VIDEOS, chunk)


def _chunks(keys: Iterable[str]) -> Iterator[Sequence[str]]:
    iterator = iter(keys)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk
