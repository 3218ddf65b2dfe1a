"""Interface of an engine that keeps models in memory and calls them: `ModelHosts`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from resources.catalog.spec import ModelSpec
from resources.hosting.calls import Calls
from resources.hosting.messages import Stream


@dataclass(frozen=True, slots=True)
class Deployment:
    """One requested model: its catalogue row and the handle's settings.

    Attributes:
        spec: The catalogue row.
        models: The folder of fetched weights (``VID_MODELS``).
        options: Settings for the host. Different settings are a different deployment, so a different process.
    """

    spec: ModelSpec
    models: Path
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """State of a model.

    Attributes:
        state: ``absent``, ``loading``, ``warm`` or ``failed``.
        seconds: Time in that state; 0 for absent.
        error: Why it failed, one line; None otherwise.
        model: Name in the catalogue.
        pid: Process id of the host; None without one.
        memory_mb: Resident memory of the host in MB.
        calls: Calls answered since its start.
        p50_ms: Median time of the latest calls in the host, in ms; None before the first.
        device: Where it computes.
        busy_s: Computing time of the current batch so far; None when idle.
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
    """What handles need from an engine that keeps the models: processes on this machine, or a cluster."""

    @abstractmethod
    def prewarm(self, deployment: Deployment) -> None:
        """Start loading the model if needed, and return at once."""

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
        """Call a served method, start the model if needed, and report to `collect_usage`.

        Args:
            deployment: The model.
            method: Name of the served method.
            streams: Arrays by name.
            args: Everything else, JSON types.
            video_id: The video of the request.
            deadline_s: Seconds that the call may take once the model is warm.
            calls: Registers the call while it is in flight, so that its owner can cancel it.

        Returns:
            The method's frame, with ``video_id`` and ``model_revision`` as the first columns.

        Raises:
            ModelUnavailable: Weights or a package are missing or altered.
            ModelError: The load, the method or the host failed.
            ModelDeadline: The call took too long.
            ModelCancelled: ``calls.cancel()`` was called.
        """

    @abstractmethod
    def status(self, deployment: Deployment) -> ModelStatus:
        """Return the state of the model. This never starts it and never waits long."""

    @abstractmethod
    def stop(self) -> None:
        """Stop every host and leave nothing behind."""
