"""Everything that the executor takes from Dagster's inside; ``tests/test_executor_internals.py`` pins each name.

Dagster has no public interface for an executor that runs steps on threads: the state machine of a plan, the event
stream of one step and the claims on pools are private. No other file of this project imports from ``dagster._*``.
"""

from typing import TYPE_CHECKING

from dagster._core.definitions.partitions.subset import DefaultPartitionsSubset
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.events import EngineEventData
from dagster._core.execution.api import ExecuteRunWithPlanIterable
from dagster._core.execution.compute_logs import create_compute_log_file_key
from dagster._core.execution.context.output import OutputContext
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
from dagster._core.instance.types import _EventListenerLogHandler as EventStoreHandler
from dagster._core.log_manager import DagsterLogHandler, DagsterLogManager
from dagster._core.storage.tags import GLOBAL_CONCURRENCY_TAG, GRPC_INFO_TAG, HIDDEN_TAG_PREFIX
from dagster._utils.tags import TagConcurrencyLimitsCounter

if TYPE_CHECKING:
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

__all__ = [
    "GLOBAL_CONCURRENCY_TAG",
    "GRPC_INFO_TAG",
    "HIDDEN_TAG_PREFIX",
    "ActiveExecution",
    "DagsterExecutionInterruptedError",
    "DagsterLogHandler",
    "DagsterLogManager",
    "DefaultPartitionsSubset",
    "EngineEventData",
    "ErrorSource",
    "EventStoreHandler",
    "ExecuteRunWithPlanIterable",
    "ExecutionPlan",
    "ExecutionStep",
    "IExecutionStep",
    "InstanceConcurrencyContext",
    "OutputContext",
    "PlanExecutionContext",
    "PlanExecutionContextManager",
    "PlanOrchestrationContext",
    "RetryMode",
    "StepDependencyConfig",
    "StepExecutionContext",
    "TagConcurrencyLimitsCounter",
    "compute_log_setup_error",
    "compute_log_teardown_error",
    "create_compute_log_file_key",
    "dagster_event_sequence_for_step",
    "get_required_resource_keys_for_step",
    "get_retries_config",
    "get_step_dependency_config_field",
    "get_tag_concurrency_limits_config",
    "get_transitive_required_resource_keys",
    "sqlite_storage",
    "step_failure_event_from_exc_info",
    "trigger_hooks",
]


def sqlite_storage() -> "tuple[type[SqliteEventLogStorage], int]":
    """The event log on SQLite, and the seconds that it waits for another writer.

    Loaded when asked for: it is a third of what importing the code location would cost otherwise.
    """
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
    from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS

    return SqliteEventLogStorage, SQLITE_BUSY_TIMEOUT_SECONDS
