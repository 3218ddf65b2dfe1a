"""Runs whose process is gone.

A process that is killed cannot end its run, and Dagster looks only after processes that a living code server of its own
started: a run of the command line, or one whose server died with it, would count as started for ever, keep its slots
in the pools, and keep its videos from the nightly backfill.
"""

import socket
import time

import dagster as dg

from vid_assets.executor._dagster import GRPC_INFO_TAG

PROCESS_TAG = "vid/process"
# A code server that lives ends its own runs in less.
SERVER_S = 60.0


def this_process() -> str:
    """The machine, the id and the start of this process, which no other process ever shares."""
    import psutil

    process = psutil.Process()
    return f"{socket.gethostname()} {process.pid} {process.create_time():.2f}"


def end_orphans(instance: dg.DagsterInstance) -> list[str]:
    """Mark the runs whose process on this machine is gone as failed or cancelled, and free their slots.

    Returns:
        Their ids.
    """
    ended: list[str] = []
    begun = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
    for record in instance.get_run_records(begun):
        tags, run_id = record.dagster_run.tags, record.dagster_run.run_id
        age_s = time.time() - record.update_timestamp.timestamp()
        if not _is_gone(tags.get(PROCESS_TAG, "")) or (GRPC_INFO_TAG in tags and age_s < SERVER_S):
            continue
        # its process may have ended the run just before it left
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            continue
        if run.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, "Its process is gone.")
        else:
            instance.report_run_failed(run, "Its process is gone: it was killed, or it crashed.")
        instance.event_log_storage.free_concurrency_slots_for_run(run_id)
        ended.append(run_id)
    return ended


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
