"""The decoding process: it sets its own limits, makes one pass over the file on its standard input, and reports.

It is started by `vid_assets.media.sandbox`, never imported by the pipeline.
"""

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from vid_assets.media.pictures import Pictures
from vid_assets.media.sandbox import Limits
from vid_assets.media.sound import RATE, Sound

# Containers that hold everything in one file. Playlists, image sequences, devices and scripts are left out on purpose.
FORMATS = (
    "mov", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc", "flv", "asf", "ogg", "mxf",
    "dv", "gif", "ivf", "wav", "w64", "aiff", "au", "caf", "mp3", "flac", "aac", "ac3", "eac3", "amr",
)  # fmt: skip
CODECS = (
    "h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "libvpx", "libvpx-vp9", "mpeg4", "mpeg1video", "mpeg2video",
    "h263", "flv", "msmpeg4", "msmpeg4v1", "msmpeg4v2", "wmv1", "wmv2", "wmv3", "vc1", "theora", "vp6", "vp6a", "vp6f",
    "mjpeg", "prores", "dnxhd", "dvvideo", "ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo", "gif", "svq1", "svq3",
    "cinepak", "qtrle",
    "aac", "aac_latm", "mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float", "ac3", "eac3", "dca", "truehd", "mlp",
    "opus", "libopus", "vorbis", "flac", "alac", "wmav1", "wmav2", "wmapro", "amrnb", "amrwb", "libopencore_amrnb",
    "libopencore_amrwb", "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "pcm_s8", "pcm_u8", "pcm_s16le", "pcm_s16be",
    "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be",
    "pcm_alaw", "pcm_mulaw", "pcm_bluray", "pcm_dvd",
)  # fmt: skip
CONVERT = "convert it with ffmpeg first"
# Headers round, and their last picture may count twice.
SHORTFALL_S = 0.5
STACK_BYTES = 8 << 20
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38


class Refused(Exception):
    """The file cannot or may not be decoded: what is wrong, and how to mend it."""


def main(arguments: list[str]) -> None:
    """Decode standard input into a folder and write one line of JSON.

    Args:
        arguments: Process id of the parent, the folder, and the limits as JSON.
    """
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    parent, folder, limits = int(arguments[0]), Path(arguments[1]), Limits(**json.loads(arguments[2]))
    # Before the limits: loading a library takes address space and open files.
    import av.error

    try:
        _confine(parent, limits)
        report = _pass(folder, limits, _Pulse(channel))
    except Refused as refusal:
        report: dict[str, Any] = dict(zip(("problem", "fix"), refusal.args, strict=True))
    except (MemoryError, av.error.BlockingIOError):
        # A thread that finds no room for its stack is told to try again later.
        report = _out_of_memory(limits)
    except av.error.FFmpegError as error:
        report = {"problem": f"cannot be read as video or sound ({error.strerror})", "fix": "check it, or " + CONVERT}
        report["outside"] = error.errno == errno.EIO
    except OSError as error:
        report = _unwritable(error, limits)
    channel.write(b"\n" + json.dumps(report).encode() + b"\n")


def _out_of_memory(limits: Limits) -> dict[str, str]:
    problem = f"decoding needs more than {limits.memory_bytes >> 20} MB"
    return {"problem": problem, "fix": "raise memory_bytes, or " + CONVERT}


def _unwritable(error: OSError, limits: Limits) -> dict[str, Any]:
    if error.errno == errno.ENOMEM:
        return _out_of_memory(limits)
    fixes = {errno.EFBIG: "raise file_bytes", errno.ENOSPC: "free space or lower the scratch cap"}
    fix = fixes.get(error.errno or 0, "check the folder and its rights")
    problem = f"the scratch folder cannot be written ({error.strerror})"
    return {"problem": problem, "fix": fix, "outside": error.errno != errno.EFBIG}


