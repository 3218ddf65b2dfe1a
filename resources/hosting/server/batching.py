"""Batches concurrent requests into one call of the host's method. It does not depend on gRPC."""

import asyncio
import gc
import statistics
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from resources.errors import ModelError, is_out_of_memory
from resources.hosting import wire
from resources.hosting.host import Host, Request


@dataclass(slots=True)
class Ticket:
    """One request in the queue.

    Attributes:
        order: The decoded request.
        done: Receives the stamped frame and the figures, or the error.
        since: Time of arrival, or the time when the model became warm if that was later.
        started: When its batch started to compute; None while it waits.
    """

    order: Mapping[str, Any]
    done: "asyncio.Future[tuple[bytes, dict[str, float]]]"
    since: float
    started: float | None = None


@dataclass(slots=True)
class Batcher:
    """One queue and one computing thread for one host.

    Attributes:
        make: Creates and loads the host, in the computing thread. Only this thread uses the host.
        batch: Maximum number of requests in one call.
        window_s: How long a batch's first request waits for others.
        revision: Written in every row; set when the host is created.
        calls: Requests answered with a table.
        last_used: When it last computed or became warm, on the monotonic clock.
        host: The host, once loaded.
    """

    make: Callable[[], Host]
    batch: int
    window_s: float
    revision: str = ""
    calls: int = 0
    last_used: float = field(default_factory=time.monotonic)
    host: Host | None = None
    _queue: deque[Ticket] = field(default_factory=deque)
    _running: list[Ticket] = field(default_factory=list)
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=256))
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "compute"))

    async def load(self) -> BaseException | None:
        """Create the host. Return the error, if any, after printing its traceback."""
        future = asyncio.wrap_future(self._thread.submit(self.make))
        await asyncio.wait([future])
        error = future.exception()
        if error is not None:
            traceback.print_exception(error)
            return error
        self.host = future.result()
        self.last_used = time.monotonic()
        for ticket in self._queue:
            ticket.since = self.last_used
        return None

    def submit(self, order: Mapping[str, Any]) -> Ticket:
        """Queue a request. Cancelling its future removes it if it has not started."""
        ticket = Ticket(order, asyncio.get_running_loop().create_future(), time.monotonic())
        self._queue.append(ticket)
        self._arrived.set()
        return ticket

    def fail(self, error: BaseException) -> None:
        """Answer all waiting requests with this error."""
        for ticket in self._queue:
            if not ticket.done.done():
                ticket.done.set_exception(error)

    async def run(self) -> None:
        """Compute batch after batch forever, once the host is loaded."""
        while True:
            await self._arrived.wait()
            await self._gather()
            self._running = self._next_batch()
            if not self._running:
                self._arrived.clear()
                continue
            await self._compute(self._running)
            self._running = []
            self.last_used = time.monotonic()

    def is_idle(self) -> bool:
        """Whether nothing computes and nothing waits."""
        return not self._running and not any(not ticket.done.done() for ticket in self._queue)

    def busy_s(self) -> float | None:
        """Return how long the current batch has been computing; None when idle."""
        return time.monotonic() - self._running[0].started if self._running and self._running[0].started else None

    def p50_ms(self) -> float | None:
        """Return the median time of the latest calls, from ready to computed, in ms."""
        return statistics.median(self._times) * 1000 if self._times else None

    async def _gather(self) -> None:
        if self.batch > 1 and len(self._queue) < self.batch:
            await asyncio.sleep(self.window_s)

    def _next_batch(self) -> list[Ticket]:
        """Return the oldest request and the oldest others for the same method."""
        chosen: list[Ticket] = []
        kept: deque[Ticket] = deque()
        for ticket in self._queue:
            if ticket.done.done():
                continue
            same = not chosen or ticket.order["method"] == chosen[0].order["method"]
            (chosen if same and len(chosen) < self.batch else kept).append(ticket)
        self._queue = kept
        return chosen

    async def _compute(self, tickets: Sequence[Ticket]) -> None:
        began = time.monotonic()
        for ticket in tickets:
            ticket.started = began
        future = asyncio.wrap_future(self._thread.submit(self._answer, [ticket.order for ticket in tickets]))
        await asyncio.wait([future])
        error = future.exception()
        if error is not None and len(tickets) > 1:
            # Out of memory, half of them may fit. One bad request must not fail the others: each is computed alone.
            size = len(tickets) // 2 if is_out_of_memory(error) else 1
            for start in range(0, len(tickets), size):
                await self._compute(tickets[start : start + size])
            return
        seconds = (time.monotonic() - began) / len(tickets)
        for index, ticket in enumerate(tickets):
            if ticket.done.done():
                continue
            if error is not None:
                traceback.print_exception(error)
                ticket.done.set_exception(error)
                continue
            self.calls += 1
            self._times.append(time.monotonic() - ticket.since)
            figures = {"queue_s": began - ticket.since, "compute_s": seconds, "batch": len(tickets)}
            ticket.done.set_result((future.result()[index], figures))

    def _answer(self, orders: Sequence[Mapping[str, Any]]) -> list[bytes]:
        """Map the arrays, call the method, and check and pack its result. Runs in the computing thread."""
        host = self.host
        assert host is not None
        requests: list[Request] = [wire.opened(order) for order in orders]
        name = orders[0]["method"]
        frames = _asked(host, name, requests)
        if len(frames) != len(requests) or not all(isinstance(frame, pl.DataFrame) for frame in frames):
            raise ModelError(
                f"{type(host).__name__}.{name}", "it did not return one DataFrame per request", "fix the host"
            )
        return [wire.stamped(frame, request, self.revision) for frame, request in zip(frames, requests, strict=True)]


def _asked(host: Host, name: str, requests: Sequence[Request]) -> list[pl.DataFrame]:
    """Call the method. Out of memory, one request is tried again with half of its pictures in one pass, down to one.

    What was too much stays too much, so the host keeps the smaller batch.
    """
    while True:
        try:
            return host.method(name)(requests)
        except Exception as error:
            batch = int(host.options.get("batch", 1))
            if not is_out_of_memory(error) or len(requests) > 1 or batch < 2:
                raise
            traceback.print_exception(error)
        _release_memory()  # not before the error is gone, which holds what was allocated
        host.options = {**host.options, "batch": batch // 2}


def _release_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
