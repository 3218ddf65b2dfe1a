"""Open a video: map its streams from scratch, and decode it first if necessary."""

import os
import time
import weakref
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vid_assets.errors import MediaError, OutsideError
from vid_assets.media.cues import read_cues
from vid_assets.media.paths import shown
from vid_assets.media.playable import obstacle
from vid_assets.media.proxy import PROXY
from vid_assets.media.sandbox import decode
from vid_assets.media.scratch import (
    META,
    count_pass,
    decoding,
    discard,
    read_meta,
    remove_unused,
    shared,
    temporary,
    write_meta,
)
from vid_assets.media.settings import MediaSettings
from vid_assets.media.source import DIGEST_LENGTH, VIDEO_ID, identify, open_regular

# The sandbox imports this package too and does not need polars, which the contract imports.
if TYPE_CHECKING:
    from vid_assets.contract import Audio, Frames, Video

ATTEMPTS = 3


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True)
class Media:
    """One opened video. Keep it while you use its arrays: as long as it lives, `trim_scratch` leaves them alone.

    Attributes:
        video: What every analyzer may know about the video.
        thumbs: Every picture at 48 x 27 px; None without a picture.
        frames: About two pictures per second; None without a picture.
        audio: Mono, 16 kHz; None without sound.
        facts: ``container``, ``bit_rate`` (1/s or None), ``start_s`` (the file's own time of time 0),
            ``start_timecode``, ``frames_per_s``, ``long_side``. With a picture: ``picture_start_s`` (of the first
            picture, from time 0), ``video_codec``, ``pixel_format``, ``native_width``, ``native_height`` (px, stored),
            ``sample_aspect``, ``rotation_deg`` (clockwise), ``mirrored``, ``field_order``, ``deinterlaced``,
            ``transfer``, ``tone_mapped``, ``variable_frame_rate``. With sound: ``sound_start_s``, ``audio_codec``,
            ``audio_channels``, ``audio_layout``, ``audio_channel`` (the one used, or mix), ``audio_rate_hz``.
        tracks: All tracks of the file: `vid_assets.media.tracks.Track` as dicts.
        warnings: What was odd or damaged, one sentence each.
        decode_passes: Completed passes over this content since it last left the scratch folder; 1 unless a stream was
            decoded twice.
        decode_s: Wall-clock seconds of the pass, whichever process made it.
        reused: Whether the arrays already existed when this call looked.
        proxy: A small copy that every browser plays: H.264 and AAC in MP4; None without one.
        looked_for_proxy: Whether the decode made one, or none is needed.
    """

    video: "Video"
    thumbs: "Frames | None"
    frames: "Frames | None"
    audio: "Audio | None"
    facts: dict[str, Any]
    tracks: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...]
    decode_passes: int
    decode_s: float
    reused: bool
    proxy: Path | None
    looked_for_proxy: bool
    _folder: Path
    _close: list[Any] = field(default_factory=list, repr=False, compare=False)

    def cues(self) -> list[dict[str, Any]]:
        """Subtitles, captions, chapters and timecodes: ``kind``, ``start_s``, ``end_s``, ``text``, ``language``,
        ``track``, in order of time.
        """  # noqa: D205
        return read_cues(self._folder)

    def close(self) -> None:
        """Allow `trim_scratch` to remove the arrays; this happens automatically when the object is deleted."""
        for finalizer in self._close:
            finalizer()


def open_media(path: Path, video_id: str, scratch: Path, settings: MediaSettings | None = None) -> Media:
    """Map a video's streams, and decode them first if that has not been done.

    However many threads and processes open a video at once, one of them decodes it, in a sandboxed process that makes
    a single pass; the others wait. The result does not depend on the file's name or location.

    Args:
        path: The media file.
        video_id: Key of the file, from `identify`.
        scratch: Folder for decoded videos; created if missing.
        settings: How to make the streams, and the limits on the cost. Other settings need another decode, in a folder
            of its own.

    Returns:
        The opened video.

    Raises:
        MediaError: The file is not the registered one, or cannot be decoded within the limits.
        OutsideError: The file is missing, or a cause outside it prevented decoding.
    """
    if not VIDEO_ID.fullmatch(video_id):
        raise MediaError(shown(path), f"{video_id!r} is no video id", "use the one that identify gives")
    scratch = scratch.absolute()
    scratch.mkdir(parents=True, exist_ok=True)
    settings = settings or MediaSettings()
    key = video_id if settings.is_default else f"{video_id}.{settings.digest}"
    reused = True
    for _ in range(ATTEMPTS):
        media = _map(path, video_id, scratch / key, reused=reused)
        if media is not None:
            if media.looked_for_proxy or not settings.proxy:
                return media
            # decoded before proxies were asked for: decode again, as soon as nobody uses the streams
            media.close()
            if not remove_unused(scratch, scratch / key):
                settings = replace(settings, proxy=False)
            continue
        with decoding(scratch, key) as lock:
            assert lock is not None
            folder = scratch / key
            if read_meta(folder) is None:
                if folder.exists():
                    discard(folder)
                _decode(path, video_id, folder, lock, settings)
                reused = False
    raise OutsideError(shown(path), "is removed from scratch as fast as it is decoded", "raise the scratch cap")


