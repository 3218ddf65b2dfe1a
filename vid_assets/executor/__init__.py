"""The warm-loading executor: a run's steps on threads of the run process, gated by the models they need.

`warm_executor` is the executor definition. `Warmable` is what a resource offers to have its model loaded ahead, and
`Sparing` what one offers that knows steps that will not use theirs.
`deliver_only` lets a step over several partitions succeed for some of them.
`end_orphans` ends the runs whose process is gone.
`cancelled` tells a step whether its run has been cancelled, so that it can stop before it writes.
"""

from vid_assets.executor.models import ModelStatus, Sparing, Warmable
from vid_assets.executor.orphans import end_orphans
from vid_assets.executor.partial import deliver_only
from vid_assets.executor.warm import warm_executor
from vid_assets.executor.workers import cancelled

__all__ = ["ModelStatus", "Sparing", "Warmable", "cancelled", "deliver_only", "end_orphans", "warm_executor"]
