"""Everything of Dagster that the executor uses and that is not documented: an upgrade that moves it fails here first.

Each pin says what the executor does with the name, so that a failure says what is broken.
"""

import ast
import inspect
import logging
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import pytest
from dagster._core.definitions.scoped_resources_builder import ScopedResourcesBuilder
from dagster._core.execution.context.system import PlanExecutionContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.plan.step import ExecutionStep
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.tags import GLOBAL_CONCURRENCY_TAG, GRPC_INFO_TAG, HIDDEN_TAG_PREFIX, PRIORITY_TAG

from vid_assets.executor import _dagster as inside
from vid_assets.executor import event_log, order, orphans, pools

PACKAGE = Path(inside.__file__).parents[1]


class Pin(NamedTuple):
    """A callable, the parameters that it must have, and what the executor does with it."""

    thing: Any
    parameters: str
    use: str


RUN = "runs a plan: loads resources, stores the events, ends the run"
STATE = "knows which step may start, which waits for a retry, and which must be skipped"
STEP = "runs one step and turns it into events"
POOL = "takes and frees slots in pools that other runs share"
LOGS = "sends each step's events and lines to the event log from its own thread"
MODELS = "finds the models that a step will ask for, so that they load ahead"
PARTIAL = "lets a step over several videos deliver the good ones"
STORAGE = "keeps the connections of the event log open for a run"
NOTES = "writes to the run's log"

CALLS = [
    Pin(
        inside.ActiveExecution,
        "execution_plan retry_mode sort_key_fn max_concurrent tag_concurrency_limits instance_concurrency_context"
        " step_dependency_config",
        STATE,
    ),
    Pin(inside.ActiveExecution.get_steps_to_execute, "self limit", STATE),
    Pin(inside.ActiveExecution.handle_event, "self dagster_event", STATE),
    Pin(inside.ActiveExecution.plan_events_iterator, "self job_context", STATE),
    Pin(inside.ActiveExecution.verify_complete, "self job_context step_key", STATE),
    Pin(inside.ActiveExecution.check_for_interrupts, "self", "notices that the run is being cancelled"),
    Pin(inside.ActiveExecution.mark_interrupted, "self", "notices that the run is being cancelled"),
    Pin(inside.ActiveExecution.get_known_state, "self", STATE),
    Pin(inside.EngineEventData, "metadata error marker_start marker_end", NOTES),
    Pin(inside.ExecuteRunWithPlanIterable, "execution_plan iterator execution_context_manager", RUN),
    Pin(
        inside.PlanExecutionContextManager,
        "job execution_plan run_config dagster_run instance retry_mode scoped_resources_builder_cm raise_on_error"
        " output_capture step_dependency_config",
        RUN,
    ),
    Pin(inside.InstanceConcurrencyContext, "instance dagster_run", POOL),
    Pin(inside.InstanceConcurrencyContext.claim, "self concurrency_key step_key step_priority", POOL),
    Pin(inside.InstanceConcurrencyContext.free_step, "self step_key", POOL),
    Pin(inside.dagster_event_sequence_for_step, "step_context force_local_execution", STEP),
    Pin(inside.trigger_hooks, "step_context step_event_list", "runs a step's hooks"),
    Pin(
        inside.step_failure_event_from_exc_info,
        "step_context exc_info user_failure_data error_source",
        "fails a step that still ran when its run was cancelled",
    ),
    Pin(dg.DagsterEvent.engine_event, "plan_context message event_specific_data", NOTES),
    Pin(dg.DagsterEvent.capture_logs, "job_context step_keys log_key log_context", "shows stdout and stderr in the UI"),
    Pin(dg.DagsterEvent.step_concurrency_blocked, "step_context concurrency_key initial", NOTES),
    Pin(dg.DagsterLogManager, "dagster_handler level managed_loggers", LOGS),
    Pin(dg.DagsterLogManager.with_tags, "self new_tags", LOGS),
    Pin(dg.DagsterLogManager.begin_python_log_capture, "self", LOGS),
    Pin(dg.DagsterLogManager.end_python_log_capture, "self", LOGS),
    Pin(PlanExecutionContext, "plan_data execution_data log_manager output_capture event_loop", LOGS),
    Pin(PlanExecutionContext.for_step, "self step known_state", STEP),
    Pin(ExecutionPlan.get_all_step_deps, "self", "orders steps by the longest path that hangs on them"),
    Pin(ExecutionPlan.get_step_by_key, "self key", "reads a step's tags"),
    Pin(ExecutionPlan.get_steps_to_execute_in_topo_order, "self", "names the steps whose output is captured"),
    Pin(dg.JobDefinition.get_node, "self handle", MODELS),
    Pin(dg.ResourceDefinition.get_required_resource_keys, "self resource_defs", MODELS),
    Pin(dg.StepExecutionContext.get_output_context, "self step_output_handle output_metadata", PARTIAL),
    Pin(dg.PartitionsDefinition.subset_with_partition_keys, "self partition_keys", PARTIAL),
    Pin(SqlEventLogStorage.run_connection, "self run_id", STORAGE),
    Pin(SqlEventLogStorage.index_connection, "self", STORAGE),
    Pin(SqliteEventLogStorage.path_for_shard, "self run_id", STORAGE),
]

