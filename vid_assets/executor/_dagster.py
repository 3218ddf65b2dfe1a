"""All Dagster internals that the executor uses; ``tests/executor/test_internals.py`` pins each name.

Dagster has no public interface for an executor that runs steps on threads: the state machine of a plan, the event
stream of one step and the pool claims are private. No other file of this project imports from ``dagster._*``.
"""

from typing import TYPE_CHECKING

from dagster._core.events import EngineEventData
from dagster._core.execution.api import ExecuteRunWithPlanIterable
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.plan.execute_plan import _trigger_hook as trigger_hooks
from dagster._core.execution.plan.execute_plan import dagster_event_sequence_for_step
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.execution.plan.objects import ErrorSource, step_failure_event_from_exc_info
from dagster._core.execution.retries import RetryMode

if TYPE_CHECKING:
    from dagster._core.execution.context.system import PlanExecutionContext, PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan
    from dagster._core.execution.plan.step import ExecutionStep

__all__ = [
    "ActiveExecution",
    "EngineEventData",
    "ErrorSource",
    "ExecuteRunWithPlanIterable",
    "ExecutionPlan",
    "ExecutionStep",
    "InstanceConcurrencyContext",
    "PlanExecutionContext",
    "PlanExecutionContextManager",
    "PlanOrchestrationContext",
    "RetryMode",
    "dagster_event_sequence_for_step",
    "step_failure_event_from_exc_info",
    "trigger_hooks",
]
