"""One worker process of the replaced architecture: it decodes for each analyzer anew, and holds models of its own.

The analyzers, the models' code and weights, and the decoder are the project's, so that the results are the same; what
differs is where they live. Weights other than BLIP-2's are as quick to load as in the project's hosts. BLIP-2 is
quantized at load, as it was there.
"""

import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from resources.hosting import handle
from resources.hosting.calls import Calls
from resources.hosting.host import Host, Request
from resources.hosting.hosts import Deployment, ModelHosts, ModelStatus
from resources.hosting.messages import Stream
from vid_assets.contract import Audio, Frames, NotApplicable, Undefined, Video

if TYPE_CHECKING:
    from vid_assets.contract import Analyzer

LONGEST_S = 3600.0


class OwnModels(ModelHosts):
    """Models in this very process, each loaded when it is first called and kept as long as the process lives."""

    def __init__(self) -> None:
        self._hosts: dict[str, Host] = {}

    def call(
        self,
        deployment: Deployment,
        method: str,
        streams: Mapping[str, Stream],
        args: Mapping[str, Any],
        *,
        video_id: str = "",
        deadline_s: float,
        calls: Calls,
    ) -> pl.DataFrame:
        """Calls the host's method directly."""
        arrays = {name: stream.array for name, stream in streams.items()}
        picked = {name: stream.rows for name, stream in streams.items() if stream.rows is not None}
        (frame,) = self._host(deployment).method(method)([Request(video_id, arrays, picked, args)])
        return frame.select(
            pl.lit(video_id).alias("video_id"), pl.lit(deployment.spec.revision).alias("model_revision"), pl.all()
        )

    def _host(self, deployment: Deployment) -> Host:
        import importlib

        from resources.catalog.store import locate

        spec = deployment.spec
        if spec.name not in self._hosts:
            module, _, name = spec.host.partition(":")
            folder = locate(spec, deployment.models).folder
            host: Host = getattr(importlib.import_module(module), name)(spec, folder, deployment.options)
            host.load()
            self._hosts[spec.name] = host
        return self._hosts[spec.name]

    def prewarm(self, deployment: Deployment) -> None:
        """Nothing: a worker learns what it needs when it needs it."""

    def status(self, deployment: Deployment) -> ModelStatus:
        """Whether it is loaded."""
        return ModelStatus("warm" if deployment.spec.name in self._hosts else "absent")

    def stop(self) -> None:
        """The models go with the process."""


@functools.cache
def _models() -> OwnModels:
    own = OwnModels()
    handle.ModelResource._hosts = lambda _self: own  # pyright: ignore[reportAttributeAccessIssue]
    return own


def work(name: str, file: str, upstream: Mapping[str, pl.DataFrame]) -> pl.DataFrame | str:
    """One analyzer over one file, in the worker.

    Args:
        name: The analyzer.
        file: The video.
        upstream: Tables of other analyzers that it reads.

    Returns:
        Its table, or why there is none.
    """
    from benchmarks.pipeline import analyzers, handles
    from resources.errors import ModelUnavailable

    _models()
    analyzer: Analyzer = next(item for item in analyzers() if item.name == name)
    with tempfile.TemporaryDirectory(prefix="seed-") as folder:
        streams = decode(Path(file), analyzer.inputs, Path(folder))
        inputs = {**streams, **upstream}
        missing = [item for item in analyzer.inputs if inputs.get(item) is None and item not in analyzer.optional]
        if missing:
            return f"no {missing[0]}"
        arguments: list[Any] = [inputs.get(item) for item in analyzer.inputs]
        try:
            result = analyzer.run(*arguments, *([handles()[analyzer.model]] if analyzer.model else []))
        except ModelUnavailable as error:
            return str(error)
        return result.reason if isinstance(result, NotApplicable | Undefined) else result


def decode(path: Path, wanted: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """Decodes in this process, without a sandbox, no more than the analyzer asks for.

    Args:
        path: The video.
        wanted: Names of streams; what else is in it is ignored.
        folder: Where the arrays go.

    Returns:
        The streams by name; those that the file lacks are absent.
    """
    import av

    from vid_assets.media.pictures import Pictures
    from vid_assets.media.sound import Sound

    facts = "video" in wanted
    with av.open(str(path)) as container:
        picture = container.streams.video[0] if facts or {"thumbs", "frames"} & set(wanted) else None
        has_sound = bool(container.streams.audio)
        sound = container.streams.audio[0] if has_sound and (facts or "audio" in wanted) else None
        if picture:
            picture.thread_type = "AUTO"
        pictures = Pictures(folder, picture, LONGEST_S) if picture else None
        sounds = Sound(folder, sound, LONGEST_S) if sound else None
        for packet in container.demux([stream for stream in (picture, sound) if stream]):
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame) and pictures:
                    pictures.add(frame)
                elif sounds:
                    sounds.add(frame)
        if pictures:
            pictures.finish()
        if sounds:
            origin = pictures.clock.origin if pictures else sounds.start
            assert origin is not None
            sounds.finish(origin)
    return _streams(folder, pictures)


def _streams(folder: Path, pictures: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if (folder / "audio.npy").exists():
        found["audio"] = Audio(np.load(folder / "audio.npy", mmap_mode="r"))
    if pictures is None:
        return found
    for name in ("thumbs", "frames"):
        array, times, indices = (
            np.load(folder / f"{name}{part}.npy", mmap_mode="r") for part in ("", ".times_s", ".indices")
        )
        found[name] = Frames(array, times, indices)
    count, end_s = len(pictures.clock.times), pictures.end_s
    sound_s = len(found["audio"].samples) / 16000 if "audio" in found else 0.0
    found["video"] = Video(
        video_id="seed",
        duration_s=round(max(end_s, sound_s), 9),
        width=pictures.width,
        height=pictures.height,
        fps=round(count / end_s, 9),
        frame_count=count,
        has_picture=True,
        has_audio="audio" in found,
    )
    return found
