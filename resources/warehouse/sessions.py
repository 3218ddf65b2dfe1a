"""Prints which of the files that its arguments name are open in a DuckDB session.

DuckDB locks a database file as long as a session has it open. Run this as a program: a process that closes a file loses
its own locks on it, and the caller may have a session of its own.
"""

import fcntl
import os
import struct
import sys

_FLOCK = "hhqqi4x"  # type, whence, start, length, process


def is_open(file: str) -> bool:
    """Whether another process has a lock on the file."""
    try:
        handle = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        return struct.unpack(_FLOCK, fcntl.fcntl(handle, fcntl.F_GETLK, asked))[0] != fcntl.F_UNLCK
    finally:
        os.close(handle)


if __name__ == "__main__":
    sys.stdout.write("".join(f"{name}\0" for name in sys.argv[1:] if is_open(name)))
