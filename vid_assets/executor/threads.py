"""What a run's context needs so that its steps may run on threads: logs by thread, and one event loop for all."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from vid_assets.executor import _dagster as inside
from vid_assets.executor.workers import Gate

T = TypeVar("T", bound=logging.Handler)


class NoLock:
    """In place of a log handler's lock while the run's own lock does its work.

    Storing an event asks Python's logging module for its global lock, and configuring that module from a step holds the
    global lock while it takes each handler's. On threads the two would wait for each other for ever.
    """

    def acquire(self) -> bool:
        """Succeed at once."""
        return True

    def release(self) -> None:
        """Do nothing."""

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *exc_info: Any) -> None:
        pass


def without_lock(handler: T) -> T:
    """Take a log handler's own lock away; whoever calls it then sees to it that one thread does at a time."""
    handler.lock = NoLock()  # pyright: ignore[reportAttributeAccessIssue] - it needs no more than these methods
    return handler


class ThreadRouter(logging.Handler):
    """Sends what is logged through Python's loggers to the step whose thread logs it.

    Dagster adds each running step's handler to the managed loggers, and takes it for granted that one step runs at a
    time in a process: on threads every line would land in every running step. This handler stands there once for the
    whole run instead. Lines from threads that are no step's (a model's watcher, a library's pool) belong to the run.
    """

    def __init__(self, of_run: logging.Handler, gate: Gate, storing: threading.RLock) -> None:
        super().__init__()
        self._of_run = of_run
        self._gate = gate
        self._storing = storing
        self._main = threading.get_ident()
        self._of_thread: dict[int, logging.Handler] = {}

    def attach(self, handler: logging.Handler) -> None:
        """Lines of this thread belong to `handler` from now on."""
        self._of_thread[threading.get_ident()] = handler

    def detach(self) -> None:
        """Lines of this thread belong to no step any more."""
        self._of_thread.pop(threading.get_ident(), None)

    def handle(self, record: logging.LogRecord) -> bool:
        """Store one line, as `ThreadLogs.handle` does."""
        thread = record.thread or 0
        if thread == self._main and thread not in self._of_thread:
            return False
        with self._gate.passing(), self._storing:
            return bool(self._of_thread.get(thread, self._of_run).handle(record))


class ThreadLogs(inside.DagsterLogManager):
    """A step's log whose capture of Python's loggers goes by thread, and which ends when the run does."""

    def __init__(
        self,
        dagster_handler: inside.DagsterLogHandler,
        level: int,
        gate: Gate,
        storing: threading.RLock,
        router: ThreadRouter,
    ) -> None:
        super().__init__(without_lock(dagster_handler), level=level)
        self._gate = gate
        self._storing = storing
        self._router = router

    def handle(self, record: logging.LogRecord) -> None:
        """Store one event or line.

        Raises:
            Abandoned: The run has ended without this step.
        """
        with self._gate.passing(), self._storing:
            super().handle(record)

    def begin_python_log_capture(self) -> None:
        """Called by Dagster when a step's code is about to run in this thread."""
        self._router.attach(self._dagster_handler)

    def end_python_log_capture(self) -> None:
        """Called by Dagster when it has run."""
        self._router.detach()

    def with_tags(self, **new_tags: str) -> "ThreadLogs":
        """The same log for one step."""
        handler = self._dagster_handler.with_tags(**new_tags)
        return ThreadLogs(handler, self.level, self._gate, self._storing, self._router)


class SharedLoop:
    """The run's event loop on a thread of its own, so that the steps' threads may all wait on it at once.

    Resources may have bound themselves to that loop when they started, so a loop per thread would not do.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = threading.Thread(target=loop.run_forever, daemon=True, name="step event loop")
        self._starting = threading.Lock()

    def run_until_complete(self, awaitable: Awaitable[Any]) -> Any:
        """Wait for an awaitable that runs on the shared loop."""
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()

        async def result() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(result(), self._loop).result()

    def close(self, wait_s: float) -> None:
        """Cancel what still runs and give the loop back to the run's own thread."""
        if self._thread.ident is None:
            return

        async def cancel_rest() -> None:
            rest = [task for task in asyncio.all_tasks(self._loop) if task is not asyncio.current_task()]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            self._loop.stop()

        asyncio.run_coroutine_threadsafe(cancel_rest(), self._loop)
        self._thread.join(wait_s)


@contextmanager
def threaded_context(job: inside.PlanExecutionContext, gate: Gate) -> Iterator[inside.PlanExecutionContext]:
    """A copy of the run's context whose steps may run on threads: logs by thread, events through the gate."""
    logs = job.log
    storing = threading.RLock()
    router = ThreadRouter(logs._dagster_handler, gate, storing)
    for handler in logs._dagster_handler._handlers:
        if isinstance(handler, inside.EventStoreHandler):
            without_lock(handler)
    loop = SharedLoop(job.event_loop)
    for logger in logs._managed_loggers:
        logger.addHandler(router)
    try:
        yield inside.PlanExecutionContext(
            plan_data=job.plan_data,
            execution_data=job._execution_data,
            log_manager=ThreadLogs(logs._dagster_handler, logs.level, gate, storing, router),
            output_capture=job.output_capture,
            event_loop=loop,  # pyright: ignore[reportArgumentType] - steps call run_until_complete only
        )
    finally:
        for logger in logs._managed_loggers:
            logger.removeHandler(router)
        loop.close(wait_s=1.0)
