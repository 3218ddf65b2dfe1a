"""Ask the runs of this process to stop: after the running steps, or at once.

Dagster has one kind of interrupt, which ends a run at once, and receives it only on the main thread. To run jobs on
another thread, use a `Stop` instead: ``with stopped_by(stop): job.execute(...)``.
"""

import contextvars
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Stop:
    """A request to stop a run.

    Attributes:
        soon: Set to start no further step; the running ones continue to their end.
        now: Set to end the running steps as well.
    """

    def __init__(self) -> None:
        self.soon = threading.Event()
        self.now = threading.Event()

    @property
    def is_set(self) -> bool:
        """Whether the run is to stop, in either way."""
        return self.soon.is_set() or self.now.is_set()


_current: contextvars.ContextVar[Stop | None] = contextvars.ContextVar("vid_assets_stop", default=None)


@contextmanager
def stopped_by(stop: Stop) -> Iterator[None]:
    """Let `stop` end the runs that `warm_executor` executes on this thread inside the block."""
    token = _current.set(stop)
    try:
        yield
    finally:
        _current.reset(token)


def current_stop() -> Stop:
    """Return the `Stop` of the run that this thread executes; without one, a `Stop` that is never set."""
    return _current.get() or Stop()
