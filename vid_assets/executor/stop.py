"""Asking the runs of this process to stop: after the running steps, or at once.

Dagster knows one kind of interrupt, which ends a run at once, and hears of it only on the main thread. Whoever runs
jobs on another thread gives them a `Stop` instead: ``with stopped_by(stop): job.execute(...)``.
"""

import contextvars
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Stop:
    """What somebody wants of a run.

    Attributes:
        soon: Set when no further step is to start; those that run go on to their end.
        now: Set when the running steps are to end as well.
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
    """The `Stop` of the run that this thread executes; one that nobody sets where none was given."""
    return _current.get() or Stop()
