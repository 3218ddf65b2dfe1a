"""Options that several commands share: lists of analyzers, the profile, and their shell completion."""

import os
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

_ANALYZERS = Path(__file__).parents[1] / "analyzers"


def _completed_names(incomplete: str) -> list[str]:
    """Complete analyzers from the names of their files: importing them takes longer than a key press may."""
    given, comma, start = incomplete.rpartition(",")
    names = sorted(module.name for module in pkgutil.iter_modules([str(_ANALYZERS)]))
    return [f"{given}{comma}{name}" for name in names if name.startswith(start) and name not in given.split(",")]


def _completed_profiles(incomplete: str) -> list[str]:
    return [name for name in ("auto", "offline", "cpu", "gpu") if name.startswith(incomplete)]


Profile = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        autocompletion=_completed_profiles,
        help="Which models: auto, offline, cpu or gpu. Default: VID_PROFILE, else auto.",
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        autocompletion=_completed_names,
        help="Run these analyzers, with commas, and what they depend on where that is missing or out of date.",
    ),
]
Disable = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        autocompletion=_completed_names,
        help="Leave these analyzers out, with commas, and what depends on them. VID_DISABLED adds some.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


def names_in(texts: Sequence[str] | None, option: str) -> list[str]:
    """Return the analyzers that an option names, sorted.

    Raises:
        SettingsError: An analyzer does not exist.
    """
    from vid_assets.errors import SettingsError
    from vid_assets.settings import analyzers_named

    try:
        return sorted(analyzers_named(",".join(texts or ())))
    except SettingsError as error:
        raise SettingsError(f"{option} {','.join(texts or ())}", error.problem, error.fix) from error


def use_profile(name: str) -> str:
    """Use the profile for this process and for those that it starts.

    Returns:
        The profile, with ``auto`` resolved.

    Raises:
        SettingsError: There is no such profile.
    """
    from resources.catalog.profiles import resolve_profile
    from resources.catalog.spec import PROFILES
    from vid_assets.errors import SettingsError

    if name not in ("", "auto", *PROFILES):
        raise SettingsError(f"--profile {name}", "no such profile", f"use auto, {', '.join(PROFILES)}")
    if name:
        os.environ["VID_PROFILE"] = name
    return resolve_profile("")