def _confine(parent: int, limits: Limits) -> None:
    """Give up what decoding does not need, and die with the parent."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
    if sys.platform == "linux":
        # Where the stack itself has no room to grow, the kernel's answer is SIGSEGV instead of an error.
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        if taken + STACK_BYTES > limits.memory_bytes:
            raise MemoryError
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the line above.
    if os.getppid() != parent:
        sys.exit("the parent is gone")


class _Pulse:
    """Tells the parent, at most once a second, that there is progress."""

    def __init__(self, channel: BinaryIO) -> None:
        self._channel = channel
        self._next = 0.0

    def beat(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + 1
            self._channel.write(b"\n")


def _pass(folder: Path, limits: Limits, pulse: _Pulse) -> dict[str, Any]:
    """The one pass over the file."""
    import av
    import av.error

    options = {
        "protocol_whitelist": "file",
        "format_whitelist": ",".join(FORMATS),
        "codec_whitelist": ",".join(CODECS),
    }
    try:
        container = av.open("file:/dev/fd/0", options=options, metadata_errors="replace")
    except av.error.ArgumentError:
        raise Refused("its container format is broken or not on the allow list", CONVERT) from None
    with container:
        picture, sound = _choose(container.streams.video), _choose(container.streams.audio)
        if picture is None and sound is None:
            raise Refused("holds neither picture nor sound", "name a media file")
        for stream in (picture, sound):
            if stream is not None:
                _check(stream, limits)
        announced = (container.duration or 0) / 1_000_000
        if announced > limits.duration_s:
            raise Refused(f"announces {announced:.0f} s, the limit is {limits.duration_s:g} s", "raise duration_s")
        pictures = Pictures(folder, picture, limits.duration_s) if picture else None
        sounds = Sound(folder, sound, limits.duration_s) if sound else None
        warnings: list[str] = []
        try:
            for frame in _frames(container, [s for s in (picture, sound) if s], warnings, pulse):
                _take(frame, pictures, sounds, limits)
            return _report(container, pictures, sounds, warnings)
        except OverflowError:
            raise Refused(f"lasts longer than {limits.duration_s:g} s", "raise duration_s") from None


def _choose(streams: tuple[Any, ...]) -> Any:
    """The stream that a player would show: the default one, then the largest. Cover art is no stream of pictures."""
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image | Disposition.dependent
    aside = Disposition.visual_impaired | Disposition.hearing_impaired | Disposition.comment

    def rank(stream: Any) -> tuple[bool, bool, int]:
        context = stream.codec_context
        size = 0 if context is None else (context.width * context.height if stream.type == "video" else 1)
        return not stream.disposition & aside, bool(stream.disposition & Disposition.default), size

    return max((stream for stream in streams if not stream.disposition & still), key=rank, default=None)


def _check(stream: Any, limits: Limits) -> None:
    """Refuse a stream by its header, before anything of it is decoded."""
    context: Any = stream.codec_context
    name = context.codec.name if context and context.codec else "unknown"
    if name not in CODECS:
        raise Refused(f"its {stream.type} codec ({name}) is not on the allow list", CONVERT)
    context.thread_count = limits.threads or min(8, _processors())
    context.thread_type = "AUTO"
    if stream.type == "video":
        if context.width * context.height > limits.pixels:
            raise Refused(
                f"its pictures have {context.width} x {context.height} px, the limit is {limits.pixels}", "raise pixels"
            )
        context.options = {"max_pixels": str(limits.pixels)}


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _frames(container: Any, streams: list[Any], warnings: list[str], pulse: _Pulse) -> Iterator[Any]:
    """Every picture and stretch of sound that can be decoded; what cannot is counted."""
    import av.error

    damaged = 0
    try:
        for packet in container.demux(streams):
            pulse.beat()
            try:
                yield from packet.decode()
            except av.error.InvalidDataError:
                damaged += 1
    except MemoryError:
        raise
    except av.error.FFmpegError as error:
        warnings.append(f"reading stopped before the end ({error.strerror})")
        for stream in streams:
            with contextlib.suppress(av.error.InvalidDataError, av.error.EOFError):
                yield from stream.codec_context.decode(None)
    if damaged:
        warnings.append(f"packets that could not be decoded: {damaged}")


def _take(frame: Any, pictures: Pictures | None, sounds: Sound | None, limits: Limits) -> None:
    """Hand one decoded frame on, within the limits."""
    import av

    if isinstance(frame, av.VideoFrame) and pictures:
        if frame.width * frame.height > limits.pixels:
            raise Refused(f"a picture has {frame.width} x {frame.height} px, limit {limits.pixels}", "raise pixels")
        pictures.add(frame)
        if len(pictures.clock.times) > limits.frames:
            raise Refused(f"has more than {limits.frames} pictures", "raise frames")
        if pictures.clock.times[-1] > limits.duration_s:
            raise OverflowError
    elif sounds:
        sounds.add(frame)
        if sounds.seconds > limits.duration_s:
            raise OverflowError


def _report(container: Any, pictures: Pictures | None, sounds: Sound | None, warnings: list[str]) -> dict[str, Any]:
    """Complete the files and say what they hold."""
    files = pictures.finish() if pictures else {}
    shown = pictures if pictures and files else None
    heard = sounds if sounds and sounds.start is not None else None
    if shown is None and heard is None:
        raise Refused("nothing in it can be decoded", "check it, or " + CONVERT)
    origin = shown.clock.origin if shown else None
    if origin is None:
        origin = heard.start if heard and heard.start is not None else Fraction(0)
    if sounds:
        files |= sounds.finish(origin)
    end = shown.end_s if shown else 0.0
    audio_end = (files["audio.npy"] - 128) / 4 / RATE if "audio.npy" in files else 0.0
    warnings += [*(pictures.warnings if pictures else []), *(sounds.warnings if sounds else [])]
    if pictures and shown is None:
        warnings.append("none of its pictures can be decoded")
    reached = max(end, audio_end) + float(origin) - (container.start_time or 0) / 1_000_000
    announced = (container.duration or 0) / 1_000_000
    trusted = shown is None or not shown.clock.repaired
    if trusted and reached + max(SHORTFALL_S, 0.02 * announced) < announced:
        warnings.append(f"ends at {reached:.2f} s of the {announced:.2f} s that its header announces; it may be cut")
    count = len(shown.clock.times) if shown else 0
    return {
        "video": {
            "duration_s": round(max(end, audio_end), 9),
            "width": shown.width if shown else 0,
            "height": shown.height if shown else 0,
            "fps": round(count / end, 9) if end else 0.0,
            "frame_count": count,
            "has_picture": count > 0,
            "has_audio": "audio.npy" in files,
        },
        "facts": {
            "container": container.format.name,
            "bit_rate": container.bit_rate or None,
            "start_s": float(origin),
            **(shown.facts() if shown else {}),
            **(heard.facts() if heard else {}),
        },
        "warnings": warnings,
        "files": files,
    }
