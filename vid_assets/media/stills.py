"""Single pictures of a film at full size, as JPEG, chosen by their number. Sandbox only."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from vid_assets.media.decode_pass import Pass, Pulse, opened
from vid_assets.media.pictures import Pictures
from vid_assets.media.settings import MediaSettings

QUALITY = 90
LARGEST_SIDE = 8192


def take_stills(folder: Path, settings: MediaSettings, pulse: Pulse, frames: list[int]) -> dict[str, Any]:
    """Decode the film on standard input as far as the last wanted picture.

    Pictures have the numbers, and lie upright, as in the streams: the pass is the same.

    Args:
        folder: An empty folder, for ``<number>.jpg``.
        settings: Which track to take, and the limits on the cost.
        pulse: Called for every packet.
        frames: Numbers of the wanted pictures, from 0; at least one.

    Returns:
        The report: ``files`` (name to bytes). Pictures that the film does not have are not in it.

    Raises:
        Refused: The file is broken, unsupported, or over a limit.
    """
    with opened() as container:
        return _StillsPass(container, folder, replace(settings, long_side=LARGEST_SIDE), pulse, frames).run()


class _StillsPass(Pass):
    """A pass over the picture alone, which ends with the last wanted one."""

    def __init__(
        self, container: Any, folder: Path, settings: MediaSettings, pulse: Pulse, frames: Iterable[int]
    ) -> None:
        super().__init__(container, folder, settings, pulse)
        self.wanted = frozenset(frames)

    def run(self) -> dict[str, Any]:
        films = [track for track in self._of("video") if not track.refused and not self._beside(track)]
        if not films:
            raise self._nothing()
        self.packets = self._demux([self.streams[track.index] for track in films])
        self._choose_picture(films, self._peek([track.index for track in films]))
        stills = self.pictures
        assert isinstance(stills, _Stills)
        for stream, packet in self.packets:
            self._take(stream, packet)
            if stills.count > max(self.wanted):
                break
        stills.flush()
        return {"files": stills.files}

    def _pictures(self, stream: Any) -> Pictures:
        return _Stills(self.folder, stream, self.settings, self.wanted)


class _Stills(Pictures):
    """Writes the wanted pictures, at the size at which they are shown."""

    def __init__(self, folder: Path, stream: Any, settings: MediaSettings, wanted: frozenset[int]) -> None:
        super().__init__(folder, stream, settings)
        self.files: dict[str, int] = {}
        self._wanted = wanted

    def _open_files(self, width: int, height: int) -> None:
        """Create none: each picture is a file of its own."""

    def _take(self, frame: Any) -> None:
        from PIL import Image

        from vid_assets.media.colour import over_black

        self._prepare(frame)
        self._sampler.take(frame.pts)
        if self.count in self._wanted:
            whole = over_black(frame) if self._transparent else frame
            picture = self._scaled(self._frame_scaler, whole, self._frame_box, self._frame_size)
            path = self._folder / f"{self.count}.jpg"
            Image.fromarray(picture).save(path, quality=QUALITY)
            self.files[path.name] = path.stat().st_size
        self.count += 1
