"""Logs of steps that run on threads, and the locks between an event and the event log.

A thread takes the locks in this order, and holds each only while it stores one event or line:

1. The gate (`Gate.passing`). It is open until the run ends and lets any number of threads in. Its own lock is held
   only to count the threads inside; no thread stores anything under it. Closing the gate waits until all threads inside
   are out, so that `Workers.stop` never raises in a thread that may hold one of the locks below.
2. The run's `storing` lock, one for all steps: Dagster's handlers and loggers see one thread at a time. It is
   reentrant, because storing an event may log a line.
3. The event log's lock on its connections (Dagster's, or that of `kept_connections`). It is the innermost.

The locks of Python's logging are not among these. Storing an event takes the global lock of the logging module. Code
that configures logging from a step holds the global lock while it takes each handler's lock. A thread that stores an
event under a handler's lock would deadlock with it. Handlers are therefore called here without their locks, under
`storing`.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from vid_assets.executor.workers import Gate


def emit_without_lock(handler: logging.Handler, record: logging.LogRecord) -> bool:
    """Act as `Handler.handle`, without the handler's lock; the caller ensures one thread at a time."""
    kept = handler.filter(record)
    if kept:
        handler.emit(kept if isinstance(kept, logging.LogRecord) else record)
    return bool(kept)


class WithoutLock(logging.Handler):
    """Wraps another handler and calls it without its lock."""

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__(handler.level)
        self._handler = handler

    def handle(self, record: logging.LogRecord) -> bool:
        """Pass the record on."""
        return emit_without_lock(self._handler, record)


class Store:
    """The path of all threads of a run into the event log: through the gate, one at a time.

    Args:
        gate: The run's gate.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._storing = threading.RLock()

    def put(self, handler: logging.Handler, record: logging.LogRecord) -> bool:
        """Store one event or line.

        Raises:
            Abandoned: The run has ended without this step.
        """
        with self._gate.passing(), self._storing:
            return emit_without_lock(handler, record)


class ThreadRouter(logging.Handler):
    """Routes lines from Python's loggers to the step whose thread logs them.

    Dagster adds the handler of each running step to the managed loggers, and assumes that a process runs one step at a
    time: on threads, every line would go to each running step. This handler replaces them for the whole run. Lines
    from threads that belong to no step (a model's watcher, a library's pool) belong to the run.
    """

    def __init__(self, of_run: logging.Handler, store: Store) -> None:
        super().__init__()
        self._of_run = of_run
        self._store = store
        self._main = threading.get_ident()
        self._of_thread: dict[int, logging.Handler] = {}

    def attach(self, handler: logging.Handler) -> None:
        """Send the lines of this thread to `handler` from now on."""
        self._of_thread[threading.get_ident()] = handler

    def detach(self) -> None:
        """Send the lines of this thread to no step from now on."""
        self._of_thread.pop(threading.get_ident(), None)

    def handle(self, record: logging.LogRecord) -> bool:
        """Store one line."""
        thread = record.thread or 0
        if thread == self._main and thread not in self._of_thread:
            return False
        return self._store.put(self._of_thread.get(thread, self._of_run), record)


class ThreadLogs(dg.DagsterLogManager):
    """A step's log that captures Python's loggers per thread, and ends when the run does."""

    def __init__(self, handler: Any, level: int, store: Store, router: ThreadRouter) -> None:
        super().__init__(handler, level=level)
        self._store = store
        self._router = router

    def handle(self, record: logging.LogRecord) -> None:
        """Store one event or line.

        Raises:
            Abandoned: The run has ended without this step.
        """
        self._store.put(self._dagster_handler, record)

    def begin_python_log_capture(self) -> None:
        """Start capturing; Dagster calls this just before a step's code runs in this thread."""
        self._router.attach(self._dagster_handler)

    def end_python_log_capture(self) -> None:
        """Stop capturing; Dagster calls this after the step's code has run."""
        self._router.detach()

    def with_tags(self, **new_tags: str) -> "ThreadLogs":
        """Return the same log for one step."""
        return ThreadLogs(self._dagster_handler.with_tags(**new_tags), self.level, self._store, self._router)


@contextmanager
def thread_logs(logs: dg.DagsterLogManager, instance: dg.DagsterInstance, gate: Gate) -> Iterator[ThreadLogs]:
    """Yield the run's log for use on threads; Python's loggers that Dagster manages lead into it meanwhile."""
    theirs = logs._dagster_handler
    handler = type(theirs)(
        metadata=theirs.metadata, loggers=theirs._loggers, handlers=[WithoutLock(inner) for inner in theirs._handlers]
    )
    store = Store(gate)
    router = ThreadRouter(handler, store)
    names = [None if name == "root" else name for name in instance.managed_python_loggers]
    managed = [dg.get_dagster_logger(), *map(logging.getLogger, names)]
    for logger in managed:
        logger.addHandler(router)
    try:
        yield ThreadLogs(handler, logs.level, store, router)
    finally:
        for logger in managed:
            logger.removeHandler(router)
