"""Models load ahead of the steps that need them, hold nobody up, and the log says so."""

import threading

import dagster as dg
import pytest

from tests.kit.executor_models import FakeModel, ModelHandle, NoRoom, Stuck, Unreachable
from tests.kit.executor_steps import executor, flat, run, starts, step
from vid_assets.executor import loading, order


def notes(result):
    return [event for event in result.all_events if event.is_engine_event and "odel" in (event.message or "")]


def values(event):
    return {name: value.value for name, value in event.engine_event_data.metadata.items()}


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
    assert "no step waits for it" in notes(result)[-1].message


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
