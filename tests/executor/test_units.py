"""The parts of the executor that know nothing of Dagster: order, workers, gate, reports."""

import queue
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.executor_models import FakeModel
from vid_assets.executor.models import Models
from vid_assets.executor.order import expected_seconds, remaining_paths, step_priority, unresolved_key
from vid_assets.executor.report import overlap_s
from vid_assets.executor.workers import Abandoned, Gate, StepDone, StepEvent, Workers, cancelled


@st.composite
def graphs(draw):
    """Random graphs without cycles: each step waits for some of those before it."""
    count = draw(st.integers(1, 12))
    return {
        str(i): {str(j) for j in draw(st.sets(st.integers(0, i - 1), max_size=4))} if i else set() for i in range(count)
    }


def longest_by_trying(upstream, key, cost):
    below = [other for other, sources in upstream.items() if key in sources]
    return cost[key] + max((longest_by_trying(upstream, other, cost) for other in below), default=0.0)


@given(graphs(), st.randoms(use_true_random=False))
def test_the_remaining_path_is_the_longest_of_all_paths(upstream, random):
    cost = {key: random.randint(0, 9) for key in upstream}
    tails = remaining_paths(upstream, cost.__getitem__)
    assert tails == {key: longest_by_trying(upstream, key, cost) for key in upstream}


def test_steps_outside_the_plan_do_not_count():
    assert remaining_paths({"a": {"elsewhere"}, "b": {"a", "elsewhere"}}, lambda _: 1.0) == {"a": 2.0, "b": 1.0}


def test_a_long_chain_is_no_deep_recursion():
    chain = {str(i): {str(i - 1)} if i else set() for i in range(5000)}
    assert remaining_paths(chain, lambda _: 1.0)["0"] == 5000


def test_tags():
    assert expected_seconds("a", {}) == 1.0
    assert expected_seconds("a", {"vid_assets/expected_s": "2.5"}) == 2.5
    assert step_priority("a", {}) == 0
    assert step_priority("a", {"dagster/priority": "-3"}) == -3
    assert unresolved_key("op[part_1]") == "op[?]"
    assert unresolved_key("op") == "op"


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50))), st.integers(0, 50), st.integers(0, 50))
def test_overlap_is_the_sum_of_the_seconds_that_lie_within(pairs, one, other):
    spans = [(min(pair), max(pair)) for pair in pairs]
    start, end = min(one, other), max(one, other)
    expected = sum(sum(1 for second in range(a, b) if start <= second < end) for a, b in spans)
    assert overlap_s(spans, start, end) == expected


def collect(outbox, count):
    return [outbox.get(timeout=20) for _ in range(count)]


def test_workers_hand_over_events_and_errors_in_order():
    outbox = queue.SimpleQueue()
    workers = Workers(2, outbox.put, Gate())

    def breaks():
        yield 1
        raise SystemExit(3)

    workers.submit("a", breaks)
    first, done = collect(outbox, 2)
    assert first == StepEvent("a", 1)
    assert isinstance(done.error, SystemExit)
    workers.submit("b", lambda: iter("xy"))
    assert collect(outbox, 3) == [StepEvent("b", "x"), StepEvent("b", "y"), StepDone("b", None)]
    workers.close(20)


def test_an_abandoned_step_is_stopped_in_the_middle_of_python_code():
    outbox, gate = queue.SimpleQueue(), Gate()
    workers = Workers(1, outbox.put, gate)
    cleaned_up = threading.Event()

    def spins():
        yield 1
        try:
            while True:
                pass
        finally:
            cleaned_up.set()

    workers.submit("a", spins)
    collect(outbox, 1)
    assert gate.close(0.0)
    workers.stop("a")
    workers.stop("unknown")
    assert cleaned_up.wait(20)
    workers.close(20)
    assert outbox.empty()


def test_cancelled_is_seen_by_the_runs_own_steps_only():
    outbox, gates = queue.SimpleQueue(), [Gate(), Gate()]
    pools = [Workers(1, outbox.put, gate) for gate in gates]
    gates[0].cancelled.set()
    for pool in pools:
        pool.submit("a", lambda: iter([cancelled()]))
        assert collect(outbox, 2)[0].event is (pool is pools[0])
        pool.close(20)
    assert not cancelled()


def test_a_closed_gate_lets_nobody_in_but_the_runs_own_thread():
    gate = Gate()
    inside, out = threading.Event(), threading.Event()
    ends = queue.SimpleQueue()

    def passes():
        with gate.passing():
            inside.set()
            out.wait(20)
        ends.put("through")
        try:
            with gate.passing():
                ends.put("let in")
        except Abandoned:
            ends.put("kept out")

    thread = threading.Thread(target=passes)
    thread.start()
    assert inside.wait(20)
    assert not gate.close(0.01)
    assert gate.closed
    assert gate.cancelled.is_set()
    out.set()
    thread.join()
    assert [ends.get(), ends.get()] == ["through", "kept out"]
    with gate.passing():
        pass


def test_closing_the_gate_waits_for_what_is_being_stored():
    gate, stored = Gate(), []
    inside = threading.Event()

    def stores():
        with gate.passing():
            inside.set()
            threading.Event().wait(0.1)
            stored.append(1)

    thread = threading.Thread(target=stores)
    thread.start()
    assert inside.wait(20)
    assert gate.close(20)
    assert stored == [1]
    thread.join()


def test_abandoned_is_not_caught_by_a_steps_own_handling():
    assert not issubclass(Abandoned, Exception)


def test_models_answer_before_the_host_does():
    """A handle that blocks in every call holds up nobody but itself."""
    blocked, quick = FakeModel(), FakeModel(warm=True)
    blocked.status = lambda: blocked.stop.wait(20)
    told = queue.SimpleQueue()
    models = Models({"blocked": blocked, "quick": quick}, told.put, wait_s=100)
    models.start()
    assert told.get(timeout=20).name == "quick"
    assert models.ready(["quick"])
    assert not models.ready(["quick", "blocked"])
    assert models.ready([])
    models.stop()
    blocked.stop.set()


@pytest.mark.parametrize("state", ["warm", "failed"])
def test_a_model_is_ready_when_its_load_has_ended_either_way(state):
    model = FakeModel(error="broken" if state == "failed" else None)
    told = queue.SimpleQueue()
    models = Models({"m": model}, told.put, wait_s=100)
    models.start()
    collect(told, 2)
    assert models.ready(["m"])
    assert models.all["m"].state == state
