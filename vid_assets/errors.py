"""One family of errors: each names the culprit, the problem and the fix."""

import errno
import re
import sqlite3
from typing import ClassVar

_OF_THE_MACHINE = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN,
    errno.ESTALE, errno.ENOBUFS, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EACCES, errno.EPERM,
)  # fmt: skip
_IN_RUST = re.compile(r"\(os error (\d+)\)")
_IN_SQLITE = {
    "database or disk is full": errno.ENOSPC,
    "disk I/O error": errno.EIO,
    "readonly database": errno.EROFS,
    "unable to open database file": errno.EACCES,
}


class VidAssetsError(Exception):
    """Base of all errors that this package raises deliberately.

    Attributes:
        culprit: What the error is about: a file, a video, an analyzer, a column.
        problem: What is wrong with it, with the value seen.
        fix: What the reader can do about it.
        is_outside: Whether the cause is outside the file and the analyzer; `is_outside` reads it.
    """

    is_outside: ClassVar[bool] = False

    def __init__(self, culprit: str, problem: str, fix: str) -> None:
        super().__init__(f"{culprit}: {problem}; {fix}")
        self.culprit = culprit
        self.problem = problem
        self.fix = fix

    def __reduce__(self) -> tuple[type["VidAssetsError"], tuple[str, str, str]]:
        return type(self), (self.culprit, self.problem, self.fix)


class AnalyzerDefinitionError(VidAssetsError):
    """An analyzer's description contradicts itself, or its file lacks what discovery expects."""


class MediaError(VidAssetsError):
    """A media file is missing, empty, broken, hostile, or larger than the limits."""


class OutsideError(MediaError):
    """The cause is outside the file: memory or disk ran out, a process was killed, a server did not answer.

    It does not count towards the failures after which a file is given up.
    """

    is_outside = True


class ContractError(VidAssetsError):
    """An analyzer's answer violates its own table: schema, range, nulls or times."""


class UpstreamError(VidAssetsError):
    """An input of the analyzer failed for this video."""

    is_outside = True


class SettingsError(VidAssetsError):
    """A setting, a run's config or a run's tag names something that does not exist."""


class BusyError(VidAssetsError):
    """Another process is doing what only one may do at a time."""

    is_outside = True


class FolderError(VidAssetsError):
    """A folder of the pipeline cannot be written: its disk is full or read-only, or belongs to another user."""

    is_outside = True


class TeardownError(VidAssetsError):
    """A resource of a run could not be closed after the last step, so it may not have stored its results."""

    is_outside = True


class RunCancelledError(VidAssetsError):
    """The run is being cancelled; its computed results are dropped."""

    is_outside = True


def is_outside(error: BaseException) -> bool:
    """Whether the cause of an error is outside the file and the analyzer, so that it does not count against them.

    The errors of this project carry the attribute ``is_outside``. Other errors count if they report that the machine
    ran out of something: disk, memory, open files, a connection.
    """
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        if getattr(cause, "is_outside", False) or isinstance(cause, (MemoryError, ConnectionError, TimeoutError)):
            return True
        if number_of(cause) in _OF_THE_MACHINE:
            return True
        cause = cause.__cause__
    return False


def number_of(error: BaseException) -> int | None:
    """Return the number of the system's error (``errno``) that an error reports; None if it reports none.

    polars and other libraries in Rust name it in their text only. SQLite reports a full disk in its own words.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if found := _IN_RUST.search(str(error)):
        return int(found[1])
    if isinstance(error, sqlite3.Error) or isinstance(getattr(error, "orig", None), sqlite3.Error):
        return next((number for words, number in _IN_SQLITE.items() if words in str(error)), None)
    return None
