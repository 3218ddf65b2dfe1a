"""Messages between handles and hosts: arrays by name and row, and the names of the gRPC service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SERVICE = "vid_assets.Host"
IDENTITY = ("video_id", "model_revision")


@dataclass(frozen=True, slots=True)
class Stream:
    """One array of a request, as the handle names it.

    Attributes:
        array: The array itself, [n, ...].
        path: The ``.npy`` file behind it. Without one, the array is first written to a file in the scratch folder.
        rows: Rows of the request; None for all.
    """

    array: np.ndarray
    path: Path | None = None
    rows: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as a host's method sees it.

    Attributes:
        video_id: The video of the request; empty for arrays without a video.
        arrays: Whole arrays by name, memory-mapped and read-only.
        picked: Requested rows, by name of the array; names that request all rows are absent.
        args: Everything else, JSON types.
    """

    video_id: str = ""
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    picked: Mapping[str, Sequence[int]] = field(default_factory=dict)
    args: Mapping[str, Any] = field(default_factory=dict)

    def rows(self, name: str) -> list[int]:
        """Return the requested rows, in the request's order."""
        return list(self.picked.get(name, range(len(self.arrays[name]))))

    def take(self, name: str) -> np.ndarray:
        """Return the requested rows, [len(rows), ...]: a copy of these rows, or the mapped array itself for all."""
        array = self.arrays[name]
        if name not in self.picked:
            return array
        return array[np.asarray(self.picked[name], np.int64)]
