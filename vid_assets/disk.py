"""The folders that the pipeline writes to: who may read them, whether they have room, which one an error is about."""

import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from resources.settings import settings, variable
from resources.warehouse.lake import is_lake
from vid_assets.errors import FolderError, number_of

HOME = "DAGSTER_HOME"
_SMALL_SHARE, _LARGE_BYTES = 0.05, 0.5e9
_UMASKS = {"owner": 0o077, "group": 0o007, "all": 0o022}
_FULL = (errno.ENOSPC, errno.EDQUOT)
_SHUT = (errno.EROFS, errno.EACCES, errno.EPERM)
_BROKEN = (errno.EIO,)

Folders = Mapping[str, Path]


def keep_private() -> None:
    """Let this process, and those that it starts, create files for those only whom ``VID_ACCESS`` names."""
    os.umask(_UMASKS[settings().access])


def folders() -> dict[str, Path]:
    """Return the folders that the pipeline writes to, each under the variable that sets it."""
    now = settings()
    # a lake has files of this machine in the scratch folder only
    names = ("scratch", "reports") if is_lake(now.warehouse) else ("warehouse", "scratch", "reports")
    found = {variable(name): Path(getattr(now, name)).expanduser() for name in names}
    return found | ({HOME: Path(home)} if (home := os.environ.get(HOME)) else {})


def check(places: Folders | None = None) -> None:
    """Check that all of these folders, by default the pipeline's, can be written and have room.

    Raises:
        FolderError: One of them cannot be written, or has less free space than ``VID_FREE_GB``.
    """
    for error in _problems(folders() if places is None else places):
        raise error


def explained(error: BaseException, places: Folders | None = None) -> FolderError | None:
    """Return which folder an error is about, and what it needs; None if it is not about one of these folders."""
    number, path = _reported(error)
    if number not in (*_FULL, *_SHUT, *_BROKEN):
        return None
    places = folders() if places is None else places
    mine = {name: place for name, place in places.items() if path is not None and path.is_relative_to(place.absolute())}
    if path is not None and not mine:
        return None
    for found in _problems(mine or places):
        return found
    if number in _FULL:  # what was written has been removed again
        name = min(mine or places, key=lambda name: _free(places[name])[0])
        return _full(name, places[name])
    if mine:
        name = next(iter(mine))
        return FolderError(
            f"{name} {places[name]}", f"cannot be written ({os.strerror(number or 0)})", "check the disk"
        )
    return None


def open_to_others() -> list[str]:
    """Return one line for each folder that others may look into although ``VID_ACCESS`` is ``owner``."""
    if settings().access != "owner":
        return []
    return [
        f"{name} {place} is open to other users of this machine (mode {place.stat().st_mode & 0o777:04o}); "
        f"chmod 700 it, or set VID_ACCESS"
        for name, place in folders().items()
        if place.is_dir() and place.stat().st_mode & 0o077
    ]


def _reported(error: BaseException) -> tuple[int | None, Path | None]:
    """Return the number of the system's error that an error or its cause reports, and the file that it names."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        if (number := number_of(cause)) is not None:
            # of two names, that of a copy for instance, the second is written
            name = getattr(cause, "filename2", None) or getattr(cause, "filename", None)
            return number, Path(os.fsdecode(name)).absolute() if isinstance(name, str | bytes) else None
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    return None, None


def _problems(places: Folders) -> Iterator[FolderError]:
    for name, place in places.items():
        there = _existing(place)
        if not there.is_dir():
            yield _shut(name, place, f"{there} is not a folder")
        elif os.statvfs(there).f_flag & os.ST_RDONLY:
            yield _shut(name, place, "the file system is read-only")
        elif not os.access(there, os.W_OK | os.X_OK):
            yield _shut(name, place, f"user id {os.getuid()} has no right to")
        else:
            free, least = _free(place)
            if free < least:
                yield _full(name, place)


def _shut(name: str, place: Path, why: str) -> FolderError:
    return FolderError(f"{name} {place}", f"cannot be written: {why}", f"make it writable, or set {name} to another")


def _full(name: str, place: Path) -> FolderError:
    free, least = _free(place)
    problem = f"its disk is full: {free / 1e6:.1f} MB free, {least / 1e6:.1f} MB are needed"
    return FolderError(f"{name} {place}", problem, f"free space there, or set {name} to a folder of another disk")


def _free(place: Path) -> tuple[float, float]:
    """Return the bytes that are free where a folder is or will be, and those that must be."""
    facts = os.statvfs(_existing(place))
    size, free = facts.f_blocks * facts.f_frsize, facts.f_bavail * facts.f_frsize
    if facts.f_files and not facts.f_favail:
        free = 0  # there is room for bytes, and for no file
    wanted = settings().free_gb
    return free, min(_LARGE_BYTES, _SMALL_SHARE * size) if wanted is None else wanted * 1e9


def _existing(place: Path) -> Path:
    place = place.absolute()
    return next((each for each in (place, *place.parents) if each.exists()), Path("/"))
