"""Files shared by processes: a lock that ends with its holder, and writes that are visible completely or not at all."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What `write_atomically` writes to. A killed writer leaves it.
PARTS = ".*.part"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for an exclusive lock on a file and hold it during the block. A killed holder's lock is free at once.

    Args:
        path: The lock file. It is created if needed and stays. Its folder must exist.
    """
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_atomically(path: Path, content: str | bytes, *, durable: bool = False) -> None:
    """Write a file under a temporary name in the same folder, then rename it.

    Args:
        path: The file. Its folder must exist.
        content: Its content; text is written as UTF-8.
        durable: Whether the content must be on the disk before the name is.
    """
    part = path.with_name(f".{os.getpid()}.{os.urandom(4).hex()}.part")
    try:
        with part.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
