"""Everything that the executor takes from Dagster's inside, in one place; ``tests/test_executor_internals.py`` pins it.

Dagster has no public interface for writing an executor that runs steps on threads. The parts below do: the state
machine of a plan, the event stream of one step, the claims on pools. What is added here is what threads need on top:
one log capture per run that knows which thread belongs to which step, an event loop that several threads may use, and
an event log that does not open its file anew for every event.
"""

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import dagster as dg
import sqlalchemy
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.events import EngineEventData
from dagster._core.execution.api import ExecuteRunWithPlanIterable
from dagster._core.execution.compute_logs import create_compute_log_file_key
from dagster._core.execution.context.system import (
    PlanExecutionContext,
    PlanOrchestrationContext,
    StepExecutionContext,
)
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.plan.execute_plan import (
    _handle_compute_log_setup_error as compute_log_setup_error,
)
from dagster._core.execution.plan.execute_plan import (
    _handle_compute_log_teardown_error as compute_log_teardown_error,
)
from dagster._core.execution.plan.execute_plan import _trigger_hook as trigger_hooks
from dagster._core.execution.plan.execute_plan import dagster_event_sequence_for_step
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.execution.plan.objects import ErrorSource, step_failure_event_from_exc_info
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.plan.step import ExecutionStep, IExecutionStep
from dagster._core.execution.resources_init import (
    get_required_resource_keys_for_step,
    get_transitive_required_resource_keys,
)
from dagster._core.execution.retries import RetryMode, get_retries_config
from dagster._core.execution.step_dependency_config import StepDependencyConfig, get_step_dependency_config_field
from dagster._core.execution.tags import get_tag_concurrency_limits_config
from dagster._core.instance.types import _EventListenerLogHandler
from dagster._core.log_manager import DagsterLogHandler, DagsterLogManager
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.tags import GLOBAL_CONCURRENCY_TAG
from dagster._utils.tags import TagConcurrencyLimitsCounter

from vid_assets.executor.models import Warmable
from vid_assets.executor.order import step_priority
from vid_assets.executor.workers import Gate

__all__ = [
    "ActiveExecution",
    "DagsterExecutionInterruptedError",
    "EngineEventData",
    "ExecuteRunWithPlanIterable",
    "ExecutionPlan",
    "ExecutionStep",
    "PlanExecutionContext",
    "PlanExecutionContextManager",
    "PlanOrchestrationContext",
    "Pools",
    "RetryMode",
    "StepDependencyConfig",
    "StepExecutionContext",
    "TagConcurrencyLimitsCounter",
    "capture_compute_logs",
    "copied_state",
    "get_retries_config",
    "get_step_dependency_config_field",
    "get_tag_concurrency_limits_config",
    "interrupted_event",
    "kept_connections",
    "models_by_step",
    "step_events",
    "threaded_context",
]

BLOCKED_AGAIN_S = 300.0

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


