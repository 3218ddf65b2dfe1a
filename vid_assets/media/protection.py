"""What confines a decoder, as its own process reports it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from vid_assets.media.confine import Layer
from vid_assets.media.holes import LISTED, known_holes


@dataclass(frozen=True, slots=True)
class Protection:
    """What confines a decoder.

    Attributes:
        layers: The layers of the kernel, in force or missing.
        ffmpeg: Version of FFmpeg.
        attempts: What a decoder tried although it must not, and whether it succeeded; see `confine.attempts`.
    """

    layers: tuple[Layer, ...]
    ffmpeg: str
    attempts: Mapping[str, bool]

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> Self:
        """Return what the report of a decoder says of it."""
        return cls(tuple(Layer(**layer) for layer in report["layers"]), report["ffmpeg"], report.get("attempts", {}))

    @property
    def problems(self) -> list[str]:
        """What is missing, one text each."""
        missing = [f"no {layer.name} ({layer.missing})" for layer in self.layers if layer.missing]
        reached = [f"it reaches {what}" for what, succeeded in self.attempts.items() if succeeded]
        return [*missing, *reached, *self._holes()]

    def _holes(self) -> list[str]:
        holes = known_holes(self.ffmpeg)
        if holes is None:
            return [f"FFmpeg {self.ffmpeg} is no release, so its holes are unknown"]
        return [f"FFmpeg {self.ffmpeg} has known holes ({', '.join(holes)}); update the package av"] if holes else []

    def __str__(self) -> str:
        """Return one line: the layers in force, the version of FFmpeg, and what is missing."""
        layers = [f"{layer.name} {layer.detail}".strip() for layer in self.layers if not layer.missing]
        ended = self.problems or [f"no hole known on {LISTED}"]
        return "; ".join([", ".join([*layers, "limits"]), f"FFmpeg {self.ffmpeg}", *ended])
