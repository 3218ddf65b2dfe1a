"""One run on threads: when each step starts, what its events change, and how the run ends."""

import queue
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import dagster as dg

from vid_assets.executor import _dagster as inside
from vid_assets.executor.limits import is_blocked
from vid_assets.executor.loading import Model, Models
from vid_assets.executor.notes import ModelReport
from vid_assets.executor.order import expected_seconds, remaining_paths, step_priority, unresolved_key
from vid_assets.executor.pools import Pools
from vid_assets.executor.steps import (
    capture_compute_logs,
    copied_state,
    interrupted_event,
    models_by_step,
    step_events,
)
from vid_assets.executor.stop import current_stop
from vid_assets.executor.workers import Gate, StepDone, StepEvent, Workers

INTERRUPT_POLL_S = 0.2
CANCEL_GRACE_S = 0.5
CLOSE_WAIT_S = 0.25
LOOK_SOONEST_S = 0.05
LOOK_LATEST_S = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a run is executed.

    Attributes:
        max_concurrent: Maximum number of concurrent steps, at least 1.
        model_wait_s: Maximum seconds that a step waits for its model before it starts regardless.
        tag_concurrency_limits: Dagster's limits by op tag, within the run.
        retries: Whether steps that ask for a retry get it.
    """

    max_concurrent: int
    model_wait_s: float
    tag_concurrency_limits: list[dict[str, Any]]
    retries: inside.RetryMode


class WarmRun:
    """One run. All of this runs in the run's own thread; workers and watchers only put messages in its inbox.

    Args:
        job: The run's context, made for threads.
        plan: Its steps.
        active: Dagster's record of the state of each step.
        pools: Claims on the instance's pools.
        gate: Between the steps and the event log.
        settings: The executor's config.
    """

    def __init__(
        self,
        job: "inside.PlanExecutionContext",
        plan: "inside.ExecutionPlan",
        active: inside.ActiveExecution,
        pools: Pools,
        gate: Gate,
        settings: Settings,
    ) -> None:
        self._job, self._plan, self._active, self._pools, self._gate = job, plan, active, pools, gate
        self._settings = settings
        # Not a SimpleQueue: its get() hangs if a signal arrives at the end of its timeout (CPython 3.11).
        self._inbox: queue.Queue[object] = queue.Queue()
        self._workers = Workers(settings.max_concurrent, self._inbox.put, gate)
        handles, self._needs = models_by_step(job, plan)
        self._models = Models(handles, self._inbox.put, settings.model_wait_s)
        self._report = ModelReport(self._models)
        self._tails = self._remaining_paths()
        self._held: list[inside.ExecutionStep] = []
        self._running: dict[str, dg.StepExecutionContext] = {}
        self._started: dict[str, float] = {}
        self._ended: set[str] = set()
        self._spans: list[tuple[float, float]] = []
        self._retry_at: list[float] = []
        self._errors: list[BaseException] = []
        self._look_at = 0.0
        self._stop_by = float("inf")
        self._stop = current_stop()

    def events(self) -> Iterator[dg.DagsterEvent]:
        """Run all steps.

        Yields:
            The events of the steps and of the engine.

        Raises:
            DagsterExecutionInterruptedError: The run was asked to stop.
            BaseException: The first error that no step event reports, after the other steps have ended.
        """
        keys = [step.key for step in self._plan.get_steps_to_execute_in_topo_order()]
        self._models.start()
        with capture_compute_logs(self._job, keys) as log_events:
            yield from log_events
            log_events.clear()
            try:
                yield from self._loop()
            finally:
                self._shut_down()
        yield from log_events
        if self._stopping or (self._stop.soon.is_set() and not self._active.is_complete):
            if self._stop.is_set:
                # the stop is intended: otherwise Dagster takes it for a crash, and starts the run again
                self._job.instance.report_run_canceling(self._job.dagster_run)
            raise dg.DagsterExecutionInterruptedError
        if self._errors:
            raise self._errors[0]

    def _loop(self) -> Iterator[dg.DagsterEvent]:
        while True:
            if not self._stopping and (self._stop.now.is_set() or self._active.check_for_interrupts()):
                yield from self._interrupt()
            if not self._no_more and time.monotonic() >= self._look_at:
                yield from self._notes()
                yield from self._dispatch()
            if time.monotonic() >= self._stop_by:
                yield from self._abandon()
            if not self._running and (self._no_more or self._active.is_complete):
                yield from self._notes(at_end=True)
                return
            now = time.monotonic()
            wake_at = min(now + INTERRUPT_POLL_S, self._stop_by, float("inf") if self._no_more else self._look_at)
            try:
                message = self._inbox.get(timeout=max(0.0, wake_at - now))
            except queue.Empty:
                continue
            yield from self._handle(message)

    @property
    def _stopping(self) -> bool:
        return self._stop_by < float("inf")

    @property
    def _no_more(self) -> bool:
        """Whether to start no further step: the run is being stopped, or its caller wants the first error."""
        return self._stopping or self._stop.soon.is_set() or (bool(self._errors) and self._job.raise_on_error)

    def _handle(self, message: object) -> Iterator[dg.DagsterEvent]:
        if isinstance(message, StepEvent):
            yield message.event
            self._record(message.step_key, message.event)
        elif isinstance(message, StepDone):
            yield from self._step_done(message)
        elif isinstance(message, Model):
            self._look_at = 0.0

    def _record(self, step_key: str, event: dg.DagsterEvent) -> None:
        """Pass a step's event to Dagster's state machine, and note when it may let other steps start."""
        self._active.handle_event(event)
        if event.is_step_success or event.is_step_failure or event.is_step_up_for_retry:
            self._ended.add(step_key)
            self._pools.free(step_key)
            self._look_at = 0.0
        if event.is_step_up_for_retry:
            self._retry_at.append(time.monotonic() + (event.step_retry_data.seconds_to_wait or 0.0))

    def _step_done(self, done: StepDone) -> Iterator[dg.DagsterEvent]:
        del self._running[done.step_key]
        self._spans.append((self._started.pop(done.step_key), time.monotonic()))
        self._pools.free(done.step_key)
        self._look_at = 0.0
        # An interrupt that a step raises itself is a failure of that step, and its failure event reports it.
        interrupts = (KeyboardInterrupt, dg.DagsterExecutionInterruptedError)
        if done.error is not None and not isinstance(done.error, interrupts):
            self._errors.append(done.error)
        if done.step_key not in self._ended:
            self._active.verify_complete(self._job, done.step_key)
        if not self._no_more:
            yield from self._active.plan_events_iterator(self._job)

    def _dispatch(self) -> Iterator[dg.DagsterEvent]:
        """Give free threads to the steps that may start: by priority, then by the longest path that depends on them."""
        self._held += self._active.get_steps_to_execute()
        self._held.sort(key=self._rank)
        started: set[str] = set()
        for step in self._held:
            if len(self._running) >= self._settings.max_concurrent:
                break
            # A step that asked for a retry still holds its thread while its hooks run.
            if step.key in self._running or not self._may_start(step) or self._is_limited(step):
                continue
            if not self._pools.claim(step):
                if blocked := self._pools.blocked_event(step):
                    yield blocked
                continue
            started.add(step.key)
            self._start(step)
        self._held = [step for step in self._held if step.key not in started]
        self._look_at = self._next_look()

    def _next_look(self) -> float:
        """Return when to look for steps to start unless a message arrives: a retry is due, or a step is held back."""
        now = time.monotonic()
        self._retry_at = [at for at in self._retry_at if at > now]
        if len(self._running) >= self._settings.max_concurrent:
            return float("inf")
        due = [*self._retry_at, *([now + LOOK_LATEST_S] if self._held else [])]
        return max(now + LOOK_SOONEST_S, min(due, default=float("inf")))

    def _start(self, step: "inside.ExecutionStep") -> None:
        context = self._job.for_step(step, copied_state(self._active))
        self._running[step.key] = context
        self._started[step.key] = time.monotonic()
        self._ended.discard(step.key)
        self._workers.submit(step.key, partial(step_events, context))

    def _may_start(self, step: "inside.ExecutionStep") -> bool:
        names = _look_up(self._needs, step.key)
        return self._models.ready(names) or (not self._running and self._models.nobody_loads(names))

    def _is_limited(self, step: "inside.ExecutionStep") -> bool:
        running = (context.step.tags for context in self._running.values())
        return is_blocked(self._settings.tag_concurrency_limits, step.tags, running)

    def _rank(self, step: "inside.ExecutionStep") -> tuple[float, float]:
        return -step_priority(step.key, step.tags), -_look_up(self._tails, step.key)

    def _remaining_paths(self) -> dict[str, float]:
        upstream = {key: deps for key, deps in self._plan.get_all_step_deps().items() if key in self._needs}
        tags = {key: self._plan.get_step_by_key(key).tags or {} for key in upstream}
        for key in upstream:
            step_priority(key, tags[key])
        return remaining_paths(upstream, lambda key: expected_seconds(key, tags[key]))

    def _interrupt(self) -> Iterator[dg.DagsterEvent]:
        """Ask everything that runs to stop: the flag that steps check, and the calls that they wait in."""
        self._stop_by = time.monotonic() + CANCEL_GRACE_S
        self._active.mark_interrupted()
        self._gate.cancelled.set()
        self._models.cancel()
        yield dg.DagsterEvent.engine_event(
            self._job,
            f"Asked to stop: {len(self._running)} running steps have {CANCEL_GRACE_S} s to end",
            inside.EngineEventData({"steps_interrupted": str(list(self._running))}),
        )

    def _abandon(self) -> Iterator[dg.DagsterEvent]:
        """End the run without the steps that did not stop. From here on their threads can store nothing."""
        self._close_gate()
        while not self._inbox.empty():
            yield from self._handle(self._inbox.get())
        for step_key, context in self._running.items():
            if step_key not in self._ended:
                event = interrupted_event(context, f"{step_key} was still running when its run was cancelled")
                yield event
                self._active.handle_event(event)
            self._pools.free(step_key)
        self._running.clear()

    def _shut_down(self) -> None:
        """End threads and watchers, however the loop ended. Running steps are asked to stop, then abandoned."""
        self._models.stop()
        if self._running:
            self._gate.cancelled.set()
            self._models.cancel()
        self._workers.close(0.0 if self._gate.closed else CANCEL_GRACE_S)
        if self._running:
            self._close_gate()

    def _close_gate(self) -> None:
        """Keep abandoned steps out of the event log, and end them; never while one may hold the event log's lock."""
        if self._gate.close(CLOSE_WAIT_S):
            for step_key in self._running:
                self._workers.stop(step_key)

    def _notes(self, at_end: bool = False) -> Iterator[dg.DagsterEvent]:
        now = time.monotonic()
        spans = [*self._spans, *((start, now) for start in self._started.values())]
        for note in self._report.notes(spans, at_end):
            yield dg.DagsterEvent.engine_event(self._job, note.text, inside.EngineEventData(note.metadata))


def _look_up(table: Mapping[str, T], step_key: str) -> T:
    """Return a step's entry; a mapped step uses the key that it had before its mapping was known."""
    return table[step_key] if step_key in table else table[unresolved_key(step_key)]
