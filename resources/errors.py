"""Errors of models and model hosts. Each names the culprit, the problem, and the fix."""

import re
from pathlib import Path
from typing import ClassVar


class ResourceError(Exception):
    """Base of all errors that `resources` raises on purpose. It has the same form as the project's own errors.

    Attributes:
        culprit: What the error is about: a model, a weights file, a host.
        problem: What is wrong, with the actual value.
        fix: What the reader can do about it.
        is_outside: Whether the cause is outside the request; such an error does not count against the video.
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
    """The model is not available: weights or a package are missing or changed, or the profile has no such model.

    An analyzer that needs it answers ``undefined``; the others continue.
    """


class ModelError(ResourceError):
    """The model was available and failed: its load, the call, or its host. The host's log has the traceback."""


class ModelDeadline(ModelError):
    """A call or a load exceeded its time limit."""


class ModelCancelled(ModelError):
    """The call was cancelled with its run."""

    is_outside = True


class ModelMemory(ModelError):
    """The machine or the GPU ran out of memory during the call, with the smallest batch too. The host goes on."""

    is_outside = True


class HostLost(ModelError):
    """The host was killed or could not start. The call itself was correct."""

    is_outside = True


class NoHost(ModelDeadline):
    """There was no room for the host, or it did not start in time."""

    is_outside = True


class CatalogueError(ResourceError):
    """A row of the catalogue is invalid, or its file cannot be read."""


class HostsFolderError(ResourceError):
    """The folder of the hosts' sockets is not private: it has another owner, is a link, or is open to others."""

    is_outside = True


class WarehouseError(ResourceError):
    """The warehouse cannot store this table, partition key or frame."""


class WarehouseUnreachable(WarehouseError):
    """The catalogue of a shared warehouse does not answer, or its files cannot be read or written."""

    is_outside = True


class OtherCode(WarehouseError):
    """A machine has other code or settings than the one that the shared warehouse was defined by."""

    is_outside = True


class InvalidSetting(ResourceError):
    """An environment variable has an invalid value."""


_TRAVEL = {kind.__name__: kind for kind in (ModelUnavailable, ModelError, ModelDeadline, ModelMemory, ModelCancelled)}
# What torch, onnxruntime, ctranslate2 and numpy say, on the CPU and on a GPU.
_NO_MEMORY = re.compile(
    r"out of memory|not enough memory|unable to allocate|can't allocate memory|failed to allocate memory|bad_alloc",
    re.IGNORECASE,
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the machine or the GPU had no memory left for what was asked."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error)) is not None


def to_exception(error: tuple[str, str, str, str]) -> ResourceError:
    """Return the exception for an error tuple."""
    kind, culprit, problem, fix = error
    return _TRAVEL[kind](culprit, problem, fix)


def to_error(error: BaseException, culprit: str, log: Path) -> tuple[str, str, str, str]:
    """Return the tuple for an exception. Other exceptions become a one-line `ModelError` that names the log."""
    if isinstance(error, ResourceError) and type(error).__name__ in _TRAVEL:
        return type(error).__name__, error.culprit, error.problem, error.fix
    if is_out_of_memory(error):
        problem = "it ran out of memory, also with the smallest batch"
        return ModelMemory.__name__, culprit, problem, f"free memory, or choose a smaller model; see {log}"
    lines = str(error).strip().splitlines()
    problem = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return ModelError.__name__, culprit, problem, f"its traceback is in {log}"
