"""Small graphs that every executor must run alike, the jobs made of them, and what counts as alike."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg

from tests.kit.executor_models import FakeModel
from vid_assets.executor import cancelled, warm_executor

MULTIPROCESS = dg.multiprocess_executor.configured(
    {"max_concurrent": 2, "start_method": {"forkserver": {"preload_modules": ["tests.kit.executor_graphs"]}}}, name="mp"
)
EXECUTORS = {
    "in_process": dg.in_process_executor,
    "multiprocess": MULTIPROCESS,
    "spawn": dg.multiprocess_executor,
    "warm": warm_executor.configured({"max_concurrent": 2}, name="warm2"),
    "warm1": warm_executor.configured({"max_concurrent": 1}, name="warm1"),
}
STEP_EVENTS = {
    kind
    for kind in dg.DagsterEventType
    if kind.name.startswith(("STEP_", "ASSET_", "HOOK_", "LOADED_INPUT", "HANDLED_OUTPUT"))
    and not kind.name.startswith("STEP_WORKER_")
}
GRAPHS: dict[str, Callable[[dg.ExecutorDefinition], dg.JobDefinition]] = {}


ROOT = Path(__file__).parents[2]
MADE_HERE: list[dg.JobDefinition] = []


def job(graph: str, executor: str) -> dg.JobDefinition:
    """The job that a run worker rebuilds from its two names."""
    return GRAPHS[graph](EXECUTORS[executor])


def job_made_here(index: int) -> dg.JobDefinition:
    return MADE_HERE[index]


def recon(name: str, executor: str):
    """What another process rebuilds the job from."""
    return dg.build_reconstructable_job("tests.kit.executor_graphs", "job", (name, executor), {}, str(ROOT))


def recon_here(made: dg.JobDefinition):
    """The same for a job that only this process needs."""
    MADE_HERE.append(made)
    return dg.build_reconstructable_job("tests.kit.executor_graphs", "job_made_here", (len(MADE_HERE) - 1,), {})


def graph(builder):
    GRAPHS[builder.__name__] = builder
    return builder


def asset_job(executor, assets, checks=(), **kwargs):
    defs = dg.Definitions(
        assets=assets, asset_checks=checks, jobs=[dg.define_asset_job("j", executor_def=executor, **kwargs)]
    )
    return defs.resolve_job_def("j")


@dg.op
def one() -> int:
    return 1


@dg.op(ins={"number": dg.In(int)}, out=dg.Out(int))
def plus_one(number):
    return number + 1


@dg.op
def total(numbers: list[int]) -> int:
    return sum(numbers)


@graph
def diamond(executor):
    @dg.op
    def both(left: int, right: int) -> int:
        return left + right

    @dg.job(executor_def=executor)
    def j():
        top = one()
        both(plus_one.alias("left")(top), plus_one.alias("right")(top))

    return j


@graph
def failures(executor):
    @dg.op
    def breaks() -> int:
        raise ValueError("broken on purpose")

    @dg.op
    def gives_up() -> int:
        raise dg.Failure("gave up", metadata={"why": "on purpose"}, allow_retries=False)

    @dg.op(retry_policy=dg.RetryPolicy(max_retries=1))
    def gives_up_despite_policy() -> int:
        raise dg.Failure("gave up", allow_retries=False)

    @dg.op(out=dg.Out(int))
    def wrong_type():
        return "text"

    @dg.op
    def leaves():
        raise SystemExit(3)

    @dg.job(executor_def=executor)
    def j():
        plus_one.alias("after_breaks")(plus_one.alias("below")(breaks()))
        total([one.alias("fine")(), gives_up()])
        gives_up_despite_policy()
        wrong_type()
        leaves()
        plus_one.alias("independent")(one())

    return j


@graph
def retries(executor):
    @dg.op(retry_policy=dg.RetryPolicy(max_retries=2, delay=0.1))
    def second_time_lucky(context) -> int:
        if context.retry_number < 1:
            raise ValueError("first time unlucky")
        return context.retry_number

    @dg.op
    def asks_to_wait(context) -> int:
        if context.retry_number < 2:
            raise dg.RetryRequested(max_retries=2, seconds_to_wait=0.3)
        return 2

    @dg.op(retry_policy=dg.RetryPolicy(max_retries=1, backoff=dg.Backoff.EXPONENTIAL, delay=0.05))
    def never_lucky() -> int:
        raise ValueError("never lucky")

    @dg.op
    def asks_at_once(context) -> int:
        if context.retry_number < 1:
            raise dg.RetryRequested(max_retries=1)
        return 1

    @dg.job(executor_def=executor)
    def j():
        total([second_time_lucky(), asks_to_wait(), asks_at_once()])
        plus_one(never_lucky())

    return j


@graph
def skips(executor):
    @dg.op(out={"yes": dg.Out(int, is_required=False), "no": dg.Out(int, is_required=False)})
    def branch():
        yield dg.Output(1, "yes")

    @dg.job(executor_def=executor)
    def j():
        yes, no = branch()
        left, right = plus_one.alias("left")(yes), plus_one.alias("right")(no)
        plus_one.alias("below_right")(right)
        total([left, right])

    return j


@graph
def dynamic(executor):
    @dg.op(out=dg.DynamicOut(int))
    def parts():
        for number in range(3):
            yield dg.DynamicOutput(number, mapping_key=f"p{number}")

    @dg.op(out=dg.DynamicOut(int, is_required=False))
    def no_parts():
        yield from ()

    @dg.op
    def breaks_on_one(number: int) -> int:
        if number == 1:
            raise ValueError("one")
        return number

    @dg.job(executor_def=executor)
    def j():
        found = parts()
        total(found.map(plus_one).map(plus_one.alias("again")).collect())
        plus_one.alias("after")(total.alias("partial")(found.map(breaks_on_one).collect()))
        total.alias("of_nothing")(no_parts().map(plus_one.alias("never")).collect())

    return j


@graph
def assets(executor):
    parts = dg.DynamicPartitionsDefinition(name="videos")

    @dg.asset(partitions_def=parts)
    def source(context):
        return f"{context.partition_key} source"

    @dg.multi_asset(
        specs=[dg.AssetSpec(name, skippable=True, partitions_def=parts, deps=[source]) for name in ("a", "b", "c")],
        can_subset=True,
        partitions_def=parts,
    )
    def several(context):
        for key in sorted(context.selected_asset_keys):
            yield dg.AssetObservation(key, metadata={"seen": 1})
            yield dg.MaterializeResult(key, metadata={"rows": 3})

    @dg.asset(
        partitions_def=parts, deps=["b"], check_specs=[dg.AssetCheckSpec("in_step", asset="checked", blocking=True)]
    )
    def checked():
        yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True, check_name="in_step")])

    @dg.asset(partitions_def=parts, deps=[checked])
    def after_checked():
        return 1

    @dg.asset_check(asset=checked)
    def warns():
        return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN)

    @dg.asset_check(asset="a", blocking=True)
    def blocks():
        return dg.AssetCheckResult(passed=False)

    @dg.asset(partitions_def=parts, deps=["a"])
    def after_blocked():
        return 1

    chosen = dg.AssetSelection.assets(source, "a", "b", checked, after_checked, after_blocked)
    return asset_job(
        executor, [source, several, checked, after_checked, after_blocked], [warns, blocks], selection=chosen
    )


def in_pool(name):
    @dg.op(name=name, pool="one_at_a_time")
    def alone(context) -> int:
        started = time.time()
        time.sleep(0.2)
        context.add_output_metadata({"started": started, "ended": time.time()})
        return 1

    return alone


@graph
def pool(executor):
    @dg.op(pool="one_at_a_time", retry_policy=dg.RetryPolicy(max_retries=1))
    def fails_in_pool(context) -> int:
        raise ValueError("frees its slot, twice")

    members = [in_pool(f"alone_{i}") for i in range(3)]

    @dg.job(executor_def=executor)
    def j():
        total([member() for member in members])
        fails_in_pool()

    return j


@graph
def hooks(executor):
    @dg.success_hook
    def on_success(context):
        context.log.info("success")

    @dg.failure_hook
    def on_failure(context):
        assert isinstance(context.op_exception, ValueError)

    @dg.success_hook
    def broken_hook(context):
        raise ValueError("hook broken on purpose")

    @dg.op
    def breaks() -> int:
        raise ValueError("broken on purpose")

    @dg.job(executor_def=executor, hooks={on_success, on_failure, broken_hook})
    def j():
        plus_one(one())
        breaks()

    return j


@graph
def streams(executor):
    """A step that yields many events, one that yields nothing it must, and one that yields what it may not."""

    @dg.op(out={"first": dg.Out(int), "second": dg.Out(int)})
    def generator():
        yield dg.AssetMaterialization("thing")
        yield dg.Output(1, "first")
        yield dg.AssetObservation("thing")
        yield dg.Output(2, "second")

    @dg.op(out={"first": dg.Out(int), "second": dg.Out(int)})
    def forgets():
        yield dg.Output(1, "first")

    @dg.op
    def stray():
        yield 1

    @dg.op
    async def waits() -> int:
        return 1

    @dg.job(executor_def=executor)
    def j():
        first, second = generator()
        total([first, second, waits()])
        stray()
        forgets()

    return j


@graph
def reexecution(executor):
    """Fails unless it is a re-execution."""

    @dg.op
    def fails_at_first(context, number: int) -> int:
        if context.run.parent_run_id is None:
            raise ValueError("first run")
        return number

    @dg.job(executor_def=executor)
    def j():
        top = one()
        below = fails_at_first(top)
        total([plus_one(top), plus_one.alias("after")(below)])

    return j


@graph
def raises_interrupt(executor):
    @dg.op
    def interrupts():
        raise KeyboardInterrupt

    @dg.job(executor_def=executor)
    def j():
        interrupts()
        plus_one.alias("after")(plus_one(one()))

    return j


@graph
def waits_for_signal(executor):
    """Tells through files that it has started; goes on for a minute unless it is stopped."""

    @dg.op(config_schema={"folder": str, "how": str})
    def slow(context) -> int:
        folder = Path(context.op_config["folder"])
        (folder / "started").touch()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if context.op_config["how"] == "sleep":
                time.sleep(60)
            if context.op_config["how"] == "asks" and cancelled():
                raise RuntimeError("told to stop")
        (folder / "ended").touch()
        return 1

    @dg.job(executor_def=executor)
    def j():
        plus_one.alias("after")(plus_one(slow()))

    return j


@graph
def waits_for_model(executor):
    """One step waits for a model that never loads, the other in a call that never ends."""
    calling = FakeModel(warm=True)

    @dg.op(required_resource_keys={"loading"})
    def needs_loading():
        return 1

    @dg.op(required_resource_keys={"calling"}, config_schema={"folder": str, "how": str})
    def slow(context):
        (Path(context.op_config["folder"]) / "started").touch()
        context.resources.calling.call()

    resources = {"loading": FakeModel(load_s=3600.0), "calling": calling}

    @dg.job(
        executor_def=executor,
        resource_defs={key: dg.ResourceDefinition.hardcoded_resource(value) for key, value in resources.items()},
    )
    def j():
        needs_loading()
        slow()

    return j


@graph
def crashes(executor):
    """The process dies in the second step of the first run."""

    @dg.op
    def dies_at_first(context, number: int) -> int:
        if context.run.parent_run_id is None:
            os.kill(os.getpid(), signal.SIGSEGV)
        return number

    @dg.job(executor_def=executor)
    def j():
        plus_one.alias("after")(dies_at_first(plus_one.alias("before")(one())))

    return j


@graph
def threads(executor):
    """The two steps meet: each waits until the other runs."""
    meeting = threading.Barrier(2, timeout=20)

    def meets(name):
        @dg.op(name=name)
        def step(context) -> str:
            meeting.wait()
            context.log.info(f"line of {name}")
            dg.get_dagster_logger().info(f"logged by {name}")
            print(f"printed by {name}")
            meeting.wait()
            return name

        return step

    @dg.job(executor_def=executor)
    def j():
        meets("left")()
        meets("right")()

    return j
