"""The private folder shared by the processes on one machine: locks that end with their holder, sockets, records, logs.

A host holds an exclusive ``flock`` on ``<stem>.lock`` from before it exists: the client that starts it takes the lock
and passes it the open file. The kernel releases the lock when the last holder ends. So a lock file can never be stale,
and two clients can never start two hosts.
"""

import fcntl
import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from resources.errors import HostsFolderError
from resources.fs import write_atomically

# A unix socket's path may have 107 bytes. The rest is for "/<model>-<identity>.sock".
LONGEST_FOLDER = 64
RETRY_S = 0.01
CRASH = b"Fatal Python error: "  # of the standard library's faulthandler


@dataclass(frozen=True, slots=True)
class Record:
    """Content of a host's file. It describes a living host only while the host's lock is held.

    Attributes:
        model: Name in the catalogue.
        stem: ``<model>-<identity>``, the stem of its files.
        code: Digest of the code that it was started from.
        pid: Its process id.
        started: Start in seconds since the epoch; with `pid` it distinguishes one start from the next.
        memory_mb: Its share of the memory budget.
        gpu_share: Its share of the GPU.
        error: Why the load failed, as class name, culprit, problem and fix; None otherwise.
        ended: When the load failed, in seconds since the epoch.
    """

    model: str
    stem: str
    code: str
    pid: int
    started: float
    memory_mb: int
    gpu_share: float
    error: tuple[str, str, str, str] | None = None
    ended: float | None = None


def hosts_folder(scratch: Path) -> Path:
    """Return the hosts' folder of a scratch folder. It is created if needed, with mode 0700 and no other owner.

    It is ``<scratch>/hosts``. If that path is too long for a unix socket, it is a folder in the temporary folder, with
    a hash of the path in its name.

    Raises:
        HostsFolderError: It belongs to another user, is a link, or is open to others.
    """
    folder = scratch.absolute() / "hosts"
    if len(os.fsencode(folder)) > LONGEST_FOLDER:
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"vid-hosts-{os.getuid()}-{digest}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        facts = folder.lstat()
    except PermissionError as error:
        raise HostsFolderError(
            str(folder), f"no access ({error.strerror})", "set VID_SCRATCH to your own folder"
        ) from error
    if facts.st_uid != os.getuid():
        problem = f"belongs to user id {facts.st_uid}, this is {os.getuid()}: model hosts are not shared between users"
        raise HostsFolderError(str(folder), problem, "set VID_SCRATCH to a folder of your own")
    if not stat.S_ISDIR(facts.st_mode):
        raise HostsFolderError(str(folder), "is not a folder", "remove it")
    if facts.st_mode & 0o077:
        problem = f"is open to others (mode {stat.S_IMODE(facts.st_mode):04o})"
        raise HostsFolderError(str(folder), problem, f"chmod 700 {folder}")
    return folder


def try_lock(path: Path) -> int | None:
    """Take an exclusive lock without waiting.

    Returns:
        The open file, which holds the lock until it is closed everywhere; None if another process has the lock.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        # Another process has just stopped all hosts and removed the folder.
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The previous holder may have removed the file: then this lock is on a file that no other process will find.
        if os.fstat(handle).st_ino == path.stat().st_ino:
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(handle)
    return None


@contextmanager
def locked(path: Path, seconds: float) -> Iterator[None]:
    """Wait for a lock and hold it during the block.

    Raises:
        HostsFolderError: It was not free within `seconds`.
    """
    give_up = time.monotonic() + seconds
    while (handle := try_lock(path)) is None:
        if time.monotonic() > give_up:
            raise HostsFolderError(
                str(path),
                f"it is still locked after {seconds:.0f} s",
                "find the process that holds it: fuser -v FILE",
            )
        time.sleep(RETRY_S)
    try:
        yield
    finally:
        _release(handle)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # A shared lock, so that two simultaneous checks do not see each other.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        _release(handle)
    return False


def _release(handle: int) -> None:
    # Closing is not enough: a child process forked in between has the open file too.
    fcntl.flock(handle, fcntl.LOCK_UN)
    os.close(handle)


def write_record(folder: Path, record: Record) -> None:
    """Write a host's record atomically."""
    write_atomically(folder / f"{record.stem}.json", json.dumps(asdict(record)))


def read_record(folder: Path, stem: str) -> Record | None:
    """Return a host's record; None without one."""
    try:
        values = json.loads((folder / f"{stem}.json").read_text())
    except FileNotFoundError:
        return None
    error = values.pop("error")
    return Record(**values, error=tuple(error) if error else None)


def live_record(folder: Path, stem: str) -> Record | None:
    """Return the record of a living host; None if it is not alive, or has no record yet."""
    return read_record(folder, stem) if is_held(folder / f"{stem}.lock") else None


def living(folder: Path) -> list[Record]:
    """Return all living hosts, oldest first."""
    stems = sorted(path.stem for path in folder.glob("*-*.lock"))
    found = (live_record(folder, stem) for stem in stems)
    return sorted((record for record in found if record is not None), key=lambda record: record.started)


def crashed(log: Path) -> bool:
    """Whether the host's log says that it crashed by itself. A killed host has no time to log anything."""
    with suppress(FileNotFoundError):
        return CRASH in log.read_bytes()
    return False


def clear(folder: Path, stem: str, *endings: str) -> None:
    """Remove a host's files with these endings. Call it only while holding its lock."""
    for ending in endings:
        (folder / f"{stem}.{ending}").unlink(missing_ok=True)
