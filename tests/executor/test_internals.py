"""Every piece of Dagster's inside that the executor leans on, by name: an upgrade that moves one fails here first."""

import ast
import inspect
import logging
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.scoped_resources_builder import ScopedResourcesBuilder
from dagster._core.execution.plan.state import KnownExecutionState

from vid_assets.executor import _dagster as inside

PACKAGE = Path(inside.__file__).parents[1]
SqliteEventLogStorage, SQLITE_BUSY_TIMEOUT_SECONDS = inside.sqlite_storage()

SIGNATURES = {
    inside.ActiveExecution: [
        "execution_plan", "retry_mode", "sort_key_fn", "max_concurrent", "tag_concurrency_limits",
        "instance_concurrency_context", "step_dependency_config",
    ],
    inside.ActiveExecution.get_steps_to_execute: ["self", "limit"],
    inside.ActiveExecution.handle_event: ["self", "dagster_event"],
    inside.ActiveExecution.plan_events_iterator: ["self", "job_context"],
    inside.ActiveExecution.verify_complete: ["self", "job_context", "step_key"],
    inside.ActiveExecution.check_for_interrupts: ["self"],
    inside.ActiveExecution.mark_interrupted: ["self"],
    inside.ActiveExecution.get_known_state: ["self"],
    inside.DagsterLogManager: ["dagster_handler", "level", "managed_loggers"],
    inside.DagsterLogManager.with_tags: ["self", "new_tags"],
    inside.DagsterLogManager.begin_python_log_capture: ["self"],
    inside.DagsterLogManager.end_python_log_capture: ["self"],
    inside.DagsterLogHandler.with_tags: ["self", "new_tags"],
    inside.ExecuteRunWithPlanIterable: ["execution_plan", "iterator", "execution_context_manager"],
    inside.InstanceConcurrencyContext: ["instance", "dagster_run"],
    inside.InstanceConcurrencyContext.claim: ["self", "concurrency_key", "step_key", "step_priority"],
    inside.InstanceConcurrencyContext.free_step: ["self", "step_key"],
    inside.StepExecutionContext.get_output_context: ["self", "step_output_handle", "output_metadata"],
    inside.PlanExecutionContext: ["plan_data", "execution_data", "log_manager", "output_capture", "event_loop"],
    inside.PlanExecutionContext.for_step: ["self", "step", "known_state"],
    inside.PlanExecutionContextManager: [
        "job", "execution_plan", "run_config", "dagster_run", "instance", "retry_mode", "scoped_resources_builder_cm",
        "raise_on_error", "output_capture", "step_dependency_config",
    ],
    inside.TagConcurrencyLimitsCounter: ["tag_concurrency_limits", "in_progress_tagged_items"],
    inside.TagConcurrencyLimitsCounter.is_blocked: ["self", "item"],
    inside.TagConcurrencyLimitsCounter.update_counters_with_launched_item: ["self", "item"],
    inside.compute_log_setup_error: ["context", "exc_info"],
    inside.compute_log_teardown_error: ["context", "exc_info"],
    inside.create_compute_log_file_key: [],
    inside.dagster_event_sequence_for_step: ["step_context", "force_local_execution"],
    inside.get_required_resource_keys_for_step: ["job_def", "execution_step", "execution_plan"],
    inside.get_transitive_required_resource_keys: ["required_resource_keys", "resource_defs"],
    inside.get_retries_config: [],
    inside.get_step_dependency_config_field: [],
    inside.get_tag_concurrency_limits_config: [],
    inside.step_failure_event_from_exc_info: ["step_context", "exc_info", "user_failure_data", "error_source"],
    inside.trigger_hooks: ["step_context", "step_event_list"],
    inside.EngineEventData.in_process: ["pid", "step_keys_to_execute"],
    inside.EngineEventData.interrupted: ["steps_interrupted"],
    inside.RetryMode.from_config: ["config_value"],
    inside.StepDependencyConfig.from_config: ["config_value"],
    inside.ExecutionPlan.get_all_step_deps: ["self"],
    inside.ExecutionPlan.get_step_by_key: ["self", "key"],
    inside.ExecutionPlan.get_steps_to_execute_in_topo_order: ["self"],
    dg.DagsterEvent.engine_event: ["plan_context", "message", "event_specific_data"],
    dg.DagsterEvent.capture_logs: ["job_context", "step_keys", "log_key", "log_context"],
    dg.DagsterEvent.step_concurrency_blocked: ["step_context", "concurrency_key", "initial"],
    SqliteEventLogStorage._connect: ["self", "shard"],
    SqliteEventLogStorage.conn_string_for_shard: ["self", "shard_name"],
    SqliteEventLogStorage.path_for_shard: ["self", "run_id"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("thing", "expected"), SIGNATURES.items(), ids=lambda value: getattr(value, "__qualname__", "")
)
def test_signature(thing, expected):
    assert list(inspect.signature(thing).parameters) == expected


def test_attributes(tmp_path):
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        storage = instance.event_log_storage
        assert type(storage) is SqliteEventLogStorage
        assert isinstance(storage._initialized_dbs, set)
        assert storage._db_lock.acquire(timeout=1)
        storage._db_lock.release()
        run = instance.create_run_for_job(simple_job())
        claims = inside.InstanceConcurrencyContext(instance, run)
        assert claims._pending_timeouts["never asked"] == 0.0
        log = inside.DagsterLogManager.create(loggers=[], instance=instance)
        kinds = [type(handler) for handler in log._dagster_handler._handlers]
        assert kinds == [inside.EventStoreHandler]
    assert isinstance(log._dagster_handler, logging.Handler)
    assert [logger.name for logger in log._managed_loggers] == ["dagster.builtin"]


def simple_job():
    @dg.op
    def first():
        return 1

    @dg.job
    def j():
        first()

    return j


def test_records():
    assert ScopedResourcesBuilder._fields == ("resource_instance_dict", "contains_generator")
    assert "ready_outputs" in KnownExecutionState._fields
    assert {"step_dict", "step_handles_to_execute"} <= set(inside.ExecutionPlan._fields)
    assert {"tags", "pool", "key", "handle"} <= set(dir(inside.ExecutionStep))
    assert {member.name for member in inside.RetryMode} == {"ENABLED", "DISABLED", "DEFERRED"}
    assert inside.ErrorSource.INTERRUPT.value == "INTERRUPT"
    assert inside.GLOBAL_CONCURRENCY_TAG == "dagster/concurrency_key"
    assert (inside.HIDDEN_TAG_PREFIX, inside.GRPC_INFO_TAG) == (".dagster/", ".dagster/grpc_info")
    assert SQLITE_BUSY_TIMEOUT_SECONDS > 0
    context = {"job_def", "scoped_resources_builder", "raise_on_error", "instance", "dagster_run", "run_id"}
    assert context <= set(dir(inside.PlanExecutionContext))
    assert isinstance(inspect.getattr_static(inside.PlanExecutionContext, "event_loop"), property)


def test_the_loop_is_used_in_one_way_only():
    """Steps only ever call `run_until_complete` on the run's loop; the stand-in offers no more."""
    from dagster._core.execution.plan import compute

    assert inspect.getsource(compute).count("event_loop") == inspect.getsource(compute).count(
        "event_loop.run_until_complete("
    )


def test_an_output_stands_for_a_subset_of_partitions_that_can_be_replaced():
    subset = inside.DefaultPartitionsSubset({"one"})
    output = inside.OutputContext(step_key="step", name="result", asset_partitions_subset=subset)
    assert output.has_asset_partitions
    output._asset_partitions_subset = inside.DefaultPartitionsSubset({"two"})
    assert output.asset_partition_keys == ["two"]


def test_only_one_file_reaches_inside():
    users = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(name.startswith("dagster._") for name in imported(path))
    ]
    assert users == ["executor/_dagster.py"]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_every_import_from_inside_is_pinned_here():
    """Whoever adds one adds its line above."""
    source = ast.parse(Path(inside.__file__).read_text())
    taken = {
        alias.asname or alias.name
        for node in ast.walk(source)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dagster._")
        for alias in node.names
    }
    here = Path(__file__).read_text()
    types_only = {"PlanOrchestrationContext", "IExecutionStep"}
    on_demand = {"SqliteEventLogStorage", "SQLITE_BUSY_TIMEOUT_SECONDS"}
    assert {name for name in taken if f"inside.{name}" not in here} == types_only | on_demand
    assert issubclass(inside.DagsterExecutionInterruptedError, BaseException)
