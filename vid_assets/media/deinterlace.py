"""Deinterlacing with FFmpeg's bwdif, from the first picture that is flagged as interlaced."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

FIELD_ORDERS = {1: "progressive", 2: "tt", 3: "bb", 4: "tb", 5: "bt"}
# bwdif needs at least three columns and four rows.
LEAST_SIDE = 4


class Deinterlacer:
    """Passes pictures on and deinterlaces the interlaced ones. It holds one picture back until the next arrives.

    Attributes:
        used: Number of interlaced pictures.
    """

    def __init__(self, time_base: Fraction) -> None:
        """Start before the first picture.

        Args:
            time_base: Unit of the pictures' timestamps, in seconds; the output keeps it.
        """
        self.used = 0
        self._base = time_base
        self._graph: Any = None
        self._form: tuple[int, int, str] | None = None

    def push(self, frame: Any) -> Iterator[Any]:
        """Take one decoded picture; yield those that are ready."""
        interlaced = frame.interlaced_frame and min(frame.width, frame.height) >= LEAST_SIDE
        self.used += interlaced
        if self._graph is None and not interlaced:
            yield frame
            return
        form = frame.width, frame.height, frame.format.name
        if form != self._form:
            yield from self.flush()
            self._begin(frame, form)
        assert self._graph is not None
        self._graph.push(frame)
        yield from self._ready()

    def flush(self) -> Iterator[Any]:
        """Yield the pictures that are held back."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._ready()
        self._graph = self._form = None

    def _begin(self, frame: Any, form: tuple[int, int, str]) -> None:
        from av.filter import Graph

        self._graph, self._form = Graph(), form
        self._graph.threads = 1
        source = self._graph.add_buffer(width=form[0], height=form[1], format=frame.format, time_base=self._base)
        sieve = self._graph.add("bwdif", "mode=send_frame:deint=interlaced")
        self._graph.link_nodes(source, sieve, self._graph.add("buffersink")).configure()

    def _ready(self) -> Iterator[Any]:
        import av.error

        while True:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            # bwdif counts in halves of the time base.
            if frame.pts is not None:
                frame.pts = round(frame.pts * frame.time_base / self._base)
            frame.time_base = self._base
            yield frame
