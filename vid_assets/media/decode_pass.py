"""The one pass over a file: choose tracks, decode them, lay picture, sound and cues on one time line. Sandbox only."""

import itertools
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from vid_assets.media.allowed import CODECS, FORMATS, SUBTITLES, refusal
from vid_assets.media.cues import Cues
from vid_assets.media.pictures import Pictures
from vid_assets.media.settings import MediaSettings, variable
from vid_assets.media.sound import RATE, Sound
from vid_assets.media.tracks import (
    MOST_TRACKS,
    Criterion,
    Track,
    describe,
    explain,
    picture_criteria,
    ranked,
    sound_criteria,
)

CONVERT = "convert it with ffmpeg first"
# Headers round, and their last picture may count twice.
SHORTFALL_S = 0.5
# Picture and sound that start further apart than both last together, and this, are not on one clock.
APART_S = 60.0
# To tell a still from a film, so many packets, or so many bytes of them, are looked at before the first is decoded.
PEEK_PACKETS, PEEK_BYTES = 1_000, 64 << 20
MOST_SOUNDS = 8


class Refused(Exception):
    """The file cannot or may not be decoded: what is wrong, and how to fix it."""


class Pulse(Protocol):
    """Is told whenever there is progress."""

    def beat(self) -> None:
        """There is."""
        ...


def decode_file(folder: Path, settings: MediaSettings, pulse: Pulse) -> dict[str, Any]:
    """Decode standard input into a folder.

    Args:
        folder: An empty folder.
        settings: How the streams are made, and what that may cost.
        pulse: Is told of every packet.

    Returns:
        The report: ``video``, ``facts``, ``tracks``, ``warnings``, ``files`` (name to bytes).

    Raises:
        Refused: The file is broken, unsupported, or over a limit.
    """
    import av
    import av.error

    _know_all_side_data()
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": ",".join(FORMATS),
        "codec_whitelist": ",".join(sorted(CODECS)),
    }
    try:
        container = av.open("file:/dev/fd/0", options=options, metadata_errors="replace")
    except av.error.ArgumentError:
        raise Refused("its container format is broken or not on the allow list", CONVERT) from None
    with container:
        return _Pass(container, folder, settings, pulse).run()


def _know_all_side_data() -> None:
    """Let PyAV pass over kinds of side data that it has no name for, instead of failing at them."""
    from av.sidedata.sidedata import Type

    def unnamed(cls: Any, value: int) -> Any:
        member = object.__new__(cls)
        member._value_, member._name_ = value, f"UNNAMED_{value}"
        return cls._value2member_map_.setdefault(value, member)

    Type._missing_ = classmethod(unnamed)  # pyright: ignore[reportAttributeAccessIssue]


