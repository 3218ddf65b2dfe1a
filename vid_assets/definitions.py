"""The code location: everything in ``defs``, run by the warm-loading executor."""

import dagster as dg

from vid_assets.defs import alerts, analyzers, automation, compaction, jobs, overview, report, resources, videos
from vid_assets.disk import keep_private
from vid_assets.executor import warm_executor

# Dagster's processes import this module before they write anything.
keep_private()

defs = dg.Definitions.merge(
    videos.defs,
    analyzers.defs,
    report.defs,
    overview.defs,
    alerts.defs(),
    jobs.defs,
    automation.defs,
    compaction.defs,
    resources.defs,
    dg.Definitions(executor=warm_executor),
)
