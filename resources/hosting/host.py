"""What you write for a new model: a `Host` that keeps the weights, with methods marked as `served`."""

import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from resources.catalog.spec import ModelSpec
from resources.hosting.messages import Request

__all__ = ["Host", "Request", "make_host", "served"]

Method = Callable[[Any, Sequence[Request]], list[pl.DataFrame]]


def served(method: Method) -> Method:
    """Mark a host's method as callable from outside. It takes a list of requests and returns one frame for each."""
    method.__served__ = True  # pyright: ignore[reportFunctionMemberAccess]
    return method


class Host(ABC):
    """Weights in memory, and the methods that use them. One thread calls it at a time.

    Attributes:
        spec: The model's row in the catalogue.
        folder: Folder of the verified weights.
        options: The row's options with the handle's changes, JSON types.
        cache: Folder for data derived from weights and used again, such as quantized checkpoints.
        threads: Number of CPU threads that it may use.
        device: Where it computes; `load` sets it if it is not the CPU.
        precision: Precision of computing; `load` sets it if it differs from the catalogue's.
    """

    def __init__(
        self, spec: ModelSpec, folder: Path, options: Mapping[str, Any], cache: Path = Path("data/models/quantized")
    ) -> None:
        self.spec = spec
        self.folder = folder
        self.options = options
        self.cache = cache
        self.threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
        self.device = "cpu"
        self.precision = spec.precision

    @abstractmethod
    def load(self) -> None:
        """Load the weights into memory and do the one-time work that would otherwise slow down the first call.

        Raises:
            ModelUnavailable: A required package or file is missing.
        """

    def method(self, name: str) -> Callable[[Sequence[Request]], list[pl.DataFrame]]:
        """Return the served method of that name.

        Raises:
            AttributeError: There is no such method.
        """
        found = getattr(self, name, None)
        if not getattr(found, "__served__", False):
            raise AttributeError(f"{type(self).__name__} serves no method {name!r}")
        return found  # pyright: ignore[reportReturnType]


def make_host(spec: ModelSpec, folder: Path, options: Mapping[str, Any], models: Path) -> Host:
    """Return the host of a catalogue row, not loaded yet.

    Args:
        spec: The row; its ``host`` names the class.
        folder: Folder of the verified weights.
        options: See `Host`.
        models: The folder of fetched weights.
    """
    module, _, name = spec.host.partition(":")
    return getattr(importlib.import_module(module), name)(spec, folder, options, models / "quantized")
