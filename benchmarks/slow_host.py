"""The text reader with a load that takes as long as a measurement wants; what it then answers is the real thing."""

import time
from dataclasses import replace

from resources.catalog.spec import ModelSpec
from resources.hosting.handle import handle_of
from resources.models.rapidocr import TextReaderHost
from resources.tasks.text import TEXT


class SlowReaderHost(TextReaderHost):
    """Sleeps ``load_s`` seconds before it loads."""

    def load(self) -> None:
        """Loads late."""
        time.sleep(self.options["load_s"])
        super().load()


class SlowTextReader(handle_of(TEXT)):
    """The handle of a text reader whose load takes `load_s` seconds longer."""

    load_s: float

    def spec(self, profile: str = "") -> ModelSpec:
        """The catalogue's row with the slow host."""
        row = super().spec(profile)
        return replace(row, host=f"{__name__}:SlowReaderHost", options={**row.options, "load_s": self.load_s})
