"""One worker process of the replaced architecture: it decodes for each analyzer anew, and holds models of its own.

The analyzers, the models' code and weights, and the decoder are the project's, so that the results are the same; what
differs is where they live. Weights other than BLIP-2's are as quick to load as in the project's hosts. BLIP-2 is
quantized at load, as it was there.
"""

import functools
import tempfile
from collections.abc import Collection, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from resources.catalog.profiles import resolve_profile
from resources.hosting.handle import ModelHostsResource
from resources.hosting.hosts import ModelHosts
from resources.hosting.inprocess import InProcess
from vid_assets.contract import Audio, Frames, NotApplicable, Undefined, Video
from vid_assets.media import MediaSettings
from vid_assets.media.sound import RATE

if TYPE_CHECKING:
    from vid_assets.contract import Analyzer
    from vid_assets.media.pictures import Pictures
    from vid_assets.media.sound import Sound


class OwnEngine(ModelHostsResource):
    """The models in this very process, each loaded when it is first asked."""

    def engine(self) -> ModelHosts:
        """The one engine of the process."""
        return _engine()


@functools.cache
def _engine() -> InProcess:
    return InProcess()


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
    from vid_assets.configuration import configuration
    from vid_assets.defs.factory import has_model

    analyzer: Analyzer = next(item for item in analyzers() if item.name == name)
    with tempfile.TemporaryDirectory(prefix="baseline-") as folder:
        streams = decode(Path(file), analyzer.inputs, Path(folder))
        inputs = {**streams, **upstream}
        missing = [item for item in analyzer.inputs if inputs.get(item) is None and item not in analyzer.optional]
        if missing:
            return f"no {missing[0]}"
        arguments: list[Any] = [inputs.get(item) for item in analyzer.inputs]
        if analyzer.task is not None:
            handle = handles(OwnEngine())[analyzer.task.key]
            arguments.append(handle if has_model(analyzer, handle, resolve_profile()) else None)
        if analyzer.config is not None:
            arguments.append(configuration().settings_of(analyzer))
        try:
            result = analyzer.run(*arguments)
        except ModelUnavailable as error:
            return str(error)
        return result.reason if isinstance(result, NotApplicable | Undefined) else result


def decode(path: Path, wanted: Collection[str], folder: Path) -> dict[str, Any]:
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

    facts, settings = "video" in wanted, MediaSettings()
    with av.open(str(path)) as container:
        picture = next(iter(container.streams.video), None) if facts or {"thumbs", "frames"} & set(wanted) else None
        sound = next(iter(container.streams.audio), None) if facts or "audio" in wanted else None
        streams = [stream for stream in (picture, sound) if stream]
        if not streams:
            return {}
        if picture:
            picture.thread_type = "AUTO"
        pictures = Pictures(folder, picture, settings) if picture else None
        sounds = Sound(folder, sound, settings.limits.duration_s) if sound else None
        for packet in container.demux(streams):
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame) and pictures:
                    pictures.add(frame)
                elif sounds:
                    sounds.add(frame)
        if sounds:
            sounds.flush()
        if pictures:
            pictures.flush()
            pictures.settle(sounds.until if sounds else None)
        return _streams(folder, pictures, sounds)


def _streams(folder: Path, pictures: "Pictures | None", sounds: "Sound | None") -> dict[str, Any]:
    """Puts picture and sound on one time axis, and maps the arrays."""
    starts = [pictures.timeline.origin if pictures else None, sounds.start if sounds else None]
    origin = min((start for start in starts if start is not None), default=Fraction(0))
    offset, late = (Fraction(0) if start is None else start - origin for start in starts)
    found: dict[str, Any] = {}
    end_s = sound_end_s = 0.0
    if pictures:
        pictures.finish(float(offset))
        end_s = float(offset) + pictures.span_s
        for name in ("thumbs", "frames"):
            vectors = [np.load(folder / f"{name}.{kind}.npy") for kind in ("times_s", "indices", "lost")]
            array = folder / f"{name}.npy"
            found[name] = Frames(np.load(array, mmap_mode="r"), vectors[0], vectors[1], array, lost=vectors[2])
    if sounds and sounds.finish(round(late * RATE)):
        sound_end_s = float(late) + sounds.seconds
        audio = folder / "audio.npy"
        found["audio"] = Audio(np.load(audio, mmap_mode="r"), path=audio)
    found["video"] = Video(
        video_id="baseline",
        duration_s=round(max(end_s, sound_end_s), 9),
        width=pictures.width if pictures else 0,
        height=pictures.height if pictures else 0,
        fps=round(pictures.fps, 9) if pictures else 0.0,
        frame_count=pictures.count if pictures else 0,
        has_picture=pictures is not None,
        has_audio="audio" in found,
    )
    return found
