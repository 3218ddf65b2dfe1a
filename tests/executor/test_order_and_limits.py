"""Which step starts next, and which must wait: priority, longest path, tags, pools."""

import itertools
import threading
import time

import dagster as dg
import pytest

from tests.kit.executor_steps import executor, flat, run, starts, step
from vid_assets.executor import order


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
