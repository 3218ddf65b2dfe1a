"""Content of an archive folder in one form, local or behind fsspec."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsspec.implementations.local import LocalFileSystem

from vid_assets.media.paths import is_utf8, path_of, stored

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem


LEADS_OUT = "a link that leads out of the archive; VID_LINKS=all follows it"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a folder.

    Attributes:
        path: Its stored path.
        name: Its name.
        is_folder: Whether it is a folder, or a link to one.
        real: Real path of a folder; equals `path` if no link leads to it.
        size: Bytes of a file; None if unknown.
        version: Changes when the file does.
        changed_at: Seconds since 1970 of the last change; None if unknown.
        problem: Why it cannot be read; empty otherwise.
    """

    path: str
    name: str
    is_folder: bool = False
    real: str = ""
    size: int | None = None
    version: str = ""
    changed_at: float | None = None
    problem: str = ""


def list_folder(fs: "AbstractFileSystem", folder: str, real: str, within: str = "") -> Iterator[Entry]:
    """Yield the entries of a folder.

    Args:
        fs: File system of the folder.
        folder: Its stored path.
        real: Its real path, as in `Entry`.
        within: Real path of the folder that links must not leave; empty if they may lead anywhere.

    Raises:
        OSError: The folder cannot be listed.
    """
    if isinstance(fs, LocalFileSystem):
        with os.scandir(path_of(folder)) as entries:
            yield from (_local(entry, real, within) for entry in entries)
    else:
        yield from (_remote(entry) for entry in fs.ls(folder, detail=True, refresh=True))


def folder_version(folder: str) -> str:
    """Return a value that changes when the local folder gains or loses an entry; empty if the folder is gone."""
    try:
        return str(path_of(folder).stat().st_mtime_ns)
    except OSError:
        return ""


def leaves(link: str | Path, within: str) -> bool:
    """Whether a link leads out of the folder with this real path. The target need not exist."""
    return not Path(os.path.realpath(link)).is_relative_to(path_of(within))


def _local(entry: os.DirEntry[str], parent: str, within: str) -> Entry:
    path = stored(entry.path)
    if within and entry.is_symlink() and leaves(entry.path, within):
        return Entry(path, entry.name, problem=LEADS_OUT)
    try:
        status = entry.stat()
    except OSError as error:
        problem = "a broken link" if entry.is_symlink() else f"unreadable ({error.strerror})"
        return Entry(path, entry.name, problem=problem)
    if stat.S_ISDIR(status.st_mode):
        real = os.path.realpath(entry.path) if entry.is_symlink() else str(path_of(parent) / entry.name)
        return Entry(path, entry.name, is_folder=True, real=stored(real))
    problem = "" if stat.S_ISREG(status.st_mode) else "not a regular file"
    return Entry(path, entry.name, False, "", status.st_size, str(status.st_mtime), status.st_mtime, problem)


def _remote(entry: dict[str, Any]) -> Entry:
    path = entry["name"].rstrip("/")
    name = path.rsplit("/", 1)[-1]
    if not is_utf8(path):
        return Entry(stored(Path("/", name)), name, problem="a name that is not UTF-8")
    if entry["type"] == "directory":
        return Entry(path, name, is_folder=True, real=path)
    changed_at = entry.get("mtime")
    version = str(changed_at or entry.get("LastModified") or entry.get("ETag") or entry.get("updated") or "")
    return Entry(
        path, name, False, "", entry.get("size"), version, changed_at if isinstance(changed_at, float) else None
    )
