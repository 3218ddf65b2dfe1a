"""Where things lie and what runs: environment variables, each of which a run's config or tags can override."""

import os
from collections.abc import Collection, Mapping

import dagster as dg
from pydantic import Field, PrivateAttr

from resources.settings import default_of, settings, variable
from vid_assets.errors import SettingsError
from vid_assets.registry import discover

DISABLED_TAG = "vid/disabled"


def configured(name: str) -> str:
    """A setting as Dagster configuration: tied to its variable where that is set, so that the UI names it.

    Args:
        name: A field of `resources.settings.Settings`.

    Raises:
        InvalidSetting: A variable has a value that it may not have.
    """
    value = getattr(settings(), name)
    return dg.EnvVar(variable(name)) if os.environ.get(variable(name)) else str(value)


class Settings(dg.ConfigurableResource):
    """What is neither the warehouse's nor a model's own."""

    archive: str = Field(description="Folder or fsspec URL that is searched for videos")
    scratch: str = Field(description="Folder of decoded streams and of the model hosts' sockets")
    scratch_gb: float = Field(default=20.0, ge=0, description="Disk space for decoded streams, in GB")
    reports: str = Field(default=default_of("reports"), description="Folder of the HTML reports")
    disabled: str = Field(
        default="", description=f"Analyzers to leave out, separated by commas; the tag {DISABLED_TAG} adds some"
    )

    _left_out: dict[str, str] = PrivateAttr(default_factory=dict)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Read the run's tag as well.

        Raises:
            SettingsError: An analyzer that is to be left out does not exist.
        """
        tag = context.run.tags.get(DISABLED_TAG, "") if context.run else ""
        self._left_out = with_dependants(analyzers_named(f"{self.disabled},{tag}"))

    def left_out(self) -> Mapping[str, str]:
        """The analyzers that do not run, each with the one whose being disabled is the cause: itself, or an input."""
        return self._left_out

    def is_idle(self, step_key: str) -> bool:
        """Whether the step will not use its model, which then need not be loaded."""
        return step_key in self._left_out


def with_dependants(names: Collection[str]) -> dict[str, str]:
    """The analyzers of these names and all that depend on them, each with the first cause."""
    causes: dict[str, str] = {}
    for analyzer in discover():
        if analyzer.name in names:
            causes[analyzer.name] = analyzer.name
        elif found := [causes[name] for name in analyzer.upstream if name in causes]:
            causes[analyzer.name] = found[0]
    return causes


def analyzers_named(text: str) -> frozenset[str]:
    """The analyzers that a text names, with commas between them.

    Raises:
        SettingsError: One does not exist.
    """
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    known = {analyzer.name for analyzer in discover()}
    if unknown := sorted(names - known):
        raise SettingsError(
            f"disabled analyzers {', '.join(unknown)}", "no such analyzer", f"use some of {', '.join(sorted(known))}"
        )
    return names
