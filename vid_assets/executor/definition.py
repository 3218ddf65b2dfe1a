"""The executor definition: its config, and how it starts a run."""

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from vid_assets.errors import TeardownError
from vid_assets.executor import _dagster as inside
from vid_assets.executor.context import threaded_context
from vid_assets.executor.event_log import drop_fulfilled_plans, kept_connections
from vid_assets.executor.limits import TAG_LIMITS
from vid_assets.executor.orphans import PROCESS_TAG, this_process
from vid_assets.executor.pools import Pools
from vid_assets.executor.run import Settings, WarmRun
from vid_assets.executor.workers import Gate
from vid_assets.threads import cores

CONFIG = dg.Field(
    {
        "max_concurrent": dg.Field(
            dg.IntSource,
            default_value=0,
            description="Maximum number of concurrent steps. 0: as many as this process has cores.",
        ),
        "model_wait_s": dg.Field(
            dg.Noneable(float),
            default_value=900.0,
            description="Maximum seconds that a step waits, without a slot, for its model to load. Then it starts, and"
            " its call waits or fails.",
        ),
        "retries": dg.Field(
            dg.Selector({"enabled": {}, "disabled": {}}),
            default_value={"enabled": {}},
            description="Whether steps that ask for a retry get it.",
        ),
        "tag_concurrency_limits": TAG_LIMITS,
    },
    description="Run steps on threads of the run process, while the models that they need load in the background.",
)


class WarmExecutor(dg.Executor):
    """Runs the steps of a run on threads of the run process; create it with `warm_executor`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def retries(self) -> inside.RetryMode:
        """Whether steps that ask for a retry get it."""
        return self._settings.retries

    def execute(
        self, plan_context: "inside.PlanOrchestrationContext", execution_plan: "inside.ExecutionPlan"
    ) -> Iterator[dg.DagsterEvent]:
        """Run the plan; called by Dagster.

        Args:
            plan_context: The run.
            execution_plan: Its steps.

        Yields:
            Every event of the run, already stored.

        Raises:
            TeardownError: A resource could not be closed after the last step.
        """
        pid = os.getpid()
        plan_context.instance.add_run_tags(plan_context.run_id, {PROCESS_TAG: this_process()})
        yield dg.DagsterEvent.engine_event(
            plan_context,
            f"Executing steps on up to {self._settings.max_concurrent} threads (pid: {pid})",
            inside.EngineEventData({"pid": str(pid), "step_keys": str(execution_plan.step_keys_to_execute)}),
        )
        started = time.monotonic()
        unclosed = None
        for event in inside.ExecuteRunWithPlanIterable(
            execution_plan=execution_plan,
            iterator=self._events,
            execution_context_manager=inside.PlanExecutionContextManager(
                job=plan_context.job,
                retry_mode=plan_context.retry_mode,
                execution_plan=execution_plan,
                run_config=plan_context.run_config,
                dagster_run=plan_context.dagster_run,
                instance=plan_context.instance,
                raise_on_error=plan_context.raise_on_error,
                output_capture=plan_context.output_capture,
            ),
        ):
            yield event
            unclosed = _unclosed(event) or unclosed
        if unclosed:
            # Dagster would count the run as a success, though a resource may not have stored its results
            raise TeardownError(f"run {plan_context.run_id}", unclosed, "correct the cause, and run it again")
        yield dg.DagsterEvent.engine_event(
            plan_context,
            f"Finished steps on threads (pid: {pid}) in {time.monotonic() - started:.2f} s",
            inside.EngineEventData({"pid": str(pid)}),
        )

    def _events(
        self, job_context: "inside.PlanExecutionContext", execution_plan: "inside.ExecutionPlan"
    ) -> Iterator[dg.DagsterEvent]:
        gate = Gate()
        with (
            kept_connections(job_context.instance),
            threaded_context(job_context, gate) as job,
            Pools(job) as pools,
            inside.ActiveExecution(execution_plan, retry_mode=self.retries) as active,
        ):
            try:
                yield from WarmRun(job, execution_plan, active, pools, gate, self._settings).events()
            finally:
                drop_fulfilled_plans(job_context.instance, job_context.run_id)


@dg.executor(name="warm", config_schema=CONFIG)
def warm_executor(init_context: dg.InitExecutorContext) -> WarmExecutor:
    """Run steps on threads of the run process, and load the models that they need in the background.

    At run start, every model that a step of the plan requires as a resource starts to load. A step whose model is still
    loading holds no slot: the other steps start first, the longest remaining path before the others. Op tags:
    ``dagster/priority`` takes precedence over that order, and ``vid_assets/expected_s`` is the expected time of a step.

    .. code-block:: yaml

        execution:
          config:
            max_concurrent: 4
            retries: {enabled: {}}
            tag_concurrency_limits: [{key: database, value: redshift, limit: 2}]
    """
    config: Mapping[str, Any] = init_context.executor_config
    wait_s = config["model_wait_s"]
    return WarmExecutor(
        Settings(
            max_concurrent=_threads(config["max_concurrent"]),
            model_wait_s=float("inf") if wait_s is None else wait_s,
            tag_concurrency_limits=config.get("tag_concurrency_limits", []),
            retries=inside.RetryMode(next(iter(config["retries"]))),
        )
    )


def _unclosed(event: dg.DagsterEvent) -> str | None:
    """Return the error of the event that reports resources that could not be closed; None for other events."""
    if not (event.event_type is dg.DagsterEventType.ENGINE_EVENT and event.engine_event_data.error):
        return None
    error = event.engine_event_data.error
    is_teardown = (event.message or "").startswith("Teardown of resources ")
    return f"its resources could not be closed: {error.message.strip()}" if is_teardown else None


def _threads(configured: int) -> int:
    return configured if configured > 0 else cores()
