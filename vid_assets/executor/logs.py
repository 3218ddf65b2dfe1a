"""Logs of steps that run on threads, and the locks on the way of an event into the event log.

A thread takes them in this order, and each for no longer than it takes to store one event or line:

1. The gate (`Gate.passing`), which is open until the run ends and lets any number in. Its own lock is held only to
   count who is inside; nobody stores anything under it. Whoever closes the gate waits until those inside are out, so
   nothing is raised in a thread (`Workers.stop`) that may hold one of the locks below.
2. The run's `storing` lock, one for all steps: Dagster's handlers and loggers see one thread at a time. It is
   reentrant, because storing an event may log a line.
3. The event log's lock on its connections (Dagster's, or that of `kept_connections`). It is the innermost.

Logging's own locks are none of these. Storing an event asks Python's logging module for its global lock; and whoever
configures that module from a step holds the global lock while it takes each handler's. A thread that stores an event
under a handler's lock would wait for the other, and the other for it. So handlers are called here without their locks,
under `storing`.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from vid_assets.executor.workers import Gate


def emit_without_lock(handler: logging.Handler, record: logging.LogRecord) -> bool:
    """`Handler.handle`, but for the handler's lock; the caller sees to it that one thread does this at a time."""
    kept = handler.filter(record)
    if kept:
        handler.emit(kept if isinstance(kept, logging.LogRecord) else record)
    return bool(kept)


class WithoutLock(logging.Handler):
    """Stands for another handler and calls it without its lock."""

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__(handler.level)
        self._handler = handler

    def handle(self, record: logging.LogRecord) -> bool:
        """Hand the record on."""
        return emit_without_lock(self._handler, record)


class Store:
    """The way of all threads of a run into the event log: through the gate, one at a time.

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
    """Sends what is logged through Python's loggers to the step whose thread logs it.

    Dagster adds each running step's handler to the managed loggers, and takes it for granted that one step runs at a
    time in a process: on threads every line would land in every running step. This handler stands there once for the
    whole run instead. Lines from threads that are no step's (a model's watcher, a library's pool) belong to the run.
    """

    def __init__(self, of_run: logging.Handler, store: Store) -> None:
        super().__init__()
        self._of_run = of_run
        self._store = store
        self._main = threading.get_ident()
        self._of_thread: dict[int, logging.Handler] = {}

    def attach(self, handler: logging.Handler) -> None:
        """Lines of this thread belong to `handler` from now on."""
        self._of_thread[threading.get_ident()] = handler

    def detach(self) -> None:
        """Lines of this thread belong to no step any more."""
        self._of_thread.pop(threading.get_ident(), None)

    def handle(self, record: logging.LogRecord) -> bool:
        """Store one line."""
        thread = record.thread or 0
        if thread == self._main and thread not in self._of_thread:
            return False
        return self._store.put(self._of_thread.get(thread, self._of_run), record)


class ThreadLogs(dg.DagsterLogManager):
    """A step's log whose capture of Python's loggers goes by thread, and which ends when the run does."""

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
        """Called by Dagster when a step's code is about to run in this thread."""
        self._router.attach(self._dagster_handler)

    def end_python_log_capture(self) -> None:
        """Called by Dagster when it has run."""
        self._router.detach()

    def with_tags(self, **new_tags: str) -> "ThreadLogs":
        """The same log for one step."""
        return ThreadLogs(self._dagster_handler.with_tags(**new_tags), self.level, self._store, self._router)


@contextmanager
def thread_logs(logs: dg.DagsterLogManager, instance: dg.DagsterInstance, gate: Gate) -> Iterator[ThreadLogs]:
    """The run's log for use on threads; Python's loggers that Dagster manages lead into it meanwhile."""
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
