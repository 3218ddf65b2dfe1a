"""The models of profile ``offline`` in this process, by task."""

import os
from functools import cache
from pathlib import Path

from resources.hosting.handle import ModelHostsResource, ModelResource, handle_of
from resources.hosting.host import Host
from resources.hosting.hosts import ModelHosts
from resources.hosting.inprocess import InProcess
from resources.tasks import Task

MODELS = Path(os.environ.get("VID_MODELS") or Path(__file__).parents[1] / "data" / "models").absolute()
ENGINE = InProcess()


class Here(ModelHostsResource):
    """The engine of this process."""

    def engine(self) -> ModelHosts:
        """The one engine."""
        return ENGINE


@cache
def model(task: Task) -> ModelResource:
    """The handle of the task's model. The first question loads its weights, and fetches them if they are missing."""
    return handle_of(task)(hosts=Here(models=str(MODELS)), profile="offline")


def host(task: Task) -> Host:
    """The loaded host of the task's model.

    Raises:
        ModelUnavailable: The weights are missing or altered and cannot be fetched.
    """
    return ENGINE.host(model(task).deployment())
