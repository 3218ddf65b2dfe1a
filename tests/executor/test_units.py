"""The parts of the executor one by one: order, limits, workers, gate, locks, notes."""

import logging
import queue
import threading
from types import SimpleNamespace

import pytest
from dagster._utils.tags import TagConcurrencyLimitsCounter
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.executor_models import FakeModel
from vid_assets.executor.limits import is_blocked
from vid_assets.executor.loading import Models
from vid_assets.executor.logs import Store, WithoutLock
from vid_assets.executor.notes import overlap_s
from vid_assets.executor.order import expected_seconds, remaining_paths, step_priority, unresolved_key
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


@settings(deadline=None)
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


TAGS = st.dictionaries(st.sampled_from("kl"), st.sampled_from("xy"))
VALUES = st.sampled_from([{}, {"value": "x"}, {"value": {"applyLimitPerUniqueValue": True}}])
LIMITS = st.lists(
    st.builds(lambda key, value, limit: {"key": key, **value, "limit": limit}, st.just("k"), VALUES, st.integers(0, 3)),
    max_size=1,
)


@settings(deadline=None)
@given(LIMITS, LIMITS.map(lambda limits: [{**limit, "key": "l"} for limit in limits]), TAGS, st.lists(TAGS, max_size=6))
def test_tag_limits_block_as_in_dagsters_multiprocess_executor(limits, more, tags, running):
    theirs = TagConcurrencyLimitsCounter([*limits, *more], [SimpleNamespace(tags=other) for other in running])
    assert is_blocked([*limits, *more], tags, running) is theirs.is_blocked(SimpleNamespace(tags=tags))


@settings(deadline=None)
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


class Kept(logging.Handler):
    def __init__(self):
        super().__init__(logging.INFO)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def test_events_are_stored_while_somebody_holds_the_lock_of_each_handler():
    """As `logging.config` does, with the lock that storing an event asks for in its other hand."""
    inner, outer = Kept(), Kept()
    line = logging.makeLogRecord({"msg": "line", "levelno": logging.INFO})
    stored = threading.Thread(target=Store(Gate()).put, args=(outer, line), daemon=True)
    inner.acquire()
    outer.acquire()
    try:
        stored.start()
        stored.join(20)
        assert outer.lines == ["line"]
        assert WithoutLock(inner).handle(line)
        assert inner.lines == ["line"]
    finally:
        inner.release()
        outer.release()


def test_a_handler_without_its_lock_keeps_its_level_and_its_filters():
    handler = Kept()
    handler.addFilter(lambda record: record.getMessage() != "filtered")
    stand_in = WithoutLock(handler)
    assert stand_in.level == logging.INFO
    assert not stand_in.handle(logging.makeLogRecord({"msg": "filtered"}))
    assert handler.lines == []


def test_nothing_is_stored_once_the_gate_is_closed():
    gate, handler, raised = Gate(), Kept(), queue.SimpleQueue()
    gate.close(0.0)

    def stores():
        try:
            Store(gate).put(handler, logging.makeLogRecord({"msg": "late"}))
        except Abandoned:
            raised.put("abandoned")

    thread = threading.Thread(target=stores)
    thread.start()
    assert raised.get(timeout=20) == "abandoned"
    thread.join()
    assert handler.lines == []
