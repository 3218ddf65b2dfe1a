"""The same graphs under Dagster's executors and ours: same statuses, same events a step, same order."""

import itertools
from dataclasses import dataclass, field

import dagster as dg
import pytest

from tests.kit.executor_graphs import GRAPHS, STEP_EVENTS, recon

PLAIN = ("diamond", "failures", "retries", "skips", "dynamic", "assets", "pool", "hooks", "streams")
AFTER = {
    "diamond": [("one", "left"), ("one", "right"), ("left", "both"), ("right", "both")],
    "failures": [("one", "independent")],
    "retries": [("second_time_lucky", "total"), ("asks_to_wait", "total"), ("asks_at_once", "total")],
    "skips": [("branch", "left"), ("left", "total")],
    "dynamic": [("parts", "plus_one[p0]"), ("plus_one[p2]", "again[p2]"), ("again[p1]", "total")],
    "assets": [("source", "several"), ("several", "checked"), ("checked", "after_checked")],
    "pool": [("alone_0", "total"), ("alone_1", "total"), ("alone_2", "total")],
    "hooks": [("one", "plus_one")],
    "streams": [("generator", "total"), ("waits", "total")],
    "reexecution": [("fails_at_first", "after"), ("after", "total")],
}


SLOW_IN_PROCESSES = ("failures", "dynamic", "hooks", "streams")


def pairs(executors):
    """Each graph under each executor; where that means many processes it is a slow test."""
    found = []
    for name in PLAIN:
        for executor in executors:
            slow = executor == "multiprocess" and name in SLOW_IN_PROCESSES
            found.append(pytest.param(name, executor, marks=[pytest.mark.slow] if slow else []))
    return found


@dataclass
class Outcome:
    """What a run left in the event log."""

    status: dg.DagsterRunStatus
    steps: dict[str, list] = field(default_factory=dict)
    order: dict[tuple[str, str], int] = field(default_factory=dict)
    metadata: dict[str, dict] = field(default_factory=dict)
    run_id: str = ""

    def same(self):
        """What must be equal. Plans are not: the warm executor drops those that came true."""
        done = {
            key: [event for event in events if not event[0].endswith("_PLANNED")] for key, events in self.steps.items()
        }
        return self.status, {key: events for key, events in done.items() if events}


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    with dg.instance_for_test(temp_dir=str(tmp_path_factory.mktemp("home"))) as made:
        made.event_log_storage.set_concurrency_slots("one_at_a_time", 1)
        made.add_dynamic_partitions("videos", ["v1"])
        yield made


@pytest.fixture(scope="module")
def outcome(instance):
    """Runs each graph once under each executor, when it is first asked for."""
    known = {}

    def get(name, executor):
        if (name, executor) not in known:
            known[name, executor] = read(instance, execute(instance, name, executor))
        return known[name, executor]

    return get


def execute(instance, name, executor, **kwargs):
    tags = {"dagster/partition": "v1"} if name == "assets" else {}
    with dg.execute_job(recon(name, executor), instance=instance, tags=tags, **kwargs) as result:
        return result.run_id


def read(instance, run_id):
    out = Outcome(instance.get_run_by_id(run_id).status, run_id=run_id)
    for place, entry in enumerate(instance.all_logs(run_id)):
        event = entry.dagster_event
        if event is None or event.event_type not in STEP_EVENTS:
            continue
        key = event.step_key
        out.steps.setdefault(key, []).append(describe(event))
        out.order.setdefault((key, event.event_type_value), place)
        if event.is_successful_output:
            out.metadata[key] = {name: value.value for name, value in event.step_output_data.metadata.items()}
    for events in out.steps.values():
        # A step's hooks are a set in Dagster: their order differs from process to process.
        hooks = sorted(event for event in events if event[0].startswith("HOOK_"))
        events[:] = [event for event in events if not event[0].startswith("HOOK_")] + hooks
    return out


def describe(event):
    """The event as it must be equal: its type, and what tells one failure from another."""
    if event.is_step_failure:
        data = event.step_failure_data
        cause = data.error.cause.cls_name if data.error.cause else None
        label = data.user_failure_data.label if data.user_failure_data else None
        return event.event_type_value, data.error.cls_name, cause, data.error_source, label
    if event.is_step_up_for_retry:
        return event.event_type_value, event.step_retry_data.seconds_to_wait
    if event.is_successful_output:
        return event.event_type_value, event.step_output_data.step_output_handle
    return (event.event_type_value,)


