"""The errors of models and of what keeps them: each names the culprit, the problem, and the fix."""

from pathlib import Path
from typing import ClassVar


class ResourceError(Exception):
    """Base of all errors that `resources` raises on purpose; the same shape as the project's own family.

    Attributes:
        culprit: What the error is about: a model, a weights file, a host.
        problem: What is wrong with it, with the value seen.
        fix: What the reader can do about it.
        is_outside: Whether the cause lies outside what was asked: it does not count against the video.
    """

    is_outside: ClassVar[bool] = False

    def __init__(self, culprit: str, problem: str, fix: str) -> None:
        super().__init__(f"{culprit}: {problem}; {fix}")
        self.culprit = culprit
        self.problem = problem
        self.fix = fix

    def __reduce__(self) -> tuple[type["ResourceError"], tuple[str, str, str]]:
        return type(self), (self.culprit, self.problem, self.fix)


class ModelUnavailable(ResourceError):
    """The model is not available: weights missing or changed, a package missing, or no such model in the profile.

    An analyzer that needs it answers ``undefined``; the others go on.
    """


class ModelError(ResourceError):
    """The model was there and failed: its load, the call, or its host. The host's log has the traceback."""


class ModelDeadline(ModelError):
    """A call or a load took longer than it may."""


class ModelCancelled(ModelError):
    """The call was cancelled with its run."""

    is_outside = True


class HostLost(ModelError):
    """The host was killed, or could not start: nothing was wrong with the call."""

    is_outside = True


class NoHost(ModelDeadline):
    """There was no room for the host, or it was not up in time."""

    is_outside = True


class CatalogueError(ResourceError):
    """A row of the catalogue is not valid, or its file cannot be read."""


class HostsFolderError(ResourceError):
    """The folder of the hosts' sockets is not private: another owner, a link, or open to others."""

    is_outside = True


class WarehouseError(ResourceError):
    """The warehouse cannot store a table, a partition's key or a frame as it is."""


class InvalidSetting(ResourceError):
    """An environment variable has a value that its setting may not have."""


_TRAVEL = {kind.__name__: kind for kind in (ModelUnavailable, ModelError, ModelDeadline, ModelCancelled)}


def to_exception(error: tuple[str, str, str, str]) -> ResourceError:
    """The exception that an error tuple stands for."""
    kind, culprit, problem, fix = error
    return _TRAVEL[kind](culprit, problem, fix)


def to_error(error: BaseException, culprit: str, log: Path) -> tuple[str, str, str, str]:
    """The tuple for an exception; strangers become a `ModelError` of one line that names the log."""
    if isinstance(error, ResourceError) and type(error).__name__ in _TRAVEL:
        return type(error).__name__, error.culprit, error.problem, error.fix
    lines = str(error).strip().splitlines()
    problem = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return ModelError.__name__, culprit, problem, f"its traceback is in {log}"
