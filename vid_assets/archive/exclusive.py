"""One backfill at a time: a lock that ends with its holder, in a file that names the holder."""

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from vid_assets.errors import BusyError

LOCK = "backfill.lock"
POLL_S = 0.5


@contextmanager
def exclusive(path: Path, wait: Callable[[str], bool]) -> Iterator[None]:
    """Hold the lock during the block.

    Args:
        path: The lock file. It is created if needed and stays.
        wait: Called every `POLL_S` seconds with the current holder. Return True to keep waiting.

    Raises:
        BusyError: Another process holds the lock, and `wait` returned False.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        while not _try(handle, fcntl.LOCK_EX):
            told = _holder(handle)
            if not wait(told):
                raise BusyError("backfill", f"{told} is under way", "wait for it with --wait, or end it")
            time.sleep(POLL_S)
        started = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()} since {started}".encode(), 0)
        yield
    finally:
        os.close(handle)


def holder(path: Path) -> str | None:
    """Return the holder of the lock; None if it is free."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # a shared lock, so that two simultaneous checks do not see each other
        return None if _try(handle, fcntl.LOCK_SH) else _holder(handle)
    finally:
        os.close(handle)


def _try(handle: int, operation: int) -> bool:
    try:
        fcntl.flock(handle, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(handle: int) -> str:
    return os.pread(handle, 500, 0).decode(errors="replace") or "another process"