@pytest.mark.parametrize(("name", "theirs"), pairs(["in_process", "multiprocess"]))
def test_a_run_ends_as_under_dagsters_own_executors(outcome, name, theirs):
    assert outcome(name, "warm").same() == outcome(name, theirs).same()


@pytest.mark.parametrize("name", PLAIN)
def test_one_thread_gives_the_same_as_two(outcome, name):
    assert outcome(name, "warm1").same() == outcome(name, "warm").same()


@pytest.mark.parametrize(("name", "executor"), pairs(["in_process", "multiprocess", "warm", "warm1"]))
def test_no_step_starts_before_what_it_waits_for_has_succeeded(outcome, name, executor):
    run = outcome(name, executor)
    for first, then in AFTER[name]:
        assert run.order[first, "STEP_SUCCESS"] < run.order[then, "STEP_START"], (first, then)


@pytest.mark.parametrize("executor", ["in_process", "multiprocess", "warm"])
def test_a_pool_of_one_never_holds_two_steps_and_is_empty_afterwards(outcome, instance, executor):
    members = [meta for meta in outcome("pool", executor).metadata.values() if "started" in meta]
    spans = sorted((meta["started"], meta["ended"]) for meta in members)
    assert len(spans) == 3
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    info = instance.event_log_storage.get_concurrency_info("one_at_a_time")
    assert (info.active_slot_count, info.pending_step_count) == (0, 0)


def test_the_graphs_exercise_what_their_names_say(outcome):
    """The suite would prove little if the graphs all just succeeded."""
    kinds = {name: {event[0] for events in outcome(name, "warm").steps.values() for event in events} for name in PLAIN}
    assert outcome("diamond", "warm").status == dg.DagsterRunStatus.SUCCESS
    assert outcome("skips", "warm").status == dg.DagsterRunStatus.SUCCESS
    assert outcome("failures", "warm").status == dg.DagsterRunStatus.FAILURE
    assert "STEP_SKIPPED" in kinds["skips"]
    assert {"STEP_UP_FOR_RETRY", "STEP_RESTARTED"} <= kinds["retries"]
    assert {"ASSET_CHECK_EVALUATION", "ASSET_MATERIALIZATION", "ASSET_OBSERVATION"} <= kinds["assets"]
    assert {"HOOK_COMPLETED", "HOOK_ERRORED", "HOOK_SKIPPED"} <= kinds["hooks"]
    assert "after_blocked" not in {
        key for key, events in outcome("assets", "warm").steps.items() if ("STEP_START",) in events
    }
    assert [key for key in outcome("dynamic", "warm").steps if "[" in key]


@pytest.mark.parametrize("executor", ["in_process", pytest.param("multiprocess", marks=pytest.mark.slow), "warm"])
def test_reexecution_from_failure_runs_only_the_rest(instance, outcome, executor):
    first = outcome("reexecution", executor)
    assert first.status == dg.DagsterRunStatus.FAILURE
    options = dg.ReexecutionOptions.from_failure(first.run_id, instance)
    again = read(instance, execute(instance, "reexecution", executor, reexecution_options=options))
    assert again.status == dg.DagsterRunStatus.SUCCESS
    assert set(again.steps) == {"fails_at_first", "after", "total"}
    for before, then in AFTER["reexecution"]:
        assert again.order[before, "STEP_SUCCESS"] < again.order[then, "STEP_START"]
    reference = outcome("reexecution", "in_process")
    assert first.same() == reference.same()


@pytest.mark.slow
def test_a_step_that_raises_an_interrupt_fails_alone_as_in_a_process_of_its_own(outcome):
    """In the run's own thread such an exception ends the in-process executor, so only multiprocess is comparable."""
    assert outcome("raises_interrupt", "warm").same() == outcome("raises_interrupt", "multiprocess").same()
    assert ("STEP_SUCCESS",) in outcome("raises_interrupt", "warm").steps["after"]


def test_every_graph_is_used():
    others = {"reexecution", "raises_interrupt", "waits_for_signal", "waits_for_model", "crashes", "threads"}
    assert set(GRAPHS) == {*PLAIN, *others}
