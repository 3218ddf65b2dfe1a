"""One step and its events, the models that it needs, and the compute logs of all steps."""

import sys
import traceback
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg

from vid_assets.executor import _dagster as inside
from vid_assets.executor.loading import Sparing, Warmable


def step_events(step: dg.StepExecutionContext) -> Iterator[dg.DagsterEvent]:
    """Yield all events of one attempt at a step, with its hooks, in the caller's thread; each is stored at once."""
    missing = [key for key in step.required_resource_keys if not hasattr(step.resources, key)]
    if missing:
        raise dg.DagsterInvariantViolationError(
            f"step {step.step.key} requires resources {missing}, which did not start"
        )
    events = []
    for event in inside.dagster_event_sequence_for_step(step):
        events.append(event)
        yield event
    yield from inside.trigger_hooks(step, events)


def interrupted_event(step: dg.StepExecutionContext, reason: str) -> dg.DagsterEvent:
    """Record that a step was still running when its run was cancelled."""
    try:
        raise dg.DagsterExecutionInterruptedError(reason)
    except dg.DagsterExecutionInterruptedError:
        return inside.step_failure_event_from_exc_info(step, sys.exc_info(), error_source=inside.ErrorSource.INTERRUPT)


def models_by_step(
    job: "inside.PlanExecutionContext", plan: "inside.ExecutionPlan"
) -> tuple[dict[str, Warmable], dict[str, list[str]]]:
    """Return the models that the plan's steps need.

    Returns:
        Resource key to resource; and step key to the resource keys of its models. Steps that are still to be mapped use
        their unresolved key (``op[?]``).
    """
    resources = job.scoped_resources_builder.resource_instance_dict
    warmable = {key: resource for key, resource in resources.items() if isinstance(resource, Warmable)}
    sparing = [resource for resource in resources.values() if isinstance(resource, Sparing)]
    wanted = set(plan.step_handles_to_execute)
    needs: dict[str, list[str]] = {}
    for step in (step for handle, step in plan.step_dict.items() if handle in wanted):
        idle = any(resource.is_idle(step.key) for resource in sparing)
        node = job.job_def.get_node(step.node_handle)
        keys = set() if idle else resource_keys(node.definition, job.job_def.resource_defs)
        needs[step.key] = sorted(keys & warmable.keys())
    return {key: warmable[key] for keys in needs.values() for key in keys}, needs


def resource_keys(op: Any, defs: Mapping[str, dg.ResourceDefinition]) -> set[str]:
    """Return what an op requires: its resources and IO managers, and what those require in turn.

    Args:
        op: The op's definition.
        defs: The job's resources.
    """
    found: set[str] = set()
    ahead = [*op.required_resource_keys, *(output.io_manager_key for output in op.output_defs)]
    while ahead:
        key = ahead.pop()
        if key in defs and key not in found:
            found.add(key)
            ahead += defs[key].get_required_resource_keys(defs)
    return found


def copied_state(active: inside.ActiveExecution) -> Any:
    """Return a copy of the others' outputs as of now; Dagster returns its own set, which changes."""
    state = active.get_known_state()
    return state._replace(ready_outputs=set(state.ready_outputs))


@contextmanager
def capture_compute_logs(
    job: "inside.PlanExecutionContext", step_keys: Sequence[str]
) -> Iterator[list[dg.DagsterEvent]]:
    """Capture stdout and stderr of the process for the whole run, as the in-process executor does.

    Yields:
        The events to report: what is captured where, and what failed. The list may be longer on exit.
    """
    manager = job.instance.compute_log_manager
    log_key = manager.build_log_key_for_run(job.run_id, uuid.uuid4().hex[:8])
    capture = manager.capture_logs(log_key)
    events: list[dg.DagsterEvent] = []
    try:
        log_context = capture.__enter__()
    except Exception:  # noqa: BLE001 - a run without compute logs is better than no run; the event log gives the reason
        events.append(_compute_log_problem(job, "setting up"))
        yield events
        return
    events.append(dg.DagsterEvent.capture_logs(job, step_keys, log_key, log_context))
    try:
        yield events
    finally:
        try:
            capture.__exit__(None, None, None)
        except Exception:  # noqa: BLE001 - as above
            events.append(_compute_log_problem(job, "cleaning up"))


def _compute_log_problem(job: "inside.PlanExecutionContext", at: str) -> dg.DagsterEvent:
    return dg.DagsterEvent.engine_event(
        job, f"Exception while {at} compute log capture", inside.EngineEventData({"error": traceback.format_exc()})
    )
