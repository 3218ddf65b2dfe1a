"""Run the pipeline's job in this process, as the command line does."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from resources.settings import settings
from vid_assets.defs.jobs import ANALYZE_JOB
from vid_assets.executor import PROCESS_TAG, Stop, kept_connections, stopped_by, this_process


def analyze_job() -> dg.JobDefinition:
    """Return the job in the form that `dagster.reconstructable` needs: a function of a module."""
    from vid_assets.definitions import defs

    return defs.resolve_job_def(ANALYZE_JOB)


def execute(
    instance: dg.DagsterInstance,
    tags: Mapping[str, str],
    selection: Sequence[dg.AssetKey] | None = None,
    stop: Stop | None = None,
) -> dg.JobExecutionResult:
    """Run the job silently; the run's log in the UI has the details.

    Args:
        instance: The Dagster instance.
        tags: Tags of the run; they name its partitions.
        selection: The assets to run; None for all.
        stop: What may end the run.
    """
    with kept_connections(instance), stopped_by(stop or Stop()):
        return dg.execute_job(
            dg.reconstructable(analyze_job),
            instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}, "resources": _resources()},
            tags={**tags, PROCESS_TAG: this_process()},
            asset_selection=selection,
        )


def _resources() -> dict[str, Any]:
    """The settings of this process: the code location may have been imported under others."""
    now = settings()
    places = {"archive": now.archive, "scratch": str(now.scratch), "reports": str(now.reports)}
    return {
        "warehouse": {"config": {"path": str(now.warehouse)}},
        "settings": {"config": {**places, "scratch_gb": now.scratch_gb, "disabled": now.disabled}},
    }
