"""Calls in flight, and how to cancel them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from resources.errors import ModelCancelled


class Calls:
    """The calls of one handle that are in flight, and whether they were cancelled."""

    def __init__(self) -> None:
        self.cancelled = False
        self._running: set[Any] = set()
        self._lock = threading.Lock()

    @contextmanager
    def running(self, call: Any) -> Iterator[None]:
        """Register an object with a ``cancel`` method while the block runs.

        Raises:
            ModelCancelled: The calls are already cancelled.
        """
        with self._lock:
            self._running.add(call)
        try:
            if self.cancelled:
                call.cancel()
            self.check()
            yield
        finally:
            with self._lock:
                self._running.discard(call)

    def check(self) -> None:
        """Raise `ModelCancelled` if the calls were cancelled."""
        if self.cancelled:
            raise ModelCancelled("model call", "the run was cancelled", "run it again")

    def cancel(self) -> None:
        """Cancel the calls in flight and all later ones."""
        with self._lock:
            self.cancelled = True
            running = list(self._running)
        for call in running:
            call.cancel()
