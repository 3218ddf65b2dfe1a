"""Local copies of remote files, under ``<scratch>/fetched``, named after their content."""

import os
from pathlib import Path, PurePosixPath

from vid_assets.errors import MediaError
from vid_assets.media.source import Source, identify, video_id


def is_remote(path: str) -> bool:
    """Whether it is a URL rather than a path."""
    return "://" in path


def fetch(url: str, scratch: Path) -> Source:
    """Copies a remote file and identifies the copy, whose path is that of the answer.

    Raises:
        MediaError: It cannot be fetched, or is empty.
    """
    from fsspec.core import url_to_fs

    folder = scratch / "fetched"
    folder.mkdir(parents=True, exist_ok=True)
    name = PurePosixPath(url)
    part = folder / f".{os.getpid()}-{name.name[-100:]}"
    try:
        filesystem, path = url_to_fs(url)
        filesystem.get_file(path, str(part))
        copied = identify(part)
        target = folder / f"{copied.content_hash}{name.suffix}"
        part.rename(target)
    except OSError as error:
        raise MediaError(url, f"cannot be fetched ({error})", "check the address and the rights") from None
    finally:
        part.unlink(missing_ok=True)
    return Source(video_id(name.stem, copied.content_hash), target, copied.content_hash, copied.size)


def local_path(path: str, content_hash: str, scratch: Path) -> Path:
    """Where a registered file can be opened: a local one where it is, a remote one's copy, fetched again if it is gone.

    Raises:
        MediaError: It cannot be fetched, or is no longer the same.
    """
    if not is_remote(path):
        return Path(path)
    copy = scratch / "fetched" / f"{content_hash}{PurePosixPath(path).suffix}"
    if not copy.exists() and fetch(path, scratch).content_hash != content_hash:
        raise MediaError(path, "is no longer the file that was registered", "register what is there now")
    return copy
