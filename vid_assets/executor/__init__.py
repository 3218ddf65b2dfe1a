"""The warm-loading executor: it runs steps on threads of the run process, and starts each when its models are ready.

`warm_executor` is the executor definition. A resource implements `Warmable` to have its model loaded ahead of the first
call, and `Sparing` if it knows which steps do not use their models.
`deliver_only` lets a step over several partitions succeed for some of them.
`end_orphans` ends the runs whose process is gone. The executor tags a run with `PROCESS_TAG` from `this_process`, or
the code that creates the run in the process that will execute it does so.
`kept_connections` makes storing the events of a run cheap, including its creation. `has_file_per_run` tells Dagster's
default event log, and `compact` gives free pages of its files back.
`stopped_by` lets a `Stop` end the runs of a thread, after the running steps or at once.
`EXPECTED_SECONDS_TAG` of a step says how long it takes: steps with much work behind them start first.
`cancelled` returns whether the run of a step has been cancelled, so that the step can stop before it writes.
"""

from vid_assets.executor.definition import warm_executor
from vid_assets.executor.event_log import compact, has_file_per_run, kept_connections
from vid_assets.executor.loading import ModelStatus, Sparing, Warmable
from vid_assets.executor.order import EXPECTED_SECONDS_TAG
from vid_assets.executor.orphans import PROCESS_TAG, end_orphans, this_process
from vid_assets.executor.partial import deliver_only
from vid_assets.executor.stop import Stop, stopped_by
from vid_assets.executor.workers import cancelled

__all__ = [
    "EXPECTED_SECONDS_TAG",
    "PROCESS_TAG",
    "ModelStatus",
    "Sparing",
    "Stop",
    "Warmable",
    "cancelled",
    "compact",
    "deliver_only",
    "end_orphans",
    "has_file_per_run",
    "kept_connections",
    "stopped_by",
    "this_process",
    "warm_executor",
]
