"""The job that takes a video through everything."""

import dagster as dg

from vid_assets.factory import PARTITIONS

ANALYZE_JOB = "analyze_video"

defs = dg.Definitions(
    jobs=[
        dg.define_asset_job(
            ANALYZE_JOB,
            selection=dg.AssetSelection.all(),
            partitions_def=PARTITIONS,
            description="Decode a video and run every analyzer on it.",
        )
    ]
)
