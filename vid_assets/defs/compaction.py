"""The hourly compaction of a lake. A folder needs none: there, runs start it in the background."""

import dagster as dg

from resources.settings import settings
from resources.warehouse.lake import is_lake
from resources.warehouse.resource import Warehouse
from vid_assets.sql.publish import publish


@dg.op(description="Merges small files of the results into large ones, and removes what no snapshot needs.")
def compact(context: dg.OpExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> None:
    """Compact the warehouse."""
    publish(warehouse, in_run=True)
    made = warehouse.compact()
    context.log.info(f"{made.rows} rows in {made.files} files; {made.removed} files removed")


@dg.job(executor_def=dg.in_process_executor, description="Compact the results.")
def compact_results() -> None:
    """Compact the results."""
    compact()


hourly_compaction = dg.ScheduleDefinition(
    name="compact_results",
    job=compact_results,
    cron_schedule="30 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Merges small files of the results and removes what no snapshot of the last day needs.",
)

_lake = is_lake(settings().warehouse)
defs = dg.Definitions(jobs=[compact_results] if _lake else [], schedules=[hourly_compaction] if _lake else [])