class _Pass:
    """What one pass knows."""

    def __init__(self, container: Any, folder: Path, settings: MediaSettings, pulse: Pulse) -> None:
        self.container = container
        self.folder = folder
        self.settings = settings
        self.limits = settings.limits
        self.pulse = pulse
        self.warnings: list[str] = []
        self.cues = Cues()
        streams = list(container.streams)[:MOST_TRACKS]
        self.streams = {stream.index: stream for stream in streams}
        self.tracks = [describe(stream) for stream in streams]
        self.picture: int | None = None
        self.pictures: Pictures | None = None
        self.sounds: dict[int, Sound] = {}
        self.order: list[int] = []
        self._first_error: dict[int, str] = {}

    def run(self) -> dict[str, Any]:
        """Make the pass."""
        films = [track for track in self._of("video") if not track.refused and not self._beside(track)]
        heard = [track for track in self._sound_order() if not track.refused][:MOST_SOUNDS]
        texts = [track.index for track in self._of("subtitle") if track.codec in SUBTITLES]
        if not films and not heard:
            raise self._nothing()
        wanted = [self.streams[i] for i in (*(t.index for t in films), *(t.index for t in heard), *texts)]
        self.packets = self._demux(wanted)
        counts = self._peek([track.index for track in films])
        self._choose_picture(films, counts)
        for track in heard:
            if problem := self._open(track):
                track.refused = problem
            else:
                self.order.append(track.index)
                self.sounds[track.index] = Sound(self.folder, self.streams[track.index], self.limits.duration_s)
        if self.pictures is None and not self.sounds:
            raise self._nothing()
        for stream, packet in self.packets:
            self._take(stream, packet)
        return self._report()

    def _of(self, kind: str) -> list[Track]:
        return [track for track in self.tracks if track.kind == kind]

    def _beside(self, track: Track) -> bool:
        return track.is_still and track.index != self.settings.picture_track

    def _sound_order(self, silent: Iterable[int] = ()) -> list[Track]:
        return ranked(self._of("audio"), self._sound_criteria(silent))

    def _sound_criteria(self, silent: Iterable[int] = ()) -> list[Criterion]:
        return sound_criteria(set(silent), self.settings.sound_language, self.settings.sound_track)

    def _nothing(self) -> Refused:
        """Why there is nothing to decode."""
        for track in self.tracks:
            if track.kind in ("video", "audio") and track.refused and not self._beside(track):
                why = refusal(track.codec) or track.refused
                return Refused(f"its {track.kind} codec ({track.codec}) is not on the allow list: {why}", CONVERT)
        return Refused("holds neither picture nor sound", "name a media file")

    def _choose_picture(self, films: list[Track], counts: dict[int, int]) -> None:
        """Take the best picture track that keeps within the limits; without sound, one that does not is refused."""
        criteria = picture_criteria(films, counts, self.settings.picture_track)
        order = ranked(films, criteria)
        for track in list(order):
            if problem := self._open(track):
                track.refused = problem
                order.remove(track)
        others = [track for track in self._of("video") if track not in order]
        for track in others:
            track.reason = track.refused or "a still beside the film"
        if order:
            if warning := explain(order, criteria, weak=("has more than one picture", "is for all viewers")):
                self.warnings.append(warning)
            self.picture = order[0].index
            self.pictures = Pictures(self.folder, self.streams[self.picture], self.settings)
        else:
            self.warnings += [
                f"the picture of track {track.index} ({track.codec}) is left out: {track.refused}"
                for track in others
                if track.refused and not self._beside(track)
            ]

    def _open(self, track: Track) -> str:
        """Prepare a decoder by the track's header, before anything of it is decoded.

        Returns:
            Why the track cannot be taken; empty if it can.

        Raises:
            Refused: A picture is over the limit.
        """
        context = self.streams[track.index].codec_context
        context.thread_count = self.limits.threads or min(8, _processors())
        context.thread_type = "AUTO"
        if track.kind == "video":
            self._check_size(context.width, context.height)
            context.options = {"max_pixels": str(self.limits.pixels)}
        return ""

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self.limits.pixels:
            problem = f"its pictures have {width} x {height} px, the limit is {self.limits.pixels} px"
            raise Refused(problem, f"raise {variable('pixels')}")

    def _demux(self, streams: list[Any]) -> Iterator[tuple[Any, Any]]:
        """Every packet of these tracks, with its stream. Where reading fails, None ends each track."""
        import av
        import av.error

        try:
            for packet in self.container.demux(streams):
                self.pulse.beat()
                yield packet.stream, packet
        except MemoryError:
            raise
        except av.error.FFmpegError as error:
            self.warnings.append(f"reading stopped before the end ({error.strerror})")
            for stream in streams:
                yield stream, None

    def _peek(self, films: list[int]) -> dict[int, int]:
        """Count the packets of several picture tracks until each is known to be more than a still.

        The packets that were looked at come again from `packets`.
        """
        counts = dict.fromkeys(films, 0)
        if len(films) < 2:
            return {}
        seen: list[tuple[Any, Any]] = []
        size = 0
        for stream, packet in self.packets:
            seen.append((stream, packet))
            size += packet.size if packet else 0
            if packet and packet.size and stream.index in counts:
                counts[stream.index] += 1
            if min(counts.values()) > 1 or len(seen) >= PEEK_PACKETS or size >= PEEK_BYTES:
                break
        self.packets = itertools.chain(seen, self.packets)
        return counts

    def _take(self, stream: Any, packet: Any) -> None:
        """Hand one packet on; None stands for the end of its stream."""
        index = stream.index
        if index == self.picture and self.pictures:
            for frame in self._frames(stream, packet, self.pictures):
                self._take_picture(frame, self.pictures)
        elif sound := self.sounds.get(index):
            for frame in self._frames(stream, packet, sound):
                sound.add(frame)
                if sound.seconds > self.limits.duration_s:
                    raise self._too_long()
            if len(self.order) > 1:
                self._drop_lesser(index, sound)
        elif stream.type == "subtitle" and packet is not None:
            self.cues.subtitle(stream, packet)

    def _frames(self, stream: Any, packet: Any, taker: Pictures | Sound) -> list[Any]:
        """What a packet holds; one that cannot be decoded is counted."""
        import av.error

        try:
            return stream.codec_context.decode(packet)
        except (MemoryError, av.error.BlockingIOError):
            raise
        except av.error.EOFError:
            return []
        except av.error.FFmpegError as error:
            taker.damaged += 1
            self._first_error.setdefault(stream.index, str(error.strerror))
            return []

    def _take_picture(self, frame: Any, pictures: Pictures) -> None:
        self._check_size(frame.width, frame.height)
        beside = frame.side_data
        captions = beside.get("A53_CC") if len(beside) else None
        if captions is not None and frame.pts is not None:
            self.cues.captions(-1, bytes(captions), float(frame.pts * frame.time_base))
        pictures.add(frame)
        if pictures.count > self.limits.frames:
            raise Refused(f"has more than {self.limits.frames} pictures", f"raise {variable('frames')}")
        if pictures.elapsed_s > self.limits.duration_s:
            raise self._too_long()

    def _too_long(self) -> Refused:
        hours = self.limits.duration_s / 3600
        return Refused(f"lasts longer than {hours:g} h", f"raise {variable('duration_s')}")

    def _drop_lesser(self, index: int, sound: Sound) -> None:
        """Once a track is heard, those after it are not decoded any further."""
        if sound.heard:
            for lesser in self.order[self.order.index(index) + 1 :]:
                self.sounds.pop(lesser).drop()
            del self.order[self.order.index(index) + 1 :]

    def _choose_sound(self) -> Sound | None:
        """The best track that is heard; else the best that has samples."""
        for sound in self.sounds.values():
            sound.flush()
        silent = {i for i, sound in self.sounds.items() if not sound.heard}
        empty = {i for i in silent if self.sounds[i].start is None}
        for track in self._of("audio"):
            if track.index in empty:
                track.refused = f"none of it can be decoded ({self._first_error.get(track.index, 'it is empty')})"
            if track.refused:
                track.reason = track.refused
                self.warnings.append(f"the sound of track {track.index} ({track.codec}) is left out: {track.refused}")
        order = [track for track in self._sound_order(silent) if not track.refused]
        weak = ("is not silent", "is no commentary", "is asked for by sound_track")
        if warning := explain(order, self._sound_criteria(silent), weak=weak):
            self.warnings.append(warning)
        chosen = order[0].index if order else None
        for index, sound in self.sounds.items():
            if index != chosen:
                sound.remove()
        return None if chosen is None else self.sounds[chosen]

    def _report(self) -> dict[str, Any]:
        """Complete the files and say what they hold."""
        sound = self._choose_sound()
        pictures = self._finished_pictures(sound)
        if pictures is None and sound is None:
            raise Refused("nothing in it can be decoded", "check it, or " + CONVERT)
        self._check_wishes()
        origin, offset, late = self._origin(pictures, sound)
        end = offset + pictures.span_s if pictures else 0.0
        sound_end = late / RATE + (sound.seconds if sound else 0.0)
        if max(end, sound_end) > self.limits.duration_s + 1:
            raise self._too_long()
        files = pictures.finish(offset) if pictures else {}
        files |= sound.finish(late) if sound else {}
        duration = max(end, sound_end)
        self.cues.chapters(self.container)
        timecode = self._timecode()
        files |= self.cues.finish(self.folder, float(origin), duration, timecode)
        for part in (pictures, sound, self.cues):
            self.warnings += part.warnings() if part else ()
        self._note_cut(pictures, sound, float(origin), duration)
        for track in self.tracks:
            if track.kind == "subtitle":
                track.taken = track.codec in SUBTITLES
                track.reason = "all that can be decoded are taken" if track.taken else track.refused
            elif not track.reason:
                track.reason = "neither picture, sound nor text"
        return {
            "video": {
                "duration_s": round(duration, 9),
                "width": pictures.width if pictures else 0,
                "height": pictures.height if pictures else 0,
                "fps": round(pictures.fps, 9) if pictures else 0.0,
                "frame_count": pictures.count if pictures else 0,
                "has_picture": pictures is not None,
                "has_audio": "audio.npy" in files,
            },
            "facts": {
                "container": self.container.format.name,
                "bit_rate": self.container.bit_rate or None,
                "start_s": float(origin),
                "start_timecode": timecode,
                "frames_per_s": self.settings.frames_per_s,
                "long_side": self.settings.long_side,
                **({"picture_start_s": round(offset, 9), **pictures.facts()} if pictures else {}),
                **({"sound_start_s": round(late / RATE, 9), **sound.facts()} if sound else {}),
            },
            "tracks": [track.row() for track in self.tracks],
            "warnings": self.warnings,
            "files": files,
        }

    def _finished_pictures(self, sound: Sound | None) -> Pictures | None:
        """The pictures, placed; None without any."""
        if self.pictures is None:
            return None
        self.pictures.flush()
        if not self.pictures.count:
            error = self._first_error.get(self.picture or 0, "it is empty")
            self.warnings.append(f"none of its pictures can be decoded ({error})")
            return None
        self.pictures.settle(sound.until if sound else None)
        return self.pictures

    def _check_wishes(self) -> None:
        """Warn where the settings ask for a track that is not taken."""
        taken = {track.index for track in self.tracks if track.taken}
        for name in ("picture_track", "sound_track"):
            index = getattr(self.settings, name)
            if index is not None and index not in taken:
                self.warnings.append(f"{name} asks for track {index}, which is not there or cannot be taken")

    def _origin(self, pictures: Pictures | None, sound: Sound | None) -> tuple[Fraction, float, int]:
        """Time 0: the earlier of picture and sound, as in players.

        Returns:
            Its place on the file's own time line, in seconds; how far behind it the first picture lies, in seconds, and
            the first sample, in samples.
        """
        seen = pictures.timeline.origin if pictures else None
        heard = sound.start if sound else None
        if seen is None or heard is None:
            return seen if seen is not None else heard or Fraction(0), 0.0, 0
        together = (pictures.span_s if pictures else 0.0) + (sound.seconds if sound else 0.0)
        if abs(seen - heard) > together + APART_S:
            apart = abs(float(seen - heard))
            self.warnings.append(f"picture and sound start {apart:.0f} s apart, not believed: both start at 0")
            return seen, 0.0, 0
        origin = min(seen, heard)
        return origin, float(seen - origin), round((heard - origin) * RATE)

    def _timecode(self) -> str | None:
        """What the file's clock shows at the start, where a track or the container says so."""
        sources = [self.container, *self.streams.values()]
        # Matroska writes its tags in capitals.
        tags = ((name.lower(), text) for source in sources for name, text in source.metadata.items())
        return next((text[:40] for name, text in tags if name == "timecode" and text), None)

    def _note_cut(self, pictures: Pictures | None, sound: Sound | None, origin: float, duration: float) -> None:
        """Warn where the file announces more than it holds."""
        announced = (self.container.duration or 0) / 1_000_000
        trusted = not (pictures and pictures.timeline.odd) and not (sound and sound.is_odd)
        # Some containers announce a length, others the time at which they end.
        reached = max(duration, origin + duration)
        if trusted and reached + max(SHORTFALL_S, 0.02 * announced) < announced:
            self.warnings.append(
                f"ends at {duration:.2f} s of the {announced:.2f} s that its header announces; it may be cut"
            )


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
