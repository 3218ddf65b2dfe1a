"""The code location: everything in ``defs``, run by the warm-loading executor."""

import dagster as dg

from vid_assets.defs import analyzers, automation, compaction, jobs, report, resources, videos
from vid_assets.executor import warm_executor

defs = dg.Definitions.merge(
    videos.defs,
    analyzers.defs,
    report.defs,
    jobs.defs,
    automation.defs,
    compaction.defs,
    resources.defs,
    dg.Definitions(executor=warm_executor),
)
