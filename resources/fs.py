"""Files shared by processes: a lock that ends with its holder, and writes that are visible completely or not at all."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for an exclusive lock on a file and hold it during the block. A killed holder's lock is free at once.

    Args:
        path: The lock file. It is created if needed and stays. Its folder must exist.
    """
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_atomically(path: Path, text: str) -> None:
    """Write a text file to disk under a temporary name in the same folder, then rename it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).rename(path)
