"""What the author of a model writes: a `Host` that holds the weights, with methods that are `served`."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from resources.catalog.spec import ModelSpec
from resources.hosting.messages import Request

__all__ = ["Host", "Request", "served"]

Method = Callable[[Any, Sequence[Request]], list[pl.DataFrame]]


def served(method: Method) -> Method:
    """Marks a host's method as callable from outside: from a list of requests to one frame each, in their order."""
    method.__served__ = True  # pyright: ignore[reportFunctionMemberAccess]
    return method


class Host(ABC):
    """Weights in memory, and the methods that use them. One thread calls it at a time.

    Attributes:
        spec: The model's row in the catalogue.
        folder: Where the weights' files lie, verified.
        options: The handle's settings, JSON types.
        threads: CPU threads that it may use.
        device: Where it computes; `load` sets it where it is not the CPU.
        precision: What it computes in; `load` sets it where it differs from the catalogue's.
    """

    def __init__(self, spec: ModelSpec, folder: Path, options: Mapping[str, Any]) -> None:
        self.spec = spec
        self.folder = folder
        self.options = options
        self.threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
        self.device = "cpu"
        self.precision = spec.precision

    @abstractmethod
    def load(self) -> None:
        """Brings the weights into memory and does what the first call would otherwise pay for.

        Raises:
            ModelUnavailable: A package or file that it needs is not here.
        """

    def method(self, name: str) -> Callable[[Sequence[Request]], list[pl.DataFrame]]:
        """The served method of that name.

        Raises:
            AttributeError: There is none.
        """
        found = getattr(self, name, None)
        if not getattr(found, "__served__", False):
            raise AttributeError(f"{type(self).__name__} serves no method {name!r}")
        return found  # pyright: ignore[reportReturnType]
