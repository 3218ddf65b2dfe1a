"""The threads that run steps, and the gate between them and the event log."""

import contextvars
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from vid_assets.threads import raise_in

_current_gate: contextvars.ContextVar["Gate | None"] = contextvars.ContextVar("vid_assets_gate", default=None)


def cancelled() -> bool:
    """Whether the run of this step is being cancelled, or has ended without it.

    A thread cannot be killed: work that outlives its cancelled run continues until it checks. Check before writing to a
    place that outlives the process. Outside a step of `warm_executor` (another executor, a test) it is False.
    """
    gate = _current_gate.get()
    return gate is not None and gate.cancelled.is_set()


class Abandoned(BaseException):
    """Raised inside a step whose run has ended without it.

    It derives from BaseException so that a step's own ``except Exception`` does not keep the step running.
    """


class Gate:
    """Lets the threads of one run reach the event log until the run ends, and not after.

    Attributes:
        cancelled: Set when the run is asked to stop; `cancelled` reads it.
    """

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self._owner = threading.get_ident()
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Hold the gate open while one event or log line is stored.

        Raises:
            Abandoned: The gate is closed, and this is not the thread that created it.
        """
        if threading.get_ident() == self._owner:
            yield
            return
        with self._changed:
            if self._closed:
                raise Abandoned
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether the run has ended without some of its steps."""
        return self._closed

    def close(self, wait_s: float) -> bool:
        """Let no more threads in, and wait up to `wait_s` seconds for those inside to leave.

        Returns:
            Whether all have left.
        """
        self.cancelled.set()
        with self._changed:
            self._closed = True
            return self._changed.wait_for(lambda: self._inside == 0, wait_s)


@dataclass(frozen=True, slots=True)
class StepEvent:
    """A step has produced one event, which is already in the event log."""

    step_key: str
    event: Any


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step's thread is free again.

    Attributes:
        step_key: Key of the step.
        error: What the step's event stream raised; None if the stream ended normally.
    """

    step_key: str
    error: BaseException | None


class Workers:
    """Threads that turn steps into messages. They start on demand and are daemons: a stuck one does not block the exit.

    Args:
        size: Maximum number of threads.
        outbox: Called with each `StepEvent` and `StepDone`, from the worker's thread.
        gate: The run's gate.
    """

    def __init__(self, size: int, outbox: Callable[[object], None], gate: Gate) -> None:
        self._size = size
        self._outbox = outbox
        self._gate = gate
        self._inbox: queue.SimpleQueue[tuple[str, Callable[[], Iterator[Any]]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._thread_of: dict[str, int] = {}

    def submit(self, step_key: str, events: Callable[[], Iterator[Any]]) -> None:
        """Run one step. The caller never submits more than `size` unfinished steps."""
        if len(self._threads) < self._size:
            thread = threading.Thread(target=self._work, daemon=True, name=f"warm-{len(self._threads)}")
            self._threads.append(thread)
            thread.start()
        self._inbox.put((step_key, events))

    def stop(self, step_key: str) -> None:
        """Raise `Abandoned` in the step's thread; call it only after the gate is closed and empty.

        It ends Python code at its next instruction, which frees the interpreter lock for the rest of the shutdown. A
        call into native code finishes first.
        """
        if (thread := self._thread_of.get(step_key)) is not None:
            raise_in(thread, Abandoned)

    def close(self, wait_s: float) -> None:
        """Let the threads end when their steps do, and wait up to `wait_s` seconds in total."""
        for _ in self._threads:
            self._inbox.put(None)
        deadline = time.monotonic() + wait_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        _current_gate.set(self._gate)
        with suppress(Abandoned):
            while (task := self._inbox.get()) is not None:
                self._run(*task)

    def _run(self, step_key: str, events: Callable[[], Iterator[Any]]) -> None:
        thread = threading.current_thread()
        idle_name, thread.name = thread.name, f"step {step_key}"
        self._thread_of[step_key] = threading.get_ident()
        error = None
        try:
            for event in events():
                self._outbox(StepEvent(step_key, event))
        except Abandoned:
            return
        except BaseException as problem:  # noqa: BLE001 - passed to the run's thread, which reports it
            error = problem
        finally:
            del self._thread_of[step_key]
        thread.name = idle_name
        self._outbox(StepDone(step_key, error))