ATTRIBUTES = [
    (ScopedResourcesBuilder, "resource_instance_dict", MODELS),
    (KnownExecutionState, "ready_outputs", "hands a step a copy of what the others have put out"),
    (ExecutionPlan, "step_dict step_handles_to_execute step_keys_to_execute", MODELS),
    (ExecutionStep, "key node_handle pool tags", "reads a step's pool, tags and op"),
    (dg.OpDefinition, "required_resource_keys output_defs", MODELS),
    (PlanExecutionContext, "job_def scoped_resources_builder event_loop plan_data output_capture log", LOGS),
    (PlanExecutionContext, "raise_on_error instance dagster_run run_id", RUN),
    (dg.StepExecutionContext, "required_resource_keys resources", "says which resource of a step did not start"),
    (dg.OutputContext, "has_asset_partitions asset_partitions_def", PARTIAL),
    (dg.DagsterInstance, "managed_python_loggers compute_log_manager event_log_storage", LOGS),
]


@pytest.mark.parametrize("pin", CALLS, ids=lambda pin: pin.thing.__qualname__)
def test_calls(pin):
    found = " ".join(inspect.signature(pin.thing).parameters)
    assert found == pin.parameters, f"{pin.thing.__qualname__} has changed; the executor {pin.use} with it"


@pytest.mark.parametrize(("owner", "names", "use"), ATTRIBUTES, ids=lambda value: getattr(value, "__name__", ""))
def test_attributes(owner, names, use):
    known = {*dir(owner), *getattr(owner, "_fields", ())}
    assert set(names.split()) <= known, f"{owner.__name__} has changed; the executor {use} with it"


def test_the_log_can_be_made_again_with_other_handlers(tmp_path):
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        log = dg.DagsterLogManager.create(loggers=[], instance=instance)
    handler = log._dagster_handler
    assert list(inspect.signature(type(handler)).parameters) == ["metadata", "loggers", "handlers"]
    assert (handler._loggers, handler.metadata["step_key"]) == ([], None)
    assert [isinstance(inner, logging.Handler) for inner in handler._handlers] == [True]
    assert type(handler.with_tags(step_key="a")) is type(handler)


def test_the_default_event_log_has_a_file_per_run(tmp_path):
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance, dg.DagsterInstance.ephemeral() as memory:
        storage = instance.event_log_storage
        assert type(storage) is SqliteEventLogStorage
        assert event_log.has_file_per_run(storage)
        assert not event_log.has_file_per_run(memory.event_log_storage)
        assert Path(storage.path_for_shard(event_log.INDEX)).is_file()
        with storage.index_connection() as connection:
            assert connection.engine.url.database == storage.path_for_shard(event_log.INDEX)
    assert event_log.INDEX == INDEX_SHARD_NAME


def test_constants():
    assert {"ENABLED": "enabled", "DISABLED": "disabled"}.items() <= {
        member.name: member.value for member in inside.RetryMode
    }.items()
    assert inside.ErrorSource.INTERRUPT.value == "INTERRUPT"
    assert pools.POOL_TAG == GLOBAL_CONCURRENCY_TAG
    assert order.PRIORITY_TAG == PRIORITY_TAG
    assert (orphans.HIDDEN_TAG_PREFIX, orphans.GRPC_INFO_TAG) == (HIDDEN_TAG_PREFIX, GRPC_INFO_TAG)


def test_the_loop_is_used_in_one_way_only():
    """Steps only ever call `run_until_complete` on the run's loop; the stand-in offers no more."""
    from dagster._core.execution.plan import compute

    assert inspect.getsource(compute).count("event_loop") == inspect.getsource(compute).count(
        "event_loop.run_until_complete("
    )


def test_an_output_stands_for_a_subset_of_partitions_that_can_be_replaced():
    videos = dg.DynamicPartitionsDefinition(name="videos")
    output = dg.OutputContext(
        step_key="step",
        name="result",
        asset_key=dg.AssetKey("a"),
        asset_partitions_def=videos,
        asset_partitions_subset=videos.subset_with_partition_keys(["one", "two"]),
    )
    assert output.has_asset_partitions
    output._asset_partitions_subset = output.asset_partitions_def.subset_with_partition_keys(["two"])
    assert output.asset_partition_keys == ["two"]


def test_only_one_file_imports_from_inside():
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
    taken = {name for name in inside.__all__ if hasattr(inside, name)}
    types_only = set(inside.__all__) - taken
    pinned = {name for name in taken if any(pin.thing is getattr(inside, name) for pin in CALLS)}
    assert taken - pinned == {"RetryMode", "ErrorSource"}  # constants
    assert types_only == {"ExecutionPlan", "ExecutionStep", "PlanExecutionContext", "PlanOrchestrationContext"}


def test_every_private_attribute_of_others_is_pinned_here():
    found = {
        node.attr
        for path in (PACKAGE / "executor").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
        if not (isinstance(node.value, ast.Name) and node.value.id == "self")
    }
    named_tuples = {"_replace"}
    assert found - named_tuples == {
        "_asset_partitions_subset", "_dagster_handler", "_execution_data", "_handlers", "_loggers",
    }  # fmt: skip
