"""Cut spans of time out of a file without encoding anything. Sandbox only.

A copied picture needs those before it, back to a key frame. So a clip begins at the key frame at or before the start
that is asked for.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vid_assets.media.decode_pass import CONVERT, Pulse, Refused, opened
from vid_assets.media.settings import MediaSettings
from vid_assets.media.tracks import MOST_TRACKS, describe

# What a demuxer of FFmpeg writes best; others become Matroska, which holds nearly everything.
_SUFFIXES = {"mov,mp4,m4a,3gp,3g2,mj2": ("mp4", "mov"), "mpegts": ("ts",)}
_ANYTHING = "mkv"
# If a container's index leads to a place after the start, look this many seconds earlier.
_STEPS_BACK_S = (0, 2, 10, 60, 600)
# The sound of a moment lies at most this far behind its picture in the file.
_APART_S = 5
_BEFORE_US = 10_000_000


def cut_file(
    folder: Path, settings: MediaSettings, pulse: Pulse, spans: list[tuple[float, float]], leader: int
) -> dict[str, Any]:
    """Copy spans of standard input into files of their own.

    Args:
        folder: An empty folder, for ``<number>.<suffix>``, numbered as the spans.
        settings: The limits on the cost.
        pulse: Called for every packet.
        spans: Start and end of each, in seconds on the file's own timeline.
        leader: Number of the track whose key frames decide where a clip can begin.

    Returns:
        The report: ``files`` (name to bytes), and ``clips``: for each span the file's ``name`` and its ``start_s`` on
        the file's own timeline, or None where the file has nothing.

    Raises:
        Refused: The file is broken, or cannot be cut without encoding.
    """
    with opened() as container:
        streams = {stream.index: stream for stream in list(container.streams)[:MOST_TRACKS] if _is_copied(stream)}
        if leader not in streams:
            raise Refused(f"its track {leader} cannot be copied", CONVERT)
        tracks = _Tracks(container, list(streams.values()), streams[leader], pulse)
        suffixes = (*_SUFFIXES.get(container.format.name, ()), _ANYTHING)
        made = [
            tracks.cut(Fraction(start), Fraction(end), folder / str(number), suffixes)
            for number, (start, end) in enumerate(spans)
        ]
    return {"clips": made, "files": {path.name: path.stat().st_size for path in sorted(folder.glob("[0-9]*"))}}


def _is_copied(stream: Any) -> bool:
    track = describe(stream)
    return track.kind in ("video", "audio") and not track.refused and not track.is_still


@dataclass(frozen=True, slots=True)
class _Tracks:
    """The tracks that are copied.

    Attributes:
        container: The open file.
        streams: The tracks.
        leader: The one whose key frames decide where a clip begins.
        pulse: Called for every packet.
    """

    container: Any
    streams: Sequence[Any]
    leader: Any
    pulse: Pulse

    def cut(self, start: Fraction, end: Fraction, path: Path, suffixes: Sequence[str]) -> dict[str, Any] | None:
        """Write one clip, in the first of these kinds of container that can hold its tracks.

        Returns:
            Its name and start; None if the file has nothing there.
        """
        import av.error

        problem = ""
        for suffix in suffixes:
            begins, held = self._at_key_frame(start)
            if begins is None or begins >= end:
                return None
            target = path.with_suffix(f".{suffix}")
            try:
                self._write(held, begins, end, target)
            except (ValueError, av.error.ArgumentError) as error:
                target.unlink(missing_ok=True)
                problem = str(error)
            else:
                return {"name": target.name, "start_s": float(begins)}
        raise Refused(f"its tracks cannot be copied ({problem})", CONVERT)

    def _at_key_frame(self, start: Fraction) -> tuple[Fraction | None, list[Any]]:
        """Find the last key frame at or before a time, or the first one of all.

        Returns:
            Its time, None without any; and the packets from there on that were read to find it.
        """
        begins, held = None, []
        for back in (*_STEPS_BACK_S, None):
            self._seek(None if back is None else start - back)
            begins, held = self._read_to(start)
            if begins is not None and begins <= start:
                break
        return begins, held

    def _read_to(self, start: Fraction) -> tuple[Fraction | None, list[Any]]:
        begins, held = None, []
        for packet in self._packets():
            held.append(packet)
            if packet.stream is self.leader:
                if begins is not None and _order(packet) > start:
                    break
                if packet.is_keyframe and (begins is None or _time(packet) <= start):
                    begins = _time(packet)
                    held = [other for other in held if other.stream is not self.leader and _time(other) >= begins]
                    held.append(packet)
        return begins, held

    def _seek(self, time: Fraction | None) -> None:
        """Go to a time, or to the start of the file."""
        import av.error

        first = self.container.start_time or 0
        # Some demuxers skip the first pictures where the start itself is asked for.
        attempts = [(first, None), (first - _BEFORE_US, None)]
        if time is not None and time * 1_000_000 > first:
            attempts.append((int(time / self.leader.time_base), self.leader))
        while attempts:
            offset, stream = attempts.pop()
            try:
                self.container.seek(offset, stream=stream)
            except av.error.FFmpegError:
                if not attempts:
                    raise Refused("cannot be cut: its container leads to no moment in it", CONVERT) from None
            else:
                return

    def _packets(self) -> Iterator[Any]:
        """Yield the packets from here on, all with a time.

        Raises:
            Refused: A packet has none.
        """
        for packet in self.container.demux(self.streams):
            self.pulse.beat()
            if packet.dts is None and packet.pts is None:
                if packet.size:
                    raise Refused("cannot be cut: it has no time stamps", CONVERT)
                continue
            if packet.pts is None:
                if packet.stream.codec_context.has_b_frames:
                    raise Refused("cannot be cut: it does not say when its pictures are shown", CONVERT)
                packet.pts = packet.dts
            yield packet

    def _write(self, held: Sequence[Any], begins: Fraction, end: Fraction, path: Path) -> None:
        """Copy packets up to a time, with the key frame at time 0."""
        import av

        with av.open(str(path), "w") as output:
            targets = {stream.index: output.add_stream_from_template(stream) for stream in self.streams}
            running = set(targets)
            for packet in itertools.chain(held, self._packets()):
                index, at = packet.stream.index, _order(packet)
                if at >= end:
                    running.discard(index)
                if not running or (self.leader.index not in running and at >= end + _APART_S):
                    break
                # Pictures that are shown before the key frame refer to what is not copied.
                if index in running and _time(packet) >= begins:
                    _shift(packet, begins)
                    packet.stream = targets[index]
                    output.mux(packet)


def _time(packet: Any) -> Fraction:
    return packet.pts * packet.time_base


def _order(packet: Any) -> Fraction:
    return (packet.pts if packet.dts is None else packet.dts) * packet.time_base


def _shift(packet: Any, start: Fraction) -> None:
    ticks = round(start / packet.time_base)
    packet.pts -= ticks
    packet.dts = None if packet.dts is None else packet.dts - ticks
