"""Puts video files into the archive's registry: one row of ``sources`` and one partition each."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import dagster as dg

from resources.tables import SOURCES
from resources.warehouse import Warehouse
from vid_assets.errors import MediaError
from vid_assets.factory import PARTITIONS
from vid_assets.media.source import DIGEST_LENGTH, Source, identify, slug
from vid_assets.pipeline import record_rejection

# SQLite refuses statements with more than about 32,000 values, and Dagster writes a batch in one statement.
_CHUNK = 10_000


def register(file: Path, warehouse: Warehouse, instance: dg.DagsterInstance) -> Source:
    """Make one file a partition, known by its content; a second time changes nothing.

    Raises:
        MediaError: The file is missing, empty, or no regular file.
    """
    source = identify(file)
    status = source.path.stat()
    row = {
        "video_id": source.video_id,
        "path": str(source.path.absolute()),
        "content_hash": source.content_hash,
        "size_bytes": source.size,
        "modified_at": datetime.fromtimestamp(status.st_mtime, UTC),
        "registered_at": datetime.now(UTC),
    }
    warehouse.replace_partition(SOURCES.name, source.video_id, SOURCES.frame([row]))
    add_partitions(instance, [source.video_id])
    return source


def reject(file: Path, error: MediaError, warehouse: Warehouse) -> str:
    """Record a file that cannot become a partition as a failed run, known by its name and path.

    Returns:
        The id under which the record stands.
    """
    path_hash = hashlib.sha256(os.fsencode(file.absolute())).hexdigest()
    video_id = f"{slug(file.stem)}-{path_hash[:DIGEST_LENGTH]}"
    record_rejection(video_id, str(error), warehouse)
    return video_id


def add_partitions(instance: dg.DagsterInstance, keys: Iterable[str]) -> None:
    """Add partition keys of any number; those that exist already stay as they are."""
    name = PARTITIONS.name
    assert name is not None
    for chunk in _chunks(keys):
        instance.add_dynamic_partitions(name, chunk)


def _chunks(keys: Iterable[str]) -> Iterator[Sequence[str]]:
    iterator = iter(keys)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk
