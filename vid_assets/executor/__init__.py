"""The warm-loading executor: a run's steps on threads of the run process, gated by the models they need.

`warm_executor` is the executor definition. `Warmable` is what a resource offers to have its model loaded ahead, and
`Sparing` what one offers that knows steps that will not use theirs.
`deliver_only` lets a step over several partitions succeed for some of them.
`end_orphans` ends the runs whose process is gone; a run is given `PROCESS_TAG` with `this_process` by the executor, or
by whoever makes the run in the process that will run it.
`kept_connections` makes storing a run's events cheap, its making included.
`stopped_by` lets a `Stop` end the runs of a thread, after the running steps or at once.
`cancelled` tells a step whether its run has been cancelled, so that it can stop before it writes.
"""

from vid_assets.executor.definition import warm_executor
from vid_assets.executor.event_log import kept_connections
from vid_assets.executor.loading import ModelStatus, Sparing, Warmable
from vid_assets.executor.orphans import PROCESS_TAG, end_orphans, this_process
from vid_assets.executor.partial import deliver_only
from vid_assets.executor.stop import Stop, stopped_by
from vid_assets.executor.workers import cancelled

__all__ = [
    "PROCESS_TAG",
    "ModelStatus",
    "Sparing",
    "Stop",
    "Warmable",
    "cancelled",
    "deliver_only",
    "end_orphans",
    "kept_connections",
    "stopped_by",
    "this_process",
    "warm_executor",
]
