"""The job that runs every analyzer on a video."""

import dagster as dg

ANALYZE_JOB = "analyze_video"

analyze_videos = dg.define_asset_job(
    ANALYZE_JOB,
    selection=dg.AssetSelection.all(),
    description="Decode a video and run every analyzer on it.",
)

defs = dg.Definitions(jobs=[analyze_videos])
