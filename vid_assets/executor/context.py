"""The run context that lets steps run on threads: logs per thread, and one event loop for all."""

import asyncio
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vid_assets.executor.logs import thread_logs
from vid_assets.executor.workers import Gate

if TYPE_CHECKING:
    from vid_assets.executor import _dagster as inside


class SharedLoop:
    """The run's event loop on its own thread, so that all step threads can wait on it at once.

    Resources may have bound themselves to that loop when they started, so a loop per thread does not work.
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
        """Cancel what still runs, and return the loop to the run's own thread."""
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
def threaded_context(job: "inside.PlanExecutionContext", gate: Gate) -> Iterator["inside.PlanExecutionContext"]:
    """Yield a copy of the run's context whose steps may run on threads: logs per thread, events through the gate."""
    loop = SharedLoop(job.event_loop)
    with thread_logs(job.log, job.instance, gate) as logs:
        try:
            yield type(job)(
                plan_data=job.plan_data,
                execution_data=job._execution_data,
                log_manager=logs,
                output_capture=job.output_capture,
                event_loop=loop,  # pyright: ignore[reportArgumentType] - steps call run_until_complete only
            )
        finally:
            loop.close(wait_s=1.0)
