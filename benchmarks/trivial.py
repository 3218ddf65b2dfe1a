"""A run of 27 assets that do nothing, or sleep: what is left is what the executor and the event log cost."""

import sys
import time
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from vid_assets.executor import warm_executor

COUNT = 27
EXECUTORS = {"multiprocess": dg.multiprocess_executor, "warm": warm_executor}


def job(executor: str, step_s: float) -> dg.JobDefinition:
    """The job that Dagster's step processes rebuild from its two names: one root, twenty on it, six on those."""
    assets = [_asset(number, step_s) for number in range(COUNT)]
    defs = dg.Definitions(assets=assets, jobs=[dg.define_asset_job("trivial", executor_def=EXECUTORS[executor])])
    return defs.resolve_job_def("trivial")


def _asset(number: int, step_s: float) -> dg.AssetsDefinition:
    upstream = [] if number == 0 else ["asset_00"] if number <= 20 else [f"asset_{number - 20:02}"]

    @dg.asset(name=f"asset_{number:02}", deps=upstream)
    def asset() -> None:
        time.sleep(step_s)

    return asset


def answer(executor: str, step_s: float) -> dict[str, Any]:
    """Runs it once in this process, as a run worker would.

    Returns:
        ``wall_s`` of the whole run, and ``started`` and ``ended`` of its steps by Dagster's own statistics.
    """
    named: Any = {"executor": executor, "step_s": step_s}
    recon = dg.build_reconstructable_job("benchmarks.trivial", "job", reconstructable_kwargs=named)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with dg.DagsterInstance.get() as instance:
        began = time.perf_counter()
        result = dg.execute_job(recon, instance, run_config=quiet)
        wall_s = time.perf_counter() - began
        steps = instance.get_run_step_stats(result.run_id)
        done = sum(step.status is not None and step.status.value == "SUCCESS" for step in steps)
    if not result.success or done != COUNT:
        sys.exit(f"{done} of {COUNT} steps succeeded")
    return {"wall_s": wall_s, "at": datetime.now(UTC).isoformat(timespec="seconds")}
