"""What a run on threads does that Dagster's own do not, and how it ends."""

import dagster as dg
import pytest

from tests.kit.executor_graphs import GRAPHS
from tests.kit.executor_steps import executor, flat, run, step
from vid_assets.executor import cancelled, order, warm_executor


def test_async_steps_wait_side_by_side(instance):
    import asyncio

    arrived = []
    both = asyncio.Event()

    def meets(name):
        @dg.op(name=name)
        async def body() -> int:
            arrived.append(name)
            if len(arrived) == 2:
                both.set()
            await asyncio.wait_for(both.wait(), 20)
            return 1

        return body

    assert run(flat([meets("a"), meets("b")]), instance).success


def test_raise_on_error_raises_the_steps_own_error_and_starts_nothing_more(instance):
    def breaks():
        raise ValueError("mine")

    job = flat([step("a", work=breaks, tags={order.PRIORITY_TAG: "1"}), *[step(f"b{i}") for i in range(5)]], threads=1)
    with pytest.raises(ValueError, match="mine"):
        run(job, instance, raise_on_error=True)
    last = instance.get_runs(limit=1)[0]
    assert last.status == dg.DagsterRunStatus.FAILURE
    assert sum(stats.step_key.startswith("b") for stats in instance.get_run_step_stats(last.run_id)) == 0


def test_a_resource_that_does_not_start_fails_the_run_as_in_process(instance):
    @dg.resource
    def broken(_):
        raise ValueError("does not start")

    outcomes = []
    for which in (executor(), dg.in_process_executor):

        @dg.job(executor_def=which, resource_defs={"broken": broken})
        def j():
            step("a", ["broken"])()
            step("b")()

        result = run(j, instance)
        kinds = [event.event_type_value for event in result.all_events if not event.is_engine_event]
        outcomes.append((result.success, kinds))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] is False


def test_a_resource_that_cannot_be_closed_fails_the_run(instance):
    """Dagster only notes it: but what the resource should have stored at the end is not there."""

    @dg.resource
    def full(_):
        yield "open"
        raise OSError("no space left on the disk")

    @dg.job(executor_def=executor(), resource_defs={"full": full})
    def j():
        step("a", ["full"])()

    result = run(j, instance)
    assert not result.success
    (event,) = result.filter_events(lambda event: event.is_job_failure)
    error = event.job_failure_data.error
    assert "its resources could not be closed: OSError: no space left on the disk" in error.message
    assert instance.get_run_by_id(result.run_id).status is dg.DagsterRunStatus.FAILURE


def test_an_error_of_the_framework_inside_a_step_fails_the_run_and_not_the_other_steps(instance, monkeypatch):
    """The event log refuses one step's events: that step can record nothing, so the run must fail and say why."""
    storage = instance.event_log_storage
    store = type(storage).store_event

    def refuses(self, event):
        if event.step_key == "a":
            raise OSError("disk full")
        return store(self, event)

    monkeypatch.setattr(type(storage), "store_event", refuses)
    result = run(flat([step("a"), step("b"), step("c")]), instance)
    assert not result.success
    assert {"b", "c"} <= {event.step_key for event in result.all_events if event.is_step_success}
    assert "disk full" in str(result.all_events[-1].event_specific_data)


def test_execute_in_process_and_materialize_work_with_it_configured(instance):
    @dg.asset
    def thing():
        return 1

    defs = dg.Definitions(assets=[thing], executor=warm_executor)
    assert defs.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance).success
    assert dg.materialize([thing], instance=instance).success
    assert not cancelled()


def test_memory_io_manager_keeps_values_between_steps(instance):
    @dg.asset(io_manager_key="mem")
    def first():
        return object()

    @dg.asset(io_manager_key="mem")
    def second(first):
        return first

    defs = dg.Definitions(
        assets=[first, second],
        resources={"mem": dg.mem_io_manager},
        jobs=[dg.define_asset_job("j", executor_def=executor())],
    )
    assert run(defs.resolve_job_def("j"), instance).success


def test_the_config_shows_in_the_launchpad():
    fields = warm_executor.config_schema.config_type.fields
    assert "threads of the run process" in warm_executor.config_schema.as_field().description
    assert set(fields) == {"max_concurrent", "model_wait_s", "retries", "tag_concurrency_limits"}
    assert fields["max_concurrent"].default_value == 0


def test_retries_can_be_switched_off(instance):
    result = run(GRAPHS["retries"](executor(retries={"disabled": {}})), instance)
    assert not [event for event in result.all_events if event.is_step_up_for_retry]
