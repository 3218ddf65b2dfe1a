"""The models of profile ``offline`` in this process, with the methods that the contract's Protocols ask for."""

import importlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import polars as pl

from resources.catalog.rows import find
from resources.catalog.store import pull
from resources.hosting.host import Host, Request
from resources.models.video_llava import spread
from vid_assets.contract import Audio, Frames

MODELS = Path(os.environ.get("VID_MODELS") or Path(__file__).parents[1] / "data" / "models").absolute()
HANDLES = {"blip2": "Blip2Resource", "video_llava": "VideoLlavaResource"}
SHOWN = 8  # pictures of a span that the video model is shown


@cache
def opened(name: str) -> Host:
    """The model's host, loaded; its weights are fetched if they are not here.

    Raises:
        ModelUnavailable: The weights are missing or altered and cannot be fetched.
    """
    spec = find(name, "offline")
    module, _, kind = spec.host.partition(":")
    holder = importlib.import_module(module)
    options = getattr(holder, HANDLES[name])(profile="offline", device="cpu").options() if name in HANDLES else {}
    host: Host = getattr(holder, kind)(spec, pull(spec, MODELS).folder, options)
    host.load()
    return host


class Here:
    """One model by its name in the catalogue."""

    def __init__(self, name: str) -> None:
        self.host = opened(name)

    def _ask(self, method: str, request: Request) -> pl.DataFrame:
        return getattr(self.host, method)([request])[0]

    def _look(self, method: str, frames: Frames, rows: Sequence[int]) -> pl.DataFrame:
        return self._ask(method, Request(arrays={"frames": frames.array}, picked={"frames": list(rows)}))

    def transcribe(self, audio: Audio) -> pl.DataFrame:
        """Of `SpeechModel`."""
        return self._ask("transcribe", Request(arrays={"audio": audio.samples}))

    def tag(self, audio: Audio) -> pl.DataFrame:
        """Of `SoundModel`."""
        return self._ask("tag", Request(arrays={"audio": audio.samples}))

    def read_text(self, frames: Frames, rows: Sequence[int]) -> pl.DataFrame:
        """Of `TextModel`."""
        return self._look("read_text", frames, rows)

    def detect(self, frames: Frames, rows: Sequence[int]) -> pl.DataFrame:
        """Of `DetectionModel`."""
        return self._look("detect", frames, rows)

    def segment(self, frames: Frames, rows: Sequence[int]) -> pl.DataFrame:
        """Of `SegmentationModel`."""
        return self._look("segment", frames, rows)

    def faces(self, frames: Frames, rows: Sequence[int]) -> pl.DataFrame:
        """Of `FaceModel`."""
        return self._look("faces", frames, rows)

    def ages(
        self, frames: Frames, rows: Sequence[int], boxes: Sequence[tuple[float, float, float, float]]
    ) -> pl.DataFrame:
        """Of `AgeModel`."""
        asked = {"boxes": [[row, *box] for row, box in zip(rows, boxes, strict=True)]}
        return self._ask("ages", Request(arrays={"frames": frames.array}, args=asked))

    def caption(self, frames: Frames, rows: Sequence[int]) -> pl.DataFrame:
        """Of `CaptionModel`."""
        return self._look("caption", frames, rows)

    def describe(self, frames: Frames, spans: Sequence[Sequence[int]]) -> pl.DataFrame:
        """Of `VideoModel`."""
        return self._look("describe", frames, [row for span in spans for row in spread(span, SHOWN)])
