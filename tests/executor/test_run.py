"""What the warm executor does that Dagster's own do not: models, order, threads, and how it ends."""

import itertools
import logging
import threading
import time

import dagster as dg
import pytest

from tests.kit.executor_graphs import GRAPHS, recon_here
from tests.kit.executor_models import FakeModel, ModelHandle, NoRoom, Stuck, Unreachable
from vid_assets.executor import cancelled, loading, order, warm_executor


@pytest.fixture
def instance(tmp_path):
    with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
        yield made


def run(job, instance, **kwargs):
    return dg.execute_job(recon_here(job), instance=instance, **kwargs)


def executor(threads=2, **config):
    return warm_executor.configured({"max_concurrent": threads, **config}, name="warm_test")


def notes(result):
    return [event for event in result.all_events if event.is_engine_event and "odel" in (event.message or "")]


def starts(result):
    return [event.step_key for event in result.all_events if event.is_step_start]


def values(event):
    return {name: value.value for name, value in event.engine_event_data.metadata.items()}


def step(name, needs=(), work=lambda: None, **kwargs):
    @dg.op(name=name, required_resource_keys=set(needs), out=dg.Out(int), ins={"after": dg.In(dg.Nothing)}, **kwargs)
    def body():
        work()
        return 1

    return body


def flat(steps, threads=2, resources=None, **config):
    """A job of independent steps."""

    @dg.job(executor_def=executor(threads, **config), resource_defs=resources or {})
    def j():
        for one in steps:
            one()

    return j


def test_a_loading_model_holds_no_slot_and_the_log_says_so(instance):
    model = FakeModel(go=threading.Event())
    others = [step(f"other_{i}") for i in range(3)]
    last = step("zz_last", work=model.go.set)
    needs_model = step("aa_needs_model", needs=["big"], tags={order.EXPECTED_SECONDS_TAG: "100"})

    @dg.job(
        executor_def=executor(1),
        resource_defs={"big": dg.ResourceDefinition.hardcoded_resource(model)},
    )
    def j():
        needs_model()
        last([other() for other in others])

    result = run(j, instance)
    assert result.success
    assert starts(result)[-2:] == ["zz_last", "aa_needs_model"]
    opening, ending = notes(result)
    assert values(opening) == {"models_warm": "", "models_loading": "big"}
    assert values(ending)["model"] == "big"
    assert values(ending)["state"] == "warm"
    assert values(ending)["steps_meanwhile"] == 4
    assert 0 < values(ending)["overlap_s"] <= values(ending)["waited_s"]
    assert model.asked == 1


def test_warm_models_are_told_of_and_not_asked_again(instance):
    warm, cold = FakeModel(warm=True), FakeModel()
    resources = {"warm": warm, "cold": cold, "unused": FakeModel(), "plain": object()}
    defs = {name: dg.ResourceDefinition.hardcoded_resource(value) for name, value in resources.items()}
    result = run(flat([step("a", ["warm", "plain"]), step("b", ["cold"])], resources=defs), instance)
    assert result.success
    assert values(notes(result)[0]) == {"models_warm": "warm", "models_loading": "cold"}
    assert (warm.asked, cold.asked, resources["unused"].asked, resources["unused"].looked) == (0, 1, 0, 0)


def test_models_of_idle_steps_are_not_loaded(instance):
    class Spares:
        def is_idle(self, step_key):
            return step_key == "off"

    resources = {"one": FakeModel(), "two": FakeModel(), "settings": Spares()}
    defs = {name: dg.ResourceDefinition.hardcoded_resource(value) for name, value in resources.items()}
    steps = [step("off", ["one", "settings"]), step("on", ["two", "settings"])]
    assert run(flat(steps, resources=defs), instance).success
    assert (resources["one"].asked, resources["two"].asked) == (0, 1)


def test_a_dagster_resource_can_be_a_model(instance):
    result = run(flat([step("a", ["handle"])], resources={"handle": ModelHandle(load_s=0.05)}), instance)
    assert result.success
    assert values(notes(result)[1])["state"] == "warm"


def test_a_model_behind_another_resource_or_an_io_manager_is_loaded_ahead(instance):
    class Keeps(FakeModel, dg.IOManager):
        def handle_output(self, context, obj):
            pass

        def load_input(self, context):
            pass

    behind, keeps = FakeModel(), Keeps()

    @dg.resource(required_resource_keys={"behind"})
    def front(context):
        return context.resources.behind

    resources = {
        "front": front,
        "behind": dg.ResourceDefinition.hardcoded_resource(behind),
        "io_manager": dg.IOManagerDefinition.hardcoded_io_manager(keeps),
    }
    assert run(flat([step("a", ["front"])], resources=resources), instance).success
    assert (behind.asked, keeps.asked) == (1, 1)