def _decode(path: Path, video_id: str, folder: Path, lock: Path, settings: MediaSettings) -> None:
    """Create the video's folder. The caller holds the decode lock."""
    started = time.perf_counter()
    with open_regular(path) as file:
        before = os.fstat(file.fileno())
        _verify(path, video_id)
        part = temporary(folder.parent, folder.name)
        try:
            report = decode(file, shown(path), part, settings)
            after = os.fstat(file.fileno())
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise OutsideError(shown(path), "was written to while it was decoded", "wait until it is complete")
            meta = {
                "source": [after.st_size, after.st_mtime_ns],
                "decode_passes": count_pass(lock),
                "decode_s": time.perf_counter() - started,
                "report": report,
            }
            write_meta(part, meta)
            part.rename(folder)
        except BaseException:
            discard(part)
            raise


def _verify(path: Path, video_id: str) -> None:
    """Refuse a file whose content does not match its key."""
    if identify(path).content_hash[:DIGEST_LENGTH] != video_id[-DIGEST_LENGTH:]:
        raise MediaError(shown(path), f"its content is no longer that of {video_id}", "register the file again")


def _map(path: Path, video_id: str, folder: Path, *, reused: bool) -> Media | None:
    """Map the arrays of a complete folder; None if there is none."""
    from vid_assets.contract import Audio, Frames, Video

    descriptor = shared(folder)
    if descriptor is None:
        return None
    try:
        meta = read_meta(folder)
        if meta is None:
            os.close(descriptor)
            return None
        _same_content(path, video_id, folder, meta)
        os.utime(folder / META)
        files = meta["report"]["files"]

        def pictures(name: str) -> Frames | None:
            array = folder / f"{name}.npy"
            if array.name not in files:
                return None
            vectors = [np.load(folder / f"{name}.{kind}.npy") for kind in ("times_s", "indices", "lost")]
            for vector in vectors:
                vector.setflags(write=False)
            times, indices, lost = vectors
            return Frames(np.asarray(np.load(array, mmap_mode="r")), times, indices, array, video_id, lost)

        audio = folder / "audio.npy"
        media = Media(
            video=Video(video_id=video_id, **meta["report"]["video"]),
            thumbs=pictures("thumbs"),
            frames=pictures("frames"),
            audio=Audio(np.asarray(np.load(audio, mmap_mode="r")), path=audio, video_id=video_id)
            if audio.name in files
            else None,
            facts=meta["report"]["facts"],
            tracks=tuple(meta["report"]["tracks"]),
            warnings=tuple(meta["report"]["warnings"]),
            decode_passes=meta["decode_passes"],
            decode_s=meta["decode_s"],
            reused=reused,
            proxy=folder / PROXY if PROXY in files else None,
            looked_for_proxy=meta["report"].get("proxy", False) or not _obstacle(meta["report"]["facts"]),
            _folder=folder,
        )
    except BaseException:
        os.close(descriptor)
        raise
    media._close.append(weakref.finalize(media, os.close, descriptor))
    return media


def _obstacle(facts: dict[str, Any]) -> str:
    return obstacle(facts["container"], *map(facts.get, ("video_codec", "audio_codec", "pixel_format")))


def _same_content(path: Path, video_id: str, folder: Path, meta: dict[str, Any]) -> None:
    """Refuse a file that has changed since it was decoded; its size and date identify its content."""
    with open_regular(path) as file:
        status = os.fstat(file.fileno())
    if meta["source"] != [status.st_size, status.st_mtime_ns]:
        _verify(path, video_id)
        write_meta(folder, meta | {"source": [status.st_size, status.st_mtime_ns]})
