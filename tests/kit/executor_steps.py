"""Jobs of small steps under the warm executor, and what their runs tell."""

import dagster as dg

from tests.kit.executor_graphs import recon_here
from vid_assets.executor import warm_executor


def run(job, instance, **kwargs):
    return dg.execute_job(recon_here(job), instance=instance, **kwargs)


def executor(threads=2, **config):
    return warm_executor.configured({"max_concurrent": threads, **config}, name="warm_test")


def starts(result):
    return [event.step_key for event in result.all_events if event.is_step_start]


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
