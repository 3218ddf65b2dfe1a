"""Cost of the model calls in one piece of work: the caller, its waiting time, and whether it paid for a load."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """How a model came into memory, as seen by the caller.

    Attributes:
        kind: ``cold`` (at least half of the weights came from storage), ``warm_disk`` (most were in the page cache), or
            ``hit`` (another process had loaded it, or this process had already reported its load).
        load_s: Seconds that the load took in the host; 0 for a hit.
        bytes: Size of the weights' files.
    """

    kind: str
    load_s: float
    bytes: int


@dataclass(slots=True)
class Usage:
    """Sums over the model calls in one `collect_usage` block. The model's fields are those of one model per block.

    Attributes:
        wait_s: Seconds spent until the model was warm.
        queue_s: Seconds that warm calls waited for their turn in the host.
        compute_s: Seconds of computing in the host. A batch's time is divided evenly among its requests.
        calls: Calls answered.
        model: Name in the catalogue; None without calls.
        revision: Its pinned revision.
        precision: Such as ``fp32`` or ``int8``.
        device: Such as ``cpu`` or ``cuda:0``.
        source: ``hub``, ``wheel``, ``package`` or ``vendored``.
        host_pid: Process id of the host that answered last.
        load: The most expensive load seen: a real one rather than a hit.
    """

    wait_s: float = 0.0
    queue_s: float = 0.0
    compute_s: float = 0.0
    calls: int = 0
    model: str | None = None
    revision: str | None = None
    precision: str | None = None
    device: str | None = None
    source: str | None = None
    host_pid: int | None = None
    load: LoadRecord | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, part: "Usage") -> None:
        """Add the figures of one call. Calls may come from several threads."""
        with self._lock:
            self.wait_s += part.wait_s
            self.queue_s += part.queue_s
            self.compute_s += part.compute_s
            self.calls += part.calls
            for name in ("model", "revision", "precision", "device", "source", "host_pid"):
                if getattr(part, name) is not None:
                    setattr(self, name, getattr(part, name))
            if part.load is not None and (self.load is None or self.load.kind == "hit"):
                self.load = part.load


_current: ContextVar[Usage | None] = ContextVar("vid_assets_usage", default=None)


@contextmanager
def collect_usage() -> Iterator[Usage]:
    """Sum the cost of the model calls inside the block, in this thread or in contexts copied from it.

    Yields:
        The sums, complete when the block ends. An inner block's calls count in the inner block only.
    """
    usage = Usage()
    token = _current.set(usage)
    try:
        yield usage
    finally:
        _current.reset(token)


def report(part: Usage) -> None:
    """Add one call's figures to its block, if any."""
    usage = _current.get()
    if usage is not None:
        usage.add(part)
