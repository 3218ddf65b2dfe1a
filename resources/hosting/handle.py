"""The Dagster side of a model: a cheap, configurable handle without weights."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import dagster as dg
import polars as pl
from pydantic import Field, PrivateAttr

from resources.catalog.profiles import resolve_profile
from resources.catalog.rows import find
from resources.catalog.spec import ModelSpec
from resources.hosting.calls import Calls

if TYPE_CHECKING:
    from resources.hosting.hosts import Deployment, ModelHosts, ModelStatus
    from resources.hosting.messages import Stream


PROFILE_TAG = "vid/profile"


class ModelResource(dg.ConfigurableResource):
    """Base of every model handle. It loads nothing and is cheap to make; the weights live in a host process.

    Subclasses name their model and add the methods of its Protocol, each of which calls `_call`. Fields that the host
    must know go through `options`.
    """

    model: ClassVar[str]

    profile: str = Field(
        default="", description=f"auto, offline, cpu or gpu; empty: the run's tag {PROFILE_TAG}, VID_PROFILE, else auto"
    )
    scratch: str = Field(default="", description="scratch folder; empty: VID_SCRATCH, else data/scratch")
    models: str = Field(default="", description="folder of fetched weights; empty: VID_MODELS, else data/models")
    deadline_s: float = Field(default=300.0, description="seconds that one call may take once the model is warm", gt=0)

    _calls: Calls = PrivateAttr(default_factory=Calls)
    _tagged: str = PrivateAttr("")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Read the run's tag."""
        self._tagged = context.run.tags.get(PROFILE_TAG, "") if context.run else ""

    def options(self) -> dict[str, Any]:
        """Settings that the host gets, JSON types. Other settings mean another host process."""
        return {}

    def spec(self) -> ModelSpec:
        """The catalogue row in the current profile.

        Raises:
            ModelUnavailable: The profile has no such model.
        """
        return find(self.model, resolve_profile(self.profile or self._tagged))

    def prewarm(self) -> None:
        """Has the model loaded in the background; returns at once. Failures show in `status` and in the calls."""
        self._hosts().prewarm(self._deployment())

    def status(self) -> "ModelStatus":
        """``state`` (absent, loading, warm, failed), ``seconds`` in it, ``error``, and figures of the host."""
        return self._hosts().status(self._deployment())

    def cancel(self) -> None:
        """Aborts the calls that this handle has in flight; they and later ones raise `ModelCancelled`."""
        self._calls.cancel()

    def _deployment(self) -> "Deployment":
        from resources.hosting.hosts import Deployment

        models = Path(self.models or os.environ.get("VID_MODELS") or "data/models")
        return Deployment(self.spec(), models.absolute(), self.options())

    def _hosts(self) -> "ModelHosts":
        from resources.hosting.local.hosts import local_hosts

        return local_hosts(Path(self.scratch or os.environ.get("VID_SCRATCH") or "data/scratch").absolute())

    def _call(
        self,
        method: str,
        streams: "Mapping[str, Stream]",
        args: Mapping[str, Any] | None = None,
        *,
        video_id: str = "",
        deadline_s: float | None = None,
    ) -> pl.DataFrame:
        """Calls a served method of the host; see `ModelHosts.call` for the errors.

        Returns:
            The method's frame, exactly its columns.
        """
        answer = self._hosts().call(
            self._deployment(),
            method,
            streams,
            args or {},
            video_id=video_id,
            deadline_s=deadline_s or self.deadline_s,
            calls=self._calls,
        )
        return answer.drop("video_id", "model_revision")
