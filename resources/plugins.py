"""Entry points of installed packages."""

import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any


def offered(group: str) -> list[EntryPoint]:
    """Return the entry points of a group, sorted by name.

    Args:
        group: Group name, for example ``vid_assets.models``.
    """
    return sorted(_all(tuple(sys.path)).select(group=group), key=lambda point: point.name)


@cache
def _all(_path: tuple[str, ...]) -> Any:
    """Return all entry points. This reads the metadata of every installed package."""
    return entry_points()
