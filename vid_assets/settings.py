"""Locations and what runs: environment variables, each of which you can override in a run's config or tags."""

import os
from collections.abc import Collection, Mapping

import dagster as dg
from pydantic import Field, PrivateAttr

from resources.settings import default_of, settings, variable
from vid_assets.errors import SettingsError
from vid_assets.registry import computed

DISABLED_TAG = "vid/disabled"


def configured(name: str) -> str:
    """Return a setting as Dagster configuration. If its variable is set, the value refers to it, so the UI shows it.

    Args:
        name: A field of `resources.settings.Settings`.

    Raises:
        InvalidSetting: A variable has an invalid value.
    """
    value = getattr(settings(), name)
    return dg.EnvVar(variable(name)) if os.environ.get(variable(name)) else str(value)


class Settings(dg.ConfigurableResource):
    """Settings that belong neither to the warehouse nor to a model."""

    archive: str = Field(description="Folder or fsspec URL that is searched for videos")
    scratch: str = Field(description="Folder of decoded streams and of the model hosts' sockets")
    scratch_gb: float = Field(default=20.0, ge=0, description="Disk space for decoded streams, in GB")
    reports: str = Field(default=default_of("reports"), description="Folder of the HTML reports")
    disabled: str = Field(
        default="", description=f"Analyzers to leave out, separated by commas; the tag {DISABLED_TAG} adds some"
    )

    _left_out: dict[str, str] = PrivateAttr(default_factory=dict)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Also read the run's tag.

        Raises:
            SettingsError: An analyzer to leave out does not exist.
        """
        tag = context.run.tags.get(DISABLED_TAG, "") if context.run else ""
        self._left_out = with_dependants(analyzers_named(f"{self.disabled},{tag}"))

    def left_out(self) -> Mapping[str, str]:
        """Return the analyzers that do not run, each with the disabled analyzer that causes it: itself or an input."""
        return self._left_out

    def is_idle(self, step_key: str) -> bool:
        """Whether the step does not use its model, so that the model need not be loaded."""
        return step_key in self._left_out


def with_dependants(names: Collection[str]) -> dict[str, str]:
    """Return the named analyzers and all that depend on them, each with the first cause."""
    causes: dict[str, str] = {}
    for analyzer in computed():
        if analyzer.name in names:
            causes[analyzer.name] = analyzer.name
        elif found := [causes[name] for name in analyzer.upstream if name in causes]:
            causes[analyzer.name] = found[0]
    return causes


def analyzers_named(text: str) -> frozenset[str]:
    """Return the analyzers in a comma-separated text.

    Raises:
        SettingsError: An analyzer does not exist.
    """
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    known = {analyzer.name for analyzer in computed()}
    if unknown := sorted(names - known):
        raise SettingsError(
            f"disabled analyzers {', '.join(unknown)}", "no such analyzer", f"use some of {', '.join(sorted(known))}"
        )
    return names
