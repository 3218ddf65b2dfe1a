"""The Dagster side of a model: a cheap, configurable handle without weights."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field, PrivateAttr

from resources.catalog.profiles import resolve_profile
from resources.catalog.rows import find
from resources.catalog.spec import CHECKPOINT_FILES, ModelSpec, sealed_revision
from resources.errors import ModelError
from resources.hosting.calls import Calls
from resources.hosting.hosts import Deployment, ModelHosts, ModelStatus
from resources.hosting.messages import Stream
from resources.settings import settings
from resources.tasks import Task

PROFILE_TAG = "vid/profile"
SAMPLE_RATE = 16000
LEAST_PART = 16  # entries of a question in one call, if there are more; hosts compute them in batches


class ModelHostsResource(dg.ConfigurableResource):
    """The engine that keeps the models in memory: processes on this machine."""

    scratch: str = Field(default="", description="Folder of the hosts' sockets; empty: VID_SCRATCH, else data/scratch")
    models: str = Field(default="", description="Folder of fetched weights; empty: VID_MODELS, else data/models")

    def engine(self) -> ModelHosts:
        """Return the engine. All handles of this process share it."""
        from resources.hosting.local.hosts import local_hosts

        return local_hosts(Path(self.scratch or settings().scratch).absolute())

    def weights(self) -> Path:
        """Return the absolute folder of fetched weights."""
        return Path(self.models or settings().models).absolute()


class ModelResource(dg.ConfigurableResource):
    """Handle of the model that answers one task. It loads nothing; the weights are in a host.

    `handle_of` creates the class for a task. It has the method of the task's Protocol.
    """

    task: ClassVar[Task]

    hosts: dg.ResourceDependency[ModelHostsResource]
    model: str = Field(default="", description="Name of a catalogue row to use instead of the profile's own")
    repo: str = Field(
        default="",
        description="Another checkpoint of the same kind: a hub id that was fetched, or a folder with a SHA256SUMS",
    )
    revision: str = Field(
        default="", description="Commit of a hub id in `repo`; for a folder, its checksums are the revision"
    )
    precision: str = Field(
        default="", description="int8, nf4, bf16, fp16 or fp32; empty: the precision of the catalogue row"
    )
    options: dict[str, Any] = Field(
        default={}, description="Options of the host in place of the catalogue's, such as {batch: 4}"
    )
    profile: str = Field(
        default="", description=f"auto, offline, cpu or gpu; empty: the run's tag {PROFILE_TAG}, VID_PROFILE, else auto"
    )
    deadline_s: float = Field(
        default=300.0,
        gt=0,
        description="Seconds that a call may take once the model is loaded; long videos get more",
    )

    _calls: Calls = PrivateAttr(default_factory=Calls)
    _tagged: str = PrivateAttr("")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Read the run's tag."""
        self._tagged = context.run.tags.get(PROFILE_TAG, "") if context.run else ""

    def spec(self, profile: str = "") -> ModelSpec:
        """Return the catalogue row for a profile, with the changes of this handle.

        Args:
            profile: The profile; empty for the current one.

        Raises:
            ModelUnavailable: The profile has no model for the task.
            ModelError: A field of this handle names something that does not exist.
        """
        row = find(self.task.name, resolve_profile(self.profile or profile or self._tagged), self.model)
        if unknown := sorted(set(self.options) - set(row.options)):
            known = ", ".join(sorted(row.options)) or "none"
            raise ModelError(row.name, f"options {unknown} are unknown", f"it has {known}")
        row = replace(row, precision=self.precision or row.precision, options={**row.options, **self.options})
        if not self.repo:
            return row
        path = Path(self.repo).expanduser()
        if path.is_dir():
            return replace(row, source="folder", repo=str(path.absolute()), revision=sealed_revision(path), files={})
        patterns = row.patterns or CHECKPOINT_FILES
        return replace(row, source="hub", repo=self.repo, revision=self.revision or "main", files={}, patterns=patterns)

    def deployment(self, profile: str = "") -> Deployment:
        """Return what this handle requests from the engine; see `spec`."""
        spec = self.spec(profile)
        return Deployment(spec, self.hosts.weights(), spec.options)

    def prewarm(self) -> None:
        """Load the model in the background and return at once. Failures appear in `status` and in the calls."""
        self.hosts.engine().prewarm(self.deployment())

    def status(self) -> ModelStatus:
        """Return ``state`` (absent, loading, warm, failed), ``seconds`` in it, ``error``, and figures of the host."""
        return self.hosts.engine().status(self.deployment())

    def cancel(self) -> None:
        """Cancel the calls of this handle that are in flight. They and later ones raise `ModelCancelled`."""
        self._calls.cancel()

    def ask(self, *args: Any, **kwargs: Any) -> pl.DataFrame:
        """Ask the task's question with the arguments of its Protocol's method. For the errors, see that method."""
        bound = self.task.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = dict(bound.arguments)
        answers = [self._call(start, part) for start, part in self._parts(given)]
        return pl.concat(answers) if answers else self.task.empty()

    def _parts(self, given: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the calls of a question, each with the index of its first entry.

        A call takes no longer than its deadline, however long the video is, and the calls of other videos come between.
        """
        if self.task.each is None:
            yield 0, given
            return
        size = max(LEAST_PART, int(self.deadline_s // self.task.slowest_s))
        split = [name for name in (self.task.each, *self.task.beside) if given[name] is not None]
        for start in range(0, len(given[self.task.each]), size):
            yield start, given | {name: given[name][start : start + size] for name in split}

    def _call(self, start: int, given: dict[str, Any]) -> pl.DataFrame:
        video_id, seconds = _video_of(given), self._seconds(given)
        streams = _streams(given)
        answer = (
            self.hosts.engine()
            .call(
                self.deployment(),
                self.task.method,
                streams,
                given,
                video_id=video_id,
                deadline_s=seconds,
                calls=self._calls,
            )
            .drop("video_id", "model_revision")
        )
        counted = next(iter(self.task.answer))
        return answer if counted == "row" else answer.with_columns(pl.col(counted) + start)

    def _seconds(self, given: Mapping[str, Any]) -> float:
        """Return the time limit of a call, which depends on its length."""
        size = len(given[self.task.each]) if self.task.each else len(given["audio"].samples) / SAMPLE_RATE
        return max(self.deadline_s, self.task.slowest_s * size)


@cache
def handle_of(task: Task) -> type[ModelResource]:
    """Return the handle class of a task, with the method of the task's Protocol."""

    def method(self: ModelResource, *args: Any, **kwargs: Any) -> pl.DataFrame:
        return self.ask(*args, **kwargs)

    method.__name__, method.__doc__ = task.method, task.function.__doc__
    name = f"{task.key.title().replace('_', '')}Resource"
    attributes = {"__doc__": task.question, "__module__": __name__, "task": task, task.method: method}
    return type(name, (ModelResource,), {**attributes, "__annotations__": {"task": ClassVar[Task]}})


def _video_of(given: Mapping[str, Any]) -> str:
    """Return the video that is asked about; empty for a question about texts alone."""
    return next((given[name].video_id for name in ("frames", "audio") if name in given), "")


def _streams(given: dict[str, Any]) -> dict[str, Stream]:
    """Take pictures and sound out of the arguments. The rest is JSON."""
    streams: dict[str, Stream] = {}
    if (frames := given.pop("frames", None)) is not None:
        rows = given.pop("rows", None)
        streams["frames"] = Stream(frames.array, frames.path, None if rows is None else [int(row) for row in rows])
    if (audio := given.pop("audio", None)) is not None:
        streams["audio"] = Stream(audio.samples, audio.path)
    for name, value in given.items():
        given[name] = _plain(value)
    return streams


def _plain(value: Any) -> Any:
    """Convert the value to JSON types."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    return [_plain(each) for each in value]
