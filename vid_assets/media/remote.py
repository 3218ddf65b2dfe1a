"""Local copies of remote files, under ``<scratch>/fetched``, named by content."""

import contextlib
import os
import time
import uuid
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vid_assets.errors import MediaError, OutsideError
from vid_assets.media.paths import is_remote, path_of, shown
from vid_assets.media.source import Source, identify, open_regular, video_id

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

_LONGEST_FETCH_S = 86400.0


def fetch(url: str, scratch: Path) -> Source:
    """Copy a remote file and identify the copy; the path of the result is that of the copy.

    Raises:
        MediaError: The file is empty.
        OutsideError: The file is missing, or cannot be fetched now.
    """
    from fsspec.core import url_to_fs

    folder = scratch / "fetched"
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{os.getpid()}-{uuid.uuid4().hex}"
    try:
        filesystem, path = url_to_fs(url)
        filesystem.get_file(path, str(part))
        copied = identify(part)
        target = folder / copied.content_hash
        part.rename(target)
    except OSError as error:
        raise _unreachable(url, error) from None
    finally:
        part.unlink(missing_ok=True)
    return Source(video_id(PurePosixPath(url).stem, copied.content_hash), target, copied.content_hash, copied.size)


def first_bytes(filesystem: "AbstractFileSystem | None", path: str, count: int) -> bytes:
    """Return at most `count` bytes from the start of a file, without reading any more of it.

    Args:
        filesystem: File system of the file; None for this machine.
        path: Stored path of the file, or its path in the file system.
        count: Number of bytes.

    Raises:
        MediaError: It is not a regular file, or is empty.
        OutsideError: It is missing, or cannot be read now.
    """
    try:
        if filesystem is None:
            with open_regular(path_of(path)) as file:
                return file.read(count)
        with filesystem.open(path, "rb", block_size=count) as file:
            head = file.read(count)
    except OSError as error:
        raise _unreachable(path, error) from None
    assert isinstance(head, bytes)
    return head


def local_path(path: str, content_hash: str, scratch: Path) -> Path:
    """Return where a registered file can be opened: its own path, or a remote file's copy, fetched again if missing.

    Raises:
        MediaError: The file has changed.
        OutsideError: The file is missing, or cannot be fetched now.
    """
    if not is_remote(path):
        return path_of(path)
    copy = scratch / "fetched" / content_hash
    if not copy.exists() and fetch(path, scratch).content_hash != content_hash:
        raise MediaError(shown(path), "is no longer the file that was registered", "register what is there now")
    # `unused_copies` goes by this time; not every file system notes when a file is read
    os.utime(copy)
    return copy


def unused_copies(scratch: Path, since: float, keep: Collection[str]) -> list[Path]:
    """Return the copies that were last opened before a time, and what killed fetches left over a day ago, sorted.

    Args:
        scratch: The scratch folder.
        since: The time, in seconds since the epoch.
        keep: Content hashes of copies that must stay.
    """
    found: list[Path] = []
    for copy in sorted((scratch / "fetched").glob("*")):
        is_part = copy.name.startswith(".")
        # another process may be removing them too
        with contextlib.suppress(FileNotFoundError):
            if copy.stat().st_mtime < (min(since, time.time() - _LONGEST_FETCH_S) if is_part else since):
                found += [] if copy.name in keep else [copy]
    return found


def _unreachable(place: str, error: OSError) -> OutsideError:
    """Return the error for a file that cannot be read, which is no verdict on its content."""
    return OutsideError(
        shown(path_of(place) if not is_remote(place) else place),
        f"cannot be fetched ({error})",
        "check the address and the rights",
    )
