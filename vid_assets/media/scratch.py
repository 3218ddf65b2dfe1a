"""The scratch folder: one folder of arrays per decoded video, made once, despite concurrency and crashes.

Layout of ``<scratch>``: ``<video_id>/`` holds the arrays and ``meta.json``. A rename creates it, so it is either
complete or absent. ``<video_id>.lock`` is locked while a video is decoded, and counts the passes. ``.tmp-*`` are
unfinished decodes and ``.trash-*`` unfinished removals; any process that finds one without an owner removes it. Streams
made with settings other than the defaults are in ``<video_id>.<digest of the settings>/``.

Readers hold a shared lock on ``<video_id>/`` itself. The kernel releases locks when a process dies.
"""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from resources.fs import write_atomically

# Raise it when the meaning or layout of the arrays changes; scratch with another layout is decoded again.
LAYOUT = 2
META = "meta.json"


@contextlib.contextmanager
def decoding(scratch: Path, video_id: str, *, wait: bool = True) -> Iterator[Path | None]:
    """Hold the lock for decoding or removing one video; it excludes threads as well as processes.

    Args:
        scratch: The scratch folder.
        video_id: The video.
        wait: Whether to wait for another holder.

    Yields:
        The lock file, or None if another holds it and `wait` is False.
    """
    path = scratch / f"{video_id}.lock"
    descriptor = _lock(path, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), os.O_RDWR | os.O_CREAT)
    if descriptor is None:
        yield None
        return
    try:
        yield path
    finally:
        os.close(descriptor)


def shared(folder: Path) -> int | None:
    """Lock a video's folder against removal.

    Returns:
        A descriptor that holds the lock until it is closed; None if there is no such folder.
    """
    return _lock(folder, fcntl.LOCK_SH, os.O_RDONLY | os.O_DIRECTORY)


def read_meta(folder: Path) -> dict[str, Any] | None:
    """Return what is known about a decoded video; None unless every array is present at its full size.

    Checking sizes replaces an fsync of gigabytes that can be decoded again: journalling file systems give a file its
    length only with its data.
    """
    try:
        meta = json.loads((folder / META).read_bytes())
        whole = meta["layout"] == LAYOUT and all(
            (folder / name).stat().st_size == size for name, size in meta["report"]["files"].items()
        )
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return meta if whole else None


def write_meta(folder: Path, meta: dict[str, Any]) -> None:
    """Replace ``meta.json`` durably and atomically."""
    write_atomically(folder / META, json.dumps({"layout": LAYOUT, **meta}), durable=True)


def temporary(scratch: Path, video_id: str) -> Path:
    """Return a new empty folder for a decode; remove earlier ones of this video whose owners died."""
    for orphan in scratch.glob(f".tmp-{video_id}-*"):
        shutil.rmtree(orphan)
    return Path(tempfile.mkdtemp(prefix=f".tmp-{video_id}-", dir=scratch))


def count_pass(lock: Path) -> int:
    """Count one more completed pass in the lock file; return the new count."""
    passes = int(lock.read_text(encoding="ascii") or 0) + 1
    lock.write_text(str(passes), encoding="ascii")
    return passes


def discard(folder: Path) -> None:
    """Remove a folder so that no process ever sees half of it."""
    trash = Path(tempfile.mkdtemp(prefix=".trash-", dir=folder.parent))
    folder.rename(trash / folder.name)
    shutil.rmtree(trash)


def trim_scratch(scratch: Path, max_bytes: float, keep: Collection[str] = ()) -> list[str]:
    """Remove decoded videos, longest unopened first, until the rest fits.

    Args:
        scratch: The scratch folder; it may be missing.
        max_bytes: Bytes that may remain. Videos in use remain even if they exceed it.
        keep: Video ids that must remain.

    Returns:
        The ids of the videos of which streams were removed. They are decoded again when they are next opened.
    """
    for trash in scratch.glob(".trash-*"):
        shutil.rmtree(trash, ignore_errors=True)
    for unfinished in scratch.glob(".tmp-*"):
        video_id = unfinished.name.removeprefix(".tmp-").rpartition("-")[0]
        with decoding(scratch, video_id, wait=False) as lock:
            if lock:
                shutil.rmtree(unfinished, ignore_errors=True)
    videos = sorted(_opened_and_size(scratch))
    excess = sum(size for _, size, _ in videos) - max_bytes
    removed: list[str] = []
    for _, size, folder in videos:
        if excess <= 0:
            break
        if _video_of(folder) not in keep and remove_unused(scratch, folder):
            excess -= size
            removed.append(_video_of(folder))
    return list(dict.fromkeys(removed))


def last_opened(scratch: Path) -> dict[str, float]:
    """Return when the streams of each video were last opened. A video has one folder per combination of settings."""
    opened: dict[str, float] = {}
    for at_ns, _, folder in _opened_and_size(scratch):
        video_id = _video_of(folder)
        opened[video_id] = max(opened.get(video_id, 0.0), at_ns / 1e9)
    return opened


def remove_streams(scratch: Path, video_id: str) -> None:
    """Remove the streams of one video; those that a process has open stay."""
    for _, _, folder in _opened_and_size(scratch, f"{video_id}*"):
        if _video_of(folder) == video_id:
            remove_unused(scratch, folder)


def _video_of(folder: Path) -> str:
    return folder.name.partition(".")[0]


def _opened_and_size(scratch: Path, names: str = "[!.]*") -> Iterator[tuple[int, int, Path]]:
    """Yield, for each folder of streams whose name matches: when it was last opened (ns), its bytes, the folder."""
    for meta in scratch.glob(f"{names}/{META}"):
        # Another process may be trimming too.
        with contextlib.suppress(FileNotFoundError):
            size = sum(file.stat().st_size for file in meta.parent.iterdir())
            yield meta.stat().st_mtime_ns, size, meta.parent


def remove_unused(scratch: Path, folder: Path) -> bool:
    """Remove one video unless a process has it open."""
    with decoding(scratch, folder.name, wait=False) as lock:
        descriptor = lock and _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB, os.O_RDONLY | os.O_DIRECTORY)
        if lock is None or descriptor is None:
            return False
        try:
            discard(folder)
            lock.unlink()
        finally:
            os.close(descriptor)
    return True


def _lock(path: Path, operation: int, flags: int) -> int | None:
    """Open and lock a file or folder.

    Returns:
        The descriptor that holds the lock; None if the path does not exist, or if another holds it and this call does
        not wait.
    """
    while True:
        try:
            descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, operation)
        except BlockingIOError:
            os.close(descriptor)
            return None
        # The path may have been removed and recreated while this call waited for the lock.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)
