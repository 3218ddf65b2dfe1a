"""Runs the pipeline's job in this process, as the command line does."""

from collections.abc import Mapping, Sequence

import dagster as dg

from vid_assets.defs.jobs import ANALYZE_JOB
from vid_assets.executor import PROCESS_TAG, Stop, kept_connections, stopped_by, this_process


def analyze_job() -> dg.JobDefinition:
    """The job in the form that `dagster.reconstructable` wants: a function of a module."""
    from vid_assets.definitions import defs

    return defs.resolve_job_def(ANALYZE_JOB)


def execute(
    instance: dg.DagsterInstance,
    tags: Mapping[str, str],
    selection: Sequence[dg.AssetKey] | None = None,
    stop: Stop | None = None,
) -> dg.JobExecutionResult:
    """Run the job silently; the run's log in the UI says it all.

    Args:
        instance: Dagster's.
        tags: The run's; they name its partitions.
        selection: Its assets; None for all.
        stop: What may end it.
    """
    with kept_connections(instance), stopped_by(stop or Stop()):
        return dg.execute_job(
            dg.reconstructable(analyze_job),
            instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={**tags, PROCESS_TAG: this_process()},
            asset_selection=selection,
        )
