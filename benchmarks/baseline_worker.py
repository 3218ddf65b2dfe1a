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

from resources.catalog.profiles import resolve_profile
from resources.hosting.handle import ModelHostsResource
from resources.hosting.hosts import ModelHosts
from resources.hosting.inprocess import InProcess
from vid_assets.contract import Audio, Frames, NotApplicable, Undefined, Video

if TYPE_CHECKING:
    from vid_assets.contract import Analyzer

LONGEST_S = 3600.0


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
        video_id="baseline",
        duration_s=round(max(end_s, sound_s), 9),
        width=pictures.width,
        height=pictures.height,
        fps=round(count / end_s, 9),
        frame_count=count,
        has_picture=True,
        has_audio="audio" in found,
    )
    return found
