"""The job that runs every analyzer on a video, and the one that looks at the whole archive."""

import dagster as dg

from vid_assets.defs.overview import OVERVIEW

ANALYZE_JOB = "analyze_video"

analyze_videos = dg.define_asset_job(
    ANALYZE_JOB,
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(OVERVIEW),
    description="Decode a video and run every analyzer on it.",
)

overview_job = dg.define_asset_job(
    f"{OVERVIEW}_job", selection=[OVERVIEW], description="Draw how fast, how complete and how healthy the archive is."
)
daily_overview = dg.ScheduleDefinition(
    name="daily_overview",
    job=overview_job,
    cron_schedule="0 6 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Draws the archive overview, after the night's work.",
)

defs = dg.Definitions(jobs=[analyze_videos, overview_job], schedules=[daily_overview])
