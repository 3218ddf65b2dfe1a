"""Where things lie and which models are used: environment variables, each of which the launchpad can override."""

import os

import dagster as dg
from pydantic import Field

DEFAULTS = {
    "VID_ARCHIVE": "data/videos",
    "VID_WAREHOUSE": "data/warehouse",
    "VID_SCRATCH": "data/scratch",
    "VID_MODELS": "data/models",
    "VID_PROFILE": "auto",
}


def setting(name: str) -> str:
    """The value of one of `DEFAULTS`' variables; relative folders are relative to the working directory."""
    return os.environ.get(name) or DEFAULTS[name]


def configured(name: str) -> str:
    """The same as Dagster configuration: tied to the variable where it is set, so that the UI names it."""
    return dg.EnvVar(name) if os.environ.get(name) else DEFAULTS[name]


class Settings(dg.ConfigurableResource):
    """What is neither the warehouse's nor a model's own."""

    archive: str = Field(description="Folder or fsspec URL that is searched for videos")
    scratch: str = Field(description="Folder of decoded streams and of the model hosts' sockets")
    profile: str = Field(description="Which models are used: auto, offline, cpu or gpu")
