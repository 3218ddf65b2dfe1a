"""The one pass over a file: choose tracks, decode them, put picture, sound and cues on one timeline. Sandbox only."""

import itertools
import time
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vid_assets.media.allowed import CODECS, FORMATS, SUBTITLES, refusal
from vid_assets.media.colour import decoder_of
from vid_assets.media.cues import Cues
from vid_assets.media.pictures import Pictures
from vid_assets.media.playable import obstacle
from vid_assets.media.proxy import write_proxy
from vid_assets.media.settings import SHORTEST_S, MediaSettings, variable
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
from vid_assets.threads import cores

CONVERT = "convert it with ffmpeg first"
# Headers round, and may count the last picture twice.
SHORTFALL_S = 0.5
# Picture and sound do not share a clock if their starts differ by more than this and by more than both last together.
APART_S = 60.0
# To tell a still from a film, look at this many packets, or this many bytes, before decoding the first.
PEEK_PACKETS, PEEK_BYTES = 1_000, 64 << 20
MOST_SOUNDS = 8


class Refused(Exception):
    """The file cannot or may not be decoded: the problem and the fix."""


class Pulse(Protocol):
    """Receives progress."""

    def beat(self) -> None:
        """Report progress."""
        ...


def decode_file(folder: Path, settings: MediaSettings, pulse: Pulse) -> dict[str, Any]:
    """Decode standard input into a folder.

    Args:
        folder: An empty folder.
        settings: How to make the streams, and the limits on the cost.
        pulse: Called for every packet.

    Returns:
        The report: ``video``, ``facts``, ``tracks``, ``warnings``, ``files`` (name to bytes).

    Raises:
        Refused: The file is broken, unsupported, or over a limit.
    """
    with opened() as container:
        return Pass(container, folder, settings, pulse).run()


def opened() -> Any:
    """Open standard input as a container, with what `allowed` lists and nothing else.

    Raises:
        Refused: It is not a media file of a kind that may be opened.
    """
    import av
    import av.error

    _know_all_side_data()
    # By its descriptor: FFmpeg may open no file of its own.
    options = {
        "fd": "0",
        "protocol_whitelist": "fd",
        "format_whitelist": ",".join(FORMATS),
        "codec_whitelist": ",".join(sorted(CODECS)),
    }
    try:
        return av.open("fd:", options=options, metadata_errors="replace")
    except av.error.ArgumentError:
        raise Refused("its container format is broken or not on the allow list", CONVERT) from None


def _know_all_side_data() -> None:
    """Let PyAV ignore side data that it has no name for, instead of failing."""
    from av.sidedata.sidedata import Type

    def unnamed(cls: Any, value: int) -> Any:
        member = object.__new__(cls)
        member._value_, member._name_ = value, f"UNNAMED_{value}"
        return cls._value2member_map_.setdefault(value, member)

    Type._missing_ = classmethod(unnamed)  # pyright: ignore[reportAttributeAccessIssue]


