"""Two BLIP-2 hosts that differ in one thing: what their load does. Both note when it began.

Each imports the libraries first: their import is the same work on both sides, and no part of loading a model.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from resources.catalog.spec import ModelSpec
from resources.hosting.handle import handle_of
from resources.hosting.host import Request, served
from resources.models import blip2
from resources.tasks.captions import CAPTIONS


class MappedHost(blip2.Blip2Host):
    """The project's own host: the int8 checkpoint that was saved once, memory-mapped."""

    def load(self) -> None:
        """Loads as `Blip2Host` does."""
        import accelerate  # noqa: F401
        import bitsandbytes  # noqa: F401
        import transformers.models.blip_2.modeling_blip_2
        import transformers.models.opt.modeling_opt  # noqa: F401

        self._began = time.monotonic()
        super().load()
        self._loaded = time.monotonic()

    @served
    def caption(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Captions as `Blip2Host` does; each row also has when the load began and ended, on the machine's clock."""
        times = {"load_began": pl.lit(self._began), "load_ended": pl.lit(self._loaded), "pid": pl.lit(os.getpid())}
        return [frame.with_columns(**times) for frame in super().caption(requests)]


class QuantizingHost(MappedHost):
    """The same with what it replaces: bitsandbytes quantizes the checkpoint to int8 at every load."""

    def load(self) -> None:
        """Quantizes while it loads; all else stays."""
        blip2.load_checkpoint = quantize_at_load
        super().load()


def quantize_at_load(model_class: Any, folder: Path, *, precision: str, device: str, **_unused: Any) -> Any:
    """What transformers' documentation does: ``from_pretrained`` with ``load_in_8bit``."""
    from transformers import BitsAndBytesConfig

    from resources.models.checkpoints import compute_dtype

    assert precision == "int8"
    model = model_class.from_pretrained(
        folder,
        quantization_config=BitsAndBytesConfig(load_in_8bit=True),
        dtype=compute_dtype(precision, device),
        device_map=device,
        local_files_only=True,
    )
    return model.eval()


class BenchmarkBlip2(handle_of(CAPTIONS)):
    """A handle of either host, for short captions on the CPU.

    Attributes:
        host: Import path of the host class; empty for the catalogue's own.
    """

    profile: str = "cpu"
    precision: str = "int8"
    options: dict[str, Any] = Field(default={"device": "cpu", "max_new_tokens": 4})
    host: str = ""

    def spec(self, profile: str = "") -> ModelSpec:
        """The row with the host replaced."""
        spec = super().spec(profile)
        return replace(spec, host=self.host) if self.host else spec