@pytest.mark.parametrize(
    ("model", "told"), [(FakeModel(error="weights missing"), "weights missing"), (Unreachable(), "no host")]
)
def test_steps_of_a_model_that_failed_to_load_run_anyway(instance, model, told):
    ran = []
    resources = {"big": dg.ResourceDefinition.hardcoded_resource(model)}
    result = run(flat([step("a", ["big"], lambda: ran.append(1))], resources=resources), instance)
    assert result.success
    assert ran == [1]
    assert told in notes(result)[1].message
    assert values(notes(result)[1])["state"] == "failed"


@pytest.mark.parametrize("model", [FakeModel(go=threading.Event()), NoRoom(), Stuck()])
def test_a_step_waits_for_its_model_no_longer_than_the_cap(instance, model):
    resources = {"big": dg.ResourceDefinition.hardcoded_resource(model)}
    result = run(flat([step("a", ["big"]), step("b")], resources=resources, model_wait_s=0.5), instance)
    assert result.success
    assert set(starts(result)) == {"a", "b"}
    assert "nothing waits for it" in notes(result)[-1].message


def test_when_the_budget_has_no_room_and_nothing_else_can_run_the_step_makes_room(instance, monkeypatch):
    monkeypatch.setattr(loading, "ABSENT_GRACE_S", 0.3)
    monkeypatch.setattr(loading, "ASK_AGAIN_S", 0.1)
    model = NoRoom()
    resources = {"big": dg.ResourceDefinition.hardcoded_resource(model)}
    result = run(flat([step("a", ["big"])], resources=resources, model_wait_s=None), instance)
    assert result.success
    assert model.asked > 1


def test_mapped_steps_wait_for_their_model_too(instance):
    model = FakeModel(go=threading.Event())

    @dg.op(out=dg.DynamicOut(int))
    def parts():
        for number in range(2):
            yield dg.DynamicOutput(number, mapping_key=str(number))

    @dg.op(required_resource_keys={"big"})
    def look(number: int) -> int:
        assert model.go.is_set()
        return number

    @dg.job(executor_def=executor(), resource_defs={"big": dg.ResourceDefinition.hardcoded_resource(model)})
    def j():
        parts().map(look)
        step("opens", work=model.go.set, tags={"dagster/priority": "-1"})()

    assert run(j, instance).success


def test_priority_comes_first_then_the_longest_remaining_path(instance):
    @dg.job(executor_def=executor(1))
    def j():
        step("a_short")()
        step("b_head_of_three")()
        step("tail_end")([step("tail_middle")([step("c_head_of_chain")()])])
        step("d_slow", tags={order.EXPECTED_SECONDS_TAG: "2.5"})()
        step("e_urgent", tags={order.PRIORITY_TAG: "1"})()
        step("f_later", tags={order.PRIORITY_TAG: "-1", order.EXPECTED_SECONDS_TAG: "99"})()

    got = starts(run(j, instance))
    assert got == [
        "e_urgent", "c_head_of_chain", "d_slow", "tail_middle", "a_short", "b_head_of_three", "tail_end", "f_later",
    ]  # fmt: skip


@pytest.mark.parametrize("tag", [{order.EXPECTED_SECONDS_TAG: "soon"}, {order.PRIORITY_TAG: "high"}])
def test_a_tag_that_says_nothing_fails_the_run_at_once(instance, tag):
    result = run(flat([step("fine"), step("odd", tags=tag)]), instance)
    assert not result.success
    assert starts(result) == []
    assert "odd: tag" in str(result.all_events)


def test_tag_concurrency_limits(instance):
    together, most = [], []
    lock = threading.Lock()

    def work():
        with lock:
            together.append(1)
            most.append(len(together))
        time.sleep(0.05)
        with lock:
            together.pop()

    limits = [{"key": "database", "value": "tiny", "limit": 1}]
    steps = [step(f"s{i}", work=work, tags={"database": "tiny"}) for i in range(4)]
    assert run(flat(steps, threads=4, tag_concurrency_limits=limits), instance).success
    assert max(most) == 1


def test_steps_run_side_by_side_and_each_line_belongs_to_its_step(instance):
    result = run(GRAPHS["threads"](executor()), instance)
    assert result.success
    lines = [
        (entry.step_key, entry.user_message) for entry in instance.all_logs(result.run_id) if "by " in entry.message
    ]
    lines += [
        (entry.step_key, entry.user_message) for entry in instance.all_logs(result.run_id) if "line of" in entry.message
    ]
    assert sorted(lines) == [
        ("left", "line of left"), ("left", "logged by left"), ("right", "line of right"), ("right", "logged by right"),
    ]  # fmt: skip


