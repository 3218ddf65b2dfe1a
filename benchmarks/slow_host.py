"""The text reader with a load that takes as long as a measurement wants; what it then answers is the real thing."""

import time
from dataclasses import replace
from typing import Any

from resources.catalog.spec import ModelSpec
from resources.models.rapidocr import TextReaderHost, TextReaderResource


class SlowReaderHost(TextReaderHost):
    """Sleeps ``load_s`` seconds before it loads."""

    def load(self) -> None:
        """Loads late."""
        time.sleep(self.options["load_s"])
        super().load()


class SlowTextReader(TextReaderResource):
    """The handle of a text reader whose load takes `load_s` seconds longer."""

    load_s: float

    def spec(self) -> ModelSpec:
        """The catalogue's row with the slow host."""
        return replace(super().spec(), host="benchmarks.slow_host:SlowReaderHost")

    def options(self) -> dict[str, Any]:
        """Settings of the host."""
        return {**super().options(), "load_s": self.load_s}
