"""The speed of light of this machine for one clip: what decoding and the models take alone, over what the run takes."""

import functools
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.baseline_worker import decode
from benchmarks.clips import make_clips
from benchmarks.kit import Home, child, median
from benchmarks.pipeline import analyzers, handles
from benchmarks.plan import Plan
from benchmarks.realtime import HD
from resources.catalog.profiles import resolve_profile
from resources.errors import ModelUnavailable
from resources.hosting.calls import Calls
from resources.hosting.handle import ModelHostsResource
from resources.hosting.hosts import Deployment, ModelHosts
from resources.hosting.inprocess import InProcess
from resources.hosting.messages import Stream
from vid_assets.configuration import configuration
from vid_assets.contract import NotApplicable, Undefined
from vid_assets.defs.factory import has_model


class Timed(InProcess):
    """Models in this process, and the seconds of their calls and loads by model."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.loads: defaultdict[str, float] = defaultdict(float)

    def spent(self) -> float:
        """Seconds of all calls and loads so far."""
        return sum(self.seconds.values()) + sum(self.loads.values())

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
        """See `ModelHosts.call`."""
        began = time.perf_counter()
        self.host(deployment)
        self.loads[deployment.spec.name] += time.perf_counter() - began
        began = time.perf_counter()
        try:
            return super().call(
                deployment, method, streams, args, video_id=video_id, deadline_s=deadline_s, calls=calls
            )
        finally:
            self.seconds[deployment.spec.name] += time.perf_counter() - began


class TimedEngine(ModelHostsResource):
    """The one engine of this process."""

    def engine(self) -> ModelHosts:
        """It."""
        return _engine()


@functools.cache
def _engine() -> Timed:
    return Timed()


def measure(home: Home, plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """Compares runs of warm models with the same work done piece by piece, nothing else running.

    Returns:
        ``speed_of_light``: (decode + models, each alone with all cores) over the run's wall time, medians; and all
        pieces, the analyzers' own computing too, which is not part of the figure.
    """
    files = make_clips(home.root / "clips", 2, 4.0 if plan.rehearse else 60.0, first_seed=900, size=HD)
    walls, alone = [], []
    for number in range(plan.repeats):
        plan.note(f"a clip by the pipeline and piece by piece, {number + 1} of {plan.repeats}")
        done = child("pipeline", {"files": files}, home.variables(f"warehouse-light-{number}"))
        walls.append(done["videos"][1]["wall_s"])
        home.forget()
        alone.append(child("light", {"file": files[1]}, home.variables()))
    light = [one["decode_s"] + sum(one["models_s"].values()) for one in alone]
    return {"speed_of_light": median(light) / median(walls)}, {"wall_s": walls, "alone": alone}


def answer(file: str) -> dict[str, Any]:
    """Decodes, then runs all analyzers one after another, in this process, every model with all cores.

    Returns:
        ``decode_s``; ``models_s`` by model, without loads; ``analyzers_s`` by analyzer, without its model.
    """
    own: dict[str, float] = {}
    tables: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="light-") as folder:
        began = time.perf_counter()
        streams = decode(Path(file), ("video", "thumbs", "frames", "audio"), Path(folder))
        decode_s = time.perf_counter() - began
        models = handles(TimedEngine())
        for analyzer in _ordered():
            inputs = [tables.get(name, streams.get(name)) for name in analyzer.inputs]
            given = zip(analyzer.inputs, inputs, strict=True)
            if any(value is None and name not in analyzer.optional for name, value in given):
                continue
            arguments: list[Any] = list(inputs)
            if analyzer.task is not None:
                handle = models[analyzer.task.key]
                arguments.append(handle if has_model(analyzer, handle, resolve_profile()) else None)
            if analyzer.config is not None:
                arguments.append(configuration().settings_of(analyzer))
            before, began = _engine().spent(), time.perf_counter()
            try:
                result = analyzer.run(*arguments)
            except ModelUnavailable:
                continue
            own[analyzer.name] = time.perf_counter() - began - (_engine().spent() - before)
            if not isinstance(result, NotApplicable | Undefined):
                tables[analyzer.name] = result
    return {"decode_s": decode_s, "models_s": dict(_engine().seconds), "analyzers_s": own}


def _ordered() -> list[Any]:
    """The analyzers, each after those whose tables it reads."""
    waiting, ordered = list(analyzers()), []
    while waiting:
        ready = [item for item in waiting if not {other.name for other in waiting} & set(item.upstream)]
        ordered += ready
        waiting = [item for item in waiting if item not in ready]
    return ordered