def test_lines_from_a_steps_own_threads_are_kept_once(instance):
    def work():
        helper = threading.Thread(target=lambda: dg.get_dagster_logger().info("from a helper"))
        helper.start()
        helper.join()

    result = run(flat([step("a", work=work), step("b", work=lambda: time.sleep(0.2))]), instance)
    entries = [entry for entry in instance.all_logs(result.run_id) if entry.user_message == "from a helper"]
    assert [entry.step_key for entry in entries] == [None]


def test_steps_store_events_while_another_holds_the_locks_of_their_handlers(instance):
    """Configuring `logging` takes them all, with the lock in hand that storing an event asks for."""
    held, stored = threading.Event(), threading.Event()

    def holds():
        handlers = [handler for ref in logging._handlerList if (handler := ref())]
        handlers = [handler for handler in handlers if not isinstance(handler, logging.StreamHandler)]
        for handler in handlers:
            handler.acquire()
        held.set()
        try:
            assert stored.wait(20)
        finally:
            for handler in handlers:
                handler.release()

    def stores():
        assert held.wait(20)
        dg.get_dagster_logger().info("a line")
        stored.set()

    assert run(flat([step("a", work=holds), step("b", work=stores)]), instance).success


def test_a_step_that_waits_for_a_pool_of_this_run_starts_as_soon_as_it_is_free(instance):
    """Dagster would have it look again after a second, and later after fifteen."""
    instance.event_log_storage.set_concurrency_slots("narrow", 1)
    spans = []

    def work():
        started = time.monotonic()
        time.sleep(0.05)
        spans.append((started, time.monotonic()))

    members = [step(f"s{i}", work=work, pool="narrow") for i in range(3)]
    assert run(flat(members, threads=3), instance).success
    waits = [start - end for (_, end), (start, _) in itertools.pairwise(spans)]
    assert len(waits) == 2
    assert min(waits) >= 0
    assert sum(waits) < 1.5


def test_a_run_that_ends_while_steps_wait_for_a_pool_leaves_no_claim_behind(instance):
    instance.event_log_storage.set_concurrency_slots("narrow", 1)

    def breaks():
        raise ValueError("mine")

    members = [step("a", work=breaks, pool="narrow", tags={order.PRIORITY_TAG: "1"})]
    members += [step(f"s{i}", pool="narrow") for i in range(2)]
    with pytest.raises(ValueError, match="mine"):
        run(flat(members, threads=3), instance, raise_on_error=True)
    info = instance.event_log_storage.get_concurrency_info("narrow")
    assert (info.active_slot_count, info.pending_step_count) == (0, 0)


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


def test_five_hundred_steps(instance):
    @dg.op(out=dg.DynamicOut(int))
    def parts():
        for number in range(166):
            yield dg.DynamicOutput(number, mapping_key=str(number))

    @dg.op
    def plus(number: int) -> int:
        return number + 1

    totals = []

    @dg.op
    def total(numbers: list[int]):
        totals.append(sum(numbers))

    @dg.job(executor_def=executor(4), resource_defs={"io_manager": dg.mem_io_manager})
    def j():
        total(parts().map(plus).map(plus.alias("again")).map(plus.alias("thrice")).collect())

    with dg.DagsterInstance.ephemeral() as memory:
        result = run(j, memory)
    assert result.success
    assert len(starts(result)) == 500
    assert totals == [sum(range(166)) + 3 * 166]


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


def test_another_process_sees_events_while_the_step_runs(instance):
    """The web server watches the run's file for changes; the kept connection must not hide them until the end."""
    seen = threading.Event()

    def watch(entry, cursor):
        if entry.dagster_event and entry.dagster_event.event_type_value == "ASSET_MATERIALIZATION":
            seen.set()

    @dg.op
    def streams(context):
        with dg.DagsterInstance.from_ref(context.instance.get_ref()) as web_server:
            web_server.watch_event_logs(context.run_id, None, watch)
            yield dg.AssetMaterialization("first")
            assert seen.wait(20)
            web_server.end_watch_event_logs(context.run_id, watch)
        yield dg.Output(1)

    assert run(flat([streams]), instance).success


def test_the_event_log_is_as_it_was_after_a_run(instance):
    before = dict(vars(instance.event_log_storage))
    assert run(flat([step("a")]), instance).success
    assert set(vars(instance.event_log_storage)) - set(before) <= {"supports_global_concurrency_limits"}


def test_compute_logs_of_the_run_hold_what_steps_print(instance):
    result = run(flat([step("a", work=lambda: print("printed by a"))]), instance)
    captured = next(event for event in result.all_events if event.event_type_value == "LOGS_CAPTURED")
    assert captured.logs_captured_data.step_keys == ["a"]
    key = instance.compute_log_manager.build_log_key_for_run(result.run_id, captured.logs_captured_data.file_key)
    assert instance.compute_log_manager.is_capture_complete(key)
