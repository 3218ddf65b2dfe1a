"""Local copies of remote files, under ``<scratch>/fetched``, named after their content."""

import os
import uuid
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vid_assets.errors import MediaError, OutsideError
from vid_assets.media.paths import is_remote, path_of, shown
from vid_assets.media.source import Source, identify, open_regular, video_id

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

__all__ = ["fetch", "first_bytes", "is_remote", "local_path"]


def fetch(url: str, scratch: Path) -> Source:
    """Copies a remote file and identifies the copy, whose path is that of the answer.

    Raises:
        MediaError: It is empty.
        OutsideError: It is not there, or cannot be fetched now.
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
    """The first bytes of a file, at most so many; no more is read of it.

    Args:
        filesystem: Where it is; None for this machine.
        path: Its stored path, or its path in the file system.
        count: How many.

    Raises:
        MediaError: It is no regular file, or empty.
        OutsideError: It is gone, or cannot be read now.
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
    """Where a registered file can be opened: a local one where it is, a remote one's copy, fetched again if it is gone.

    Raises:
        MediaError: It is no longer the same.
        OutsideError: It is gone, or cannot be fetched now.
    """
    if not is_remote(path):
        return path_of(path)
    copy = scratch / "fetched" / content_hash
    if not copy.exists() and fetch(path, scratch).content_hash != content_hash:
        raise MediaError(shown(path), "is no longer the file that was registered", "register what is there now")
    return copy


def _unreachable(place: str, error: OSError) -> OutsideError:
    """The error for a file that cannot be read, which says nothing of its content."""
    return OutsideError(
        shown(path_of(place) if not is_remote(place) else place),
        f"cannot be fetched ({error})",
        "check the address and the rights",
    )
