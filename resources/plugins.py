"""What installed packages offer: their entry points."""

import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any


def offered(group: str) -> list[EntryPoint]:
    """The entry points of a group, by name.

    Args:
        group: Such as ``vid_assets.models``.
    """
    return sorted(_all(tuple(sys.path)).select(group=group), key=lambda point: point.name)


@cache
def _all(_path: tuple[str, ...]) -> Any:
    """All entry points; to find them, the metadata of every installed package is read."""
    return entry_points()
