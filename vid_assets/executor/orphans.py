"""Runs whose process is gone.

A killed process cannot end its run, and Dagster checks only processes that a living code server of its own started. A
run from the command line, or one whose server died with it, would count as started for ever, keep its slots in the
pools, and keep its videos out of the nightly backfill.
"""

import socket
import time

import dagster as dg

# Tags with this prefix are hidden in the list of runs. Both are what Dagster writes into its storage.
HIDDEN_TAG_PREFIX = ".dagster/"
GRPC_INFO_TAG = f"{HIDDEN_TAG_PREFIX}grpc_info"
PROCESS_TAG = f"{HIDDEN_TAG_PREFIX}vid_process"
# A living code server ends its own runs in less time.
SERVER_S = 60.0
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def this_process() -> str:
    """Return the machine, id and start time of this process; no other process ever has the same."""
    import psutil

    process = psutil.Process()
    return f"{socket.gethostname()} {process.pid} {process.create_time():.2f}"


def end_orphans(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs whose process on this machine is gone as failed or cancelled, and free their slots.

    Returns:
        The ids of these runs.
    """
    ended: list[str] = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED)):
        run_id, age_s = record.dagster_run.run_id, time.time() - record.update_timestamp.timestamp()
        has_server = GRPC_INFO_TAG in record.dagster_run.tags
        if not _is_gone(_process_of(record.dagster_run, instance)) or (has_server and age_s < SERVER_S):
            continue
        # the process may have ended the run just before it exited
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            continue
        if run.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, "Its process no longer exists.")
        else:
            instance.report_run_failed(run, "Its process no longer exists: it was killed, or it crashed.")
        ended.append(run_id)
    _free_slots(instance)
    return ended


def _free_slots(instance: dg.DagsterInstance) -> None:
    """Free the slots of runs that have ended: one that ended on a full disk, or in a kill, could not do it itself.

    Dagster's daemon frees them too. Without it, the steps of all later runs would wait for these slots for ever.
    """
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    for run_id in storage.get_concurrency_run_ids():
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            storage.free_concurrency_slots_for_run(run_id)


def _process_of(run: dg.DagsterRun, instance: dg.DagsterInstance) -> str:
    """Return how the run's process names itself; empty for a run that so far has only its parent's tags."""
    process = run.tags.get(PROCESS_TAG, "")
    parent = instance.get_run_by_id(run.parent_run_id) if process and run.parent_run_id else None
    return "" if parent is not None and parent.tags.get(PROCESS_TAG) == process else process


def _is_gone(process: str) -> bool:
    import psutil

    machine, _, rest = process.partition(" ")
    if machine != socket.gethostname():
        return False
    pid, _, started = rest.partition(" ")
    try:
        return f"{psutil.Process(int(pid)).create_time():.2f}" != started
    except psutil.NoSuchProcess:
        return True
