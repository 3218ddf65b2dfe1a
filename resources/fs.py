"""Files that processes share: a lock that dies with its holder, and writes that are seen whole or not at all."""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on a file during the block, waiting for it. A killed holder's lock is free at once.

    Args:
        path: The lock file; it is made, and stays. Its folder must exist.
    """
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_atomically(path: Path, text: str) -> None:
    """Writes a text file under another name in the same folder, then gives it its name."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text)
    Path(file.name).rename(path)
