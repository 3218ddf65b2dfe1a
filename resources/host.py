"""Model hosts: start here.

A model is one file, such as ``whisper.py``, with two classes: `WhisperHost` holds the weights and computes,
`WhisperResource` is the thin handle that Dagster gives to analyzers. Its row in ``catalog.py`` says where the weights
come from (``weights.py`` fetches and checks them). A handle never loads anything: it asks `ModelHosts`, which find the
one process that holds the model on this machine, or start it (``local.py``). That process (``server.py``) makes the
`Host`, loads it, and answers over gRPC on a unix socket; requests of several runs at once are put into one call of the
host's method (``batching.py``).

    class EchoHost(Host):
        def load(self) -> None: ...
        @served
        def echo(self, requests: Sequence[Request]) -> list[pl.DataFrame]: ...

    class EchoResource(ModelResource):
        model: ClassVar[str] = "echo"
        def echo(self, frames, rows): return self._call("echo", {"frames": Stream(frames.array, frames.path, rows)})

`Host` knows neither gRPC nor Dagster, so that the same classes can be deployed on a cluster. Files with a `Host` import
nothing heavy at module level, dagster included: a host process starts in half a second without it.

Commands: ``python -m resources.host status | down | pull --profile cpu``.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from resources.calls import Calls
from resources.catalog import ModelSpec
from resources.usage import Usage, collect_usage

__all__ = [
    "Calls",
    "Deployment",
    "Host",
    "ModelHosts",
    "ModelResource",
    "ModelSpec",
    "ModelStatus",
    "Request",
    "Stream",
    "Usage",
    "collect_usage",
    "served",
]


@dataclass(frozen=True, slots=True)
class Stream:
    """One array of a request, as the handle names it.

    Attributes:
        array: The array itself, [n, ...].
        path: The ``.npy`` file behind it. Without one the array is first written to a file in the scratch folder.
        rows: Which rows the request is about; None for all.
    """

    array: np.ndarray
    path: Path | None = None
    rows: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as a host's method sees it.

    Attributes:
        video_id: The video that it is about; empty for arrays that belong to none.
        arrays: Whole arrays by name, memory-mapped and read-only.
        picked: Rows asked for, by name of the array; names that ask for all rows are absent.
        args: Everything else, JSON types.
    """

    video_id: str = ""
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    picked: Mapping[str, Sequence[int]] = field(default_factory=dict)
    args: Mapping[str, Any] = field(default_factory=dict)

    def rows(self, name: str) -> list[int]:
        """The rows asked for, in the request's order."""
        return list(self.picked.get(name, range(len(self.arrays[name]))))

    def take(self, name: str) -> np.ndarray:
        """The rows asked for, [len(rows), ...]: a copy of just these rows, or the mapped array itself for all."""
        array = self.arrays[name]
        if name not in self.picked:
            return array
        return array[np.asarray(self.picked[name], np.int64)]


Method = Callable[[Any, Sequence[Request]], list[pl.DataFrame]]


def served(method: Method) -> Method:
    """Marks a host's method as callable from outside: from a list of requests to one frame each, in their order."""
    method.__served__ = True  # pyright: ignore[reportFunctionMemberAccess]
    return method


class Host(ABC):
    """Weights in memory, and the methods that use them. One thread calls it at a time.

    Attributes:
        spec: The model's row in the catalogue.
        folder: Where the weights' files lie, verified.
        options: The handle's settings, JSON types.
        threads: CPU threads that it may use.
        device: Where it computes; `load` sets it where it is not the CPU.
        precision: What it computes in; `load` sets it where it differs from the catalogue's.
    """

    def __init__(self, spec: ModelSpec, folder: Path, options: Mapping[str, Any]) -> None:
        self.spec = spec
        self.folder = folder
        self.options = options
        self.threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
        self.device = "cpu"
        self.precision = spec.precision

    @abstractmethod
    def load(self) -> None:
        """Brings the weights into memory and does what the first call would otherwise pay for.

        Raises:
            ModelUnavailable: A package or file that it needs is not here.
        """

    def method(self, name: str) -> Callable[[Sequence[Request]], list[pl.DataFrame]]:
        """The served method of that name.

        Raises:
            AttributeError: There is none.
        """
        found = getattr(self, name, None)
        if not getattr(found, "__served__", False):
            raise AttributeError(f"{type(self).__name__} serves no method {name!r}")
        return found  # pyright: ignore[reportReturnType]


@dataclass(frozen=True, slots=True)
class Deployment:
    """One model as somebody wants it: its catalogue row and the handle's settings.

    Attributes:
        spec: The catalogue row.
        models: The folder of fetched weights (``VID_MODELS``).
        options: Settings that the host gets; other settings are another deployment, hence another process.
    """

    spec: ModelSpec
    models: Path
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """Where a model stands.

    Attributes:
        state: ``absent``, ``loading``, ``warm`` or ``failed``.
        seconds: How long it has been in that state; 0 for absent.
        error: Why it failed, one line; None otherwise.
        model: Name in the catalogue.
        pid: Process id of the host; None without one.
        memory_mb: Resident memory of the host in MB.
        calls: Calls answered since its start.
        p50_ms: Median time of the last calls in the host, in ms; None before the first.
        device: Where it computes.
        busy_s: How long the batch in hand has been computing; None when idle.
    """

    state: str
    seconds: float = 0.0
    error: str | None = None
    model: str = ""
    pid: int | None = None
    memory_mb: float | None = None
    calls: int = 0
    p50_ms: float | None = None
    device: str | None = None
    busy_s: float | None = None


class ModelHosts(ABC):
    """What handles need from whatever keeps the models: processes on this machine, or a cluster."""

    @abstractmethod
    def prewarm(self, deployment: Deployment) -> None:
        """Sees to it that the model is being loaded, and returns at once."""

    @abstractmethod
    def call(
        self,
        deployment: Deployment,
        method: str,
        streams: Mapping[str, Stream],
        args: Mapping[str, Any],
        *,
        video_id: str = "",
        deadline_s: float,
        calls: Calls,
    ) -> pl.DataFrame:
        """Calls a served method, starting the model if need be, and reports to `collect_usage`.

        Args:
            deployment: The model.
            method: Name of the served method.
            streams: Arrays by name.
            args: Everything else, JSON types.
            video_id: The video that the request is about.
            deadline_s: Seconds that the call may take once the model is warm.
            calls: Where the call is registered while it is in flight, so that its owner can give it up.

        Returns:
            The method's frame, with ``video_id`` and ``model_revision`` in front.

        Raises:
            ModelUnavailable: Weights or a package are missing or altered.
            ModelError: The load, the method or the host failed.
            ModelDeadline: It took too long.
            ModelCancelled: ``calls.cancel()`` was called.
        """

    @abstractmethod
    def status(self, deployment: Deployment) -> ModelStatus:
        """Where the model stands; never starts it and never waits long."""

    @abstractmethod
    def stop(self) -> None:
        """Stops every host and leaves nothing behind."""


if TYPE_CHECKING or not os.environ.get("VID_HOST_PROCESS"):
    from resources.handle import ModelResource
else:

    class ModelResource:
        """Handles have no use in a host process, and without dagster it starts a second sooner and 40 MB smaller."""


if __name__ == "__main__":
    from resources.cli import main

    main()