class ThreadLogs(DagsterLogManager):
    """A step's log whose capture of Python's loggers goes by thread, and which ends when the run does."""

    def __init__(
        self,
        dagster_handler: DagsterLogHandler,
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
def threaded_context(job: PlanExecutionContext, gate: Gate) -> Iterator[PlanExecutionContext]:
    """A copy of the run's context whose steps may run on threads: logs by thread, events through the gate."""
    logs = job.log
    storing = threading.RLock()
    router = ThreadRouter(logs._dagster_handler, gate, storing)
    for handler in logs._dagster_handler._handlers:
        if isinstance(handler, _EventListenerLogHandler):
            without_lock(handler)
    loop = SharedLoop(job.event_loop)
    for logger in logs._managed_loggers:
        logger.addHandler(router)
    try:
        yield PlanExecutionContext(
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


def step_events(step: StepExecutionContext) -> Iterator[dg.DagsterEvent]:
    """All events of one attempt at a step, its hooks included, in the caller's thread; each is stored as it comes."""
    missing = [key for key in step.required_resource_keys if not hasattr(step.resources, key)]
    if missing:
        raise dg.DagsterInvariantViolationError(f"step {step.step.key} needs resources {missing}, which did not start")
    events = []
    for event in dagster_event_sequence_for_step(step):
        events.append(event)
        yield event
    yield from trigger_hooks(step, events)


def interrupted_event(step: StepExecutionContext, reason: str) -> dg.DagsterEvent:
    """Record that a step was still running when its run was cancelled."""
    try:
        raise DagsterExecutionInterruptedError(reason)
    except DagsterExecutionInterruptedError:
        return step_failure_event_from_exc_info(step, sys.exc_info(), error_source=ErrorSource.INTERRUPT)


def models_by_step(job: PlanExecutionContext, plan: ExecutionPlan) -> tuple[dict[str, Warmable], dict[str, list[str]]]:
    """The models that the plan's steps need.

    Returns:
        Resource key to resource; and step key to the resource keys of its models. Steps that are still to be mapped
        stand under their unresolved key (``op[?]``).
    """
    resources = job.scoped_resources_builder.resource_instance_dict
    found: dict[str, Warmable] = {}
    needs: dict[str, list[str]] = {}
    for step in _steps_to_execute(plan):
        keys = get_transitive_required_resource_keys(
            get_required_resource_keys_for_step(job.job_def, step, plan), job.job_def.resource_defs
        )
        needs[step.key] = sorted(key for key in keys if isinstance(resources.get(key), Warmable))
        found |= {key: resource for key in needs[step.key] if isinstance(resource := resources[key], Warmable)}
    return found, needs


def _steps_to_execute(plan: ExecutionPlan) -> Sequence[IExecutionStep]:
    wanted = set(plan.step_handles_to_execute)
    return [step for handle, step in plan.step_dict.items() if handle in wanted]


@contextmanager
def capture_compute_logs(job: PlanExecutionContext, step_keys: Sequence[str]) -> Iterator[list[dg.DagsterEvent]]:
    """Capture stdout and stderr of the process for the whole run, as the in-process executor does.

    Yields:
        The events to report: what is captured where, and what went wrong with it. More may be in it on exit.
    """
    manager = job.instance.compute_log_manager
    log_key = manager.build_log_key_for_run(job.run_id, create_compute_log_file_key())
    capture = manager.capture_logs(log_key)
    events: list[dg.DagsterEvent] = []
    try:
        log_context = capture.__enter__()
    except Exception:  # noqa: BLE001 - a run without compute logs is better than no run; the event log says why
        events += compute_log_setup_error(job, sys.exc_info())
        yield events
        return
    events.append(dg.DagsterEvent.capture_logs(job, step_keys, log_key, log_context))
    try:
        yield events
    finally:
        try:
            capture.__exit__(None, None, None)
        except Exception:  # noqa: BLE001 - as above
            events += compute_log_teardown_error(job, sys.exc_info())


class Pools:
    """Claims on the instance's concurrency pools, freed on every path out of the run.

    Args:
        job: The run.
    """

    def __init__(self, job: PlanExecutionContext) -> None:
        self._job = job
        self._claims = InstanceConcurrencyContext(job.instance, job.dagster_run)
        self._held: dict[str, str] = {}
        self._waiting: dict[str, str] = {}
        self._told: dict[str, float] = {}

    def __enter__(self) -> "Pools":
        self._claims.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        for step_key in list(self._held):
            self.free(step_key)
        self._claims.__exit__(None, None, None)

    def claim(self, step: ExecutionStep) -> bool:
        """Take a slot in the step's pool; False if there is none free, or if it is too early to ask again."""
        pool = step.pool or step.tags.get(GLOBAL_CONCURRENCY_TAG)
        if not pool:
            return True
        if self._claims.claim(pool, step.key, step_priority(step.key, step.tags)):
            self._held[step.key] = pool
            self._waiting.pop(step.key, None)
            return True
        self._waiting[step.key] = pool
        return False

    def free(self, step_key: str) -> None:
        """Give the step's slot back, if it has one. Steps of this run that wait for the same pool may ask at once."""
        self._claims.free_step(step_key)
        freed = self._held.pop(step_key, None)
        for waiting, pool in self._waiting.items():
            if pool == freed:
                self._claims._pending_timeouts[waiting] = 0.0

    def blocked_event(self, step: ExecutionStep) -> dg.DagsterEvent | None:
        """Say in the log that a step waits for its pool: the first time, and every five minutes after that."""
        last = self._told.get(step.key)
        if step.key not in self._waiting or (last is not None and time.monotonic() - last < BLOCKED_AGAIN_S):
            return None
        self._told[step.key] = time.monotonic()
        return dg.DagsterEvent.step_concurrency_blocked(
            self._job.for_step(step), self._waiting[step.key], initial=last is None
        )

    def next_check_s(self) -> float:
        """Seconds until a waiting step may ask again; infinity if none waits."""
        due = [self._claims._pending_timeouts[step_key] for step_key in self._waiting]
        return max(0.0, min(due, default=float("inf")) - time.time())


@contextmanager
def kept_connections(instance: dg.DagsterInstance) -> Iterator[None]:
    """Let the SQLite event log keep its connections open for the duration of a run.

    As it comes, it builds an SQLAlchemy engine for every event it stores, compiles the statements anew, and closes the
    last connection to the file, which makes SQLite fold its write-ahead log back: most of what a run of small steps
    costs. Locking, transactions and durability stay as they are: each event is a synced commit of its own before its
    step goes on. Folding back is also what touched the file that the web server watches for new events, so the file is
    touched here instead. Other event logs are left alone.
    """
    storage = instance.event_log_storage
    if type(storage) is not sqlite_event_log.SqliteEventLogStorage:
        yield
        return
    engines: dict[str, Any] = {}
    theirs = storage._connect

    @contextmanager
    def connect(shard: str) -> Iterator[Any]:
        if shard not in storage._initialized_dbs:
            with theirs(shard) as connection:
                yield connection
            return
        with storage._db_lock:
            if shard not in engines:
                engines[shard] = sqlalchemy.create_engine(
                    storage.conn_string_for_shard(shard),
                    poolclass=sqlalchemy.StaticPool,
                    connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
                )
            with engines[shard].connect() as connection, connection.begin():
                yield connection
            os.utime(storage.path_for_shard(shard))

    vars(storage)["_connect"] = connect
    try:
        yield
    finally:
        with storage._db_lock:
            if vars(storage).get("_connect") is connect:
                del vars(storage)["_connect"]
            for engine in engines.values():
                engine.dispose()


def copied_state(active: ActiveExecution) -> Any:
    """What a step is told about the others' outputs, as of now: Dagster hands out its own set, which changes."""
    state = active.get_known_state()
    return state._replace(ready_outputs=set(state.ready_outputs))
