"""An engine that keeps the models in the caller's own process, for measurements.

It has no queue, no deadline and no budget. Calls run in the caller's thread.
"""

import threading
from collections.abc import Mapping
from typing import Any

import polars as pl

from resources.catalog.store import pull
from resources.hosting.calls import Calls
from resources.hosting.host import Host, Request, make_host
from resources.hosting.hosts import Deployment, ModelHosts, ModelStatus
from resources.hosting.identity import identify
from resources.hosting.messages import Stream


class InProcess(ModelHosts):
    """Models in this process. Each is loaded at its first call and stays until the process ends."""

    def __init__(self) -> None:
        self._hosts: dict[str, Host] = {}
        self._lock = threading.Lock()

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
        """See `ModelHosts.call`. Missing weights are fetched first."""
        calls.check()
        arrays = {name: stream.array for name, stream in streams.items()}
        picked = {name: stream.rows for name, stream in streams.items() if stream.rows is not None}
        with self._lock:
            (frame,) = self.host(deployment).method(method)([Request(video_id, arrays, picked, args)])
        identity = {"video_id": video_id, "model_revision": deployment.spec.revision}
        return frame.select(*(pl.lit(value, pl.String).alias(name) for name, value in identity.items()), pl.all())

    def host(self, deployment: Deployment) -> Host:
        """Return the loaded host of a deployment."""
        spec = deployment.spec
        stem = _stem(deployment)
        if stem not in self._hosts:
            host = make_host(spec, pull(spec, deployment.models).folder, deployment.options, deployment.models)
            host.load()
            self._hosts[stem] = host
        return self._hosts[stem]

    def prewarm(self, deployment: Deployment) -> None:
        """Do nothing: the first call loads."""

    def status(self, deployment: Deployment) -> ModelStatus:
        """Return ``warm`` if loaded, else ``absent``."""
        return ModelStatus("warm" if _stem(deployment) in self._hosts else "absent", model=deployment.spec.name)

    def stop(self) -> None:
        """Release all models."""
        self._hosts.clear()


def _stem(deployment: Deployment) -> str:
    """Return what distinguishes models, as for processes: other options or another revision are another model."""
    return identify(deployment.spec, deployment.options).stem
