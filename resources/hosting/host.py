"""What the author of a model writes: a `Host` that holds the weights, with methods that are `served`."""

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
    """Marks a host's method as callable from outside: from a list of requests to one frame each, in their order."""
    method.__served__ = True  # pyright: ignore[reportFunctionMemberAccess]
    return method


class Host(ABC):
    """Weights in memory, and the methods that use them. One thread calls it at a time.

    Attributes:
        spec: The model's row in the catalogue.
        folder: Where the weights' files lie, verified.
        options: The row's options with the handle's changes, JSON types.
        cache: Folder for what a host derives from weights and wants to find again, such as quantized checkpoints.
        threads: CPU threads that it may use.
        device: Where it computes; `load` sets it where it is not the CPU.
        precision: What it computes in; `load` sets it where it differs from the catalogue's.
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


def make_host(spec: ModelSpec, folder: Path, options: Mapping[str, Any], models: Path) -> Host:
    """The host of a catalogue row, not loaded yet.

    Args:
        spec: The row; its ``host`` names the class.
        folder: Where the weights' files lie, verified.
        options: As in `Host`.
        models: The folder of fetched weights.
    """
    module, _, name = spec.host.partition(":")
    return getattr(importlib.import_module(module), name)(spec, folder, options, models / "quantized")