class Pass:
    """State of one pass."""

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
        self.decoders: dict[int, Any] = {}
        self.tracks = [describe(stream) for stream in streams]
        self.picture: int | None = None
        self.pictures: Pictures | None = None
        self.sounds: dict[int, Sound] = {}
        self.order: list[int] = []
        self._first_error: dict[int, str] = {}

    def run(self) -> dict[str, Any]:
        """Run the pass."""
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
            self._open(track)
            self.order.append(track.index)
            self.sounds[track.index] = Sound(self.folder, self.streams[track.index], self.limits.duration_s)
        if self.pictures is None and not self.sounds:
            raise self._nothing()
        if self._wants_proxy() and self.pictures:
            self.pictures.make_proxy(self._threads)
        for stream, packet in self.packets:
            self._take(stream, packet)
        return self._report()

    @property
    def _threads(self) -> int:
        return self.limits.threads or min(8, cores())

    def _wants_proxy(self) -> bool:
        """Whether the settings ask for a proxy, and browsers may not play the file."""
        if not self.settings.proxy:
            return False
        picture = self.streams[self.picture].codec_context if self.picture is not None else None
        sound = self.streams[self.order[0]].codec_context if self.order else None
        seen, heard = (context and context.codec.name for context in (picture, sound))
        return bool(obstacle(self.container.format.name, seen, heard, picture and picture.pix_fmt))

    def _of(self, kind: str) -> list[Track]:
        return [track for track in self.tracks if track.kind == kind]

    def _beside(self, track: Track) -> bool:
        return track.is_still and track.index != self.settings.picture_track

    def _sound_order(self, silent: Iterable[int] = ()) -> list[Track]:
        return ranked(self._of("audio"), self._sound_criteria(silent))

    def _sound_criteria(self, silent: Iterable[int] = ()) -> list[Criterion]:
        return sound_criteria(set(silent), self.settings.sound_language, self.settings.sound_track)

    def _nothing(self) -> Refused:
        """Return why there is nothing to decode."""
        for track in self.tracks:
            if track.kind in ("video", "audio") and track.refused and not self._beside(track):
                why = refusal(track.codec) or track.refused
                return Refused(f"its {track.kind} codec ({track.codec}) is not on the allow list: {why}", CONVERT)
        return Refused("holds neither picture nor sound", "name a media file")

    def _choose_picture(self, films: list[Track], counts: dict[int, int]) -> None:
        """Take the best picture track. If it is over a limit, refuse the file."""
        criteria = picture_criteria(films, counts, self.settings.picture_track)
        order = ranked(films, criteria)
        others = [track for track in self._of("video") if track not in order]
        for track in others:
            track.reason = track.refused or "a still beside the film"
        if order:
            if warning := explain(order, criteria, weak=("has more than one picture", "is for all viewers")):
                self.warnings.append(warning)
            self._open(order[0])
            self.picture = order[0].index
            self.pictures = self._pictures(self.streams[self.picture])
        else:
            self.warnings += [
                f"the picture of track {track.index} ({track.codec}) is left out: {track.refused}"
                for track in others
                if track.refused and not self._beside(track)
            ]

    def _pictures(self, stream: Any) -> Pictures:
        """Return what takes the pictures of the chosen track."""
        return Pictures(self.folder, stream, self.settings)

    def _open(self, track: Track) -> None:
        """Prepare a decoder from the track's header, before decoding any of it.

        Raises:
            Refused: A picture is over the limit.
        """
        context, problem = decoder_of(self.streams[track.index])
        self.decoders[track.index] = context
        self.warnings += [problem] if problem else []
        context.thread_count = self._threads
        context.thread_type = "AUTO"
        if track.kind == "video":
            self._check_size(track.width, track.height)
            context.options = {"max_pixels": str(self.limits.pixels)}

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self.limits.pixels:
            problem = f"its pictures have {width} x {height} px, the limit is {self.limits.pixels} px"
            raise Refused(problem, f"raise {variable('pixels')}")

    def _demux(self, streams: list[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield every packet of these tracks, with its stream. If reading fails, yield None to end each track."""
        import av
        import av.error

        try:
            for packet in self.container.demux(streams):
                self.pulse.beat()
                self._check_cost()
                yield packet.stream, packet
        except MemoryError:
            raise
        except av.error.FFmpegError as error:
            self.warnings.append(f"reading stopped before the end ({error.strerror})")
            for stream in streams:
                yield stream, None

    def _check_cost(self) -> None:
        """Refuse a file that costs far more than its length explains.

        Raises:
            Refused: Decoding took too much processor time.
        """
        heard = max((sound.seconds for sound in self.sounds.values()), default=0.0)
        length = max(self.pictures.elapsed_s if self.pictures else 0.0, heard)
        most = self.limits.cpu_per_s * max(length, SHORTEST_S)
        if time.process_time() > most:
            problem = f"decoding {length:.1f} s of it took more than {most:.0f} processor seconds"
            raise Refused(problem, f"raise {variable('cpu_per_s')} if the file is sound")

    def _peek(self, films: list[int]) -> dict[int, int]:
        """Count the packets of several picture tracks until each is known to be more than a still.

        `packets` yields the counted packets again.
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
        """Pass one packet on; None means the end of its stream."""
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
        """Return the frames of a packet; count a packet that cannot be decoded."""
        import av.error

        try:
            return self.decoders[stream.index].decode(packet)
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
        """Once a track has sound, stop decoding the tracks ranked after it."""
        if sound.heard:
            for lesser in self.order[self.order.index(index) + 1 :]:
                self.sounds.pop(lesser).drop()
            del self.order[self.order.index(index) + 1 :]

    def _choose_sound(self) -> Sound | None:
        """Return the best track that has sound; if none has, the best one with samples."""
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
        """Complete the files and describe them."""
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
        if self._wants_proxy():
            times = pictures.timeline.times + offset if pictures else np.empty(0)
            made, problem = write_proxy(self.folder, pictures and pictures.proxy, times, end)
            files |= made
            self.warnings += [f"there is no small copy for browsers: {problem}"] if problem else []
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
            "proxy": self.settings.proxy,
        }

    def _finished_pictures(self, sound: Sound | None) -> Pictures | None:
        """Return the pictures, placed on the timeline; None without any."""
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
        """Warn if the settings ask for a track that is not used."""
        taken = {track.index for track in self.tracks if track.taken}
        for name in ("picture_track", "sound_track"):
            index = getattr(self.settings, name)
            if index is not None and index not in taken:
                self.warnings.append(f"{name} asks for track {index}, which is not there or cannot be taken")

    def _origin(self, pictures: Pictures | None, sound: Sound | None) -> tuple[Fraction, float, int]:
        """Return time 0: the earlier of picture and sound, as in players.

        Returns:
            The position of time 0 on the file's own timeline, in seconds; the delay of the first picture after it, in
            seconds; the delay of the first sample, in samples.
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
        """Return the timecode at the start, if a track or the container has one."""
        sources = [self.container, *self.streams.values()]
        # Matroska writes its tags in upper case.
        tags = ((name.lower(), text) for source in sources for name, text in source.metadata.items())
        return next((text[:40] for name, text in tags if name == "timecode" and text), None)

    def _note_cut(self, pictures: Pictures | None, sound: Sound | None, origin: float, duration: float) -> None:
        """Warn if the file announces more than it holds."""
        announced = (self.container.duration or 0) / 1_000_000
        trusted = not (pictures and pictures.timeline.odd) and not (sound and sound.is_odd)
        # Some containers announce a length, others an end time.
        reached = max(duration, origin + duration)
        if trusted and reached + max(SHORTFALL_S, 0.02 * announced) < announced:
            self.warnings.append(
                f"ends at {duration:.2f} s of the {announced:.2f} s that its header announces; it may be cut"
            )
