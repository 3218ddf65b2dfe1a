"""Removes old history from Dagster's storage, without a change to what Dagster knows.

Dagster's own ways remove either nothing or too much: its retention settings cover ticks only, and a deleted run takes
its materializations along, after which its partitions count as missing (dagster issue 18369). So a run that a partition
still leans on is thinned: its record stays, and of its events those that decide the state of a partition.
"""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from vid_assets.executor import compact, has_file_per_run

INDEX = "index"
FREE_SHARE = 0.25  # of a file, from which it is worth being written anew
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
# An event of a run that decides the state of a partition: its last materialization; or, if the run failed, the last plan
# to materialize it, which makes it failed. Events without a partition stay: this pipeline has none.
_DECISIVE = """
    dagster_event_type IN ('ASSET_MATERIALIZATION', 'ASSET_OBSERVATION', 'ASSET_MATERIALIZATION_PLANNED')
    AND (:failed OR dagster_event_type <> 'ASSET_MATERIALIZATION_PLANNED')
    AND NOT EXISTS (
        SELECT 1 FROM event_logs AS newer WHERE newer.asset_key = event_logs.asset_key
        AND newer.partition = event_logs.partition AND newer.id > event_logs.id
        AND (
            newer.dagster_event_type = event_logs.dagster_event_type
            OR newer.dagster_event_type = 'ASSET_MATERIALIZATION'
            AND event_logs.dagster_event_type = 'ASSET_MATERIALIZATION_PLANNED'
        )
    )"""
_COUNT = f"SELECT count(*) FROM event_logs WHERE run_id = :run_id AND {_DECISIVE}"
_THIN = (
    "DELETE FROM asset_event_tags WHERE event_id IN"
    f" (SELECT id FROM event_logs WHERE run_id = :run_id AND NOT ({_DECISIVE}))",
    f"DELETE FROM event_logs WHERE run_id = :run_id AND NOT ({_DECISIVE})",
)
_OLD_CHECKS = """
    DELETE FROM asset_check_executions WHERE evaluation_event_timestamp < :before AND (
        partition IS NOT NULL AND check_name IN :former
        OR EXISTS (
            SELECT 1 FROM asset_check_executions AS newer WHERE newer.asset_key = asset_check_executions.asset_key
            AND newer.check_name = asset_check_executions.check_name AND newer.id > asset_check_executions.id
            AND coalesce(newer.partition, '') = coalesce(asset_check_executions.partition, '')
        )
    )"""


def old_runs(instance: dg.DagsterInstance, before: datetime) -> Iterator[tuple[dg.DagsterRun, bool]]:
    """Yield the ended runs from before a time, and whether a partition leans on each."""
    import sqlalchemy

    storage: Any = instance.event_log_storage
    for run in instance.get_runs(dg.RunsFilter(statuses=_ENDED, created_before=before)):
        with storage.index_connection() as index:
            yield run, bool(index.execute(sqlalchemy.text(_COUNT), _named(run)).scalar())


def forget_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Remove a run with all its events and logs."""
    instance.compute_log_manager.delete_logs(prefix=[run.run_id])
    instance.delete_run(run.run_id)
    _remove_log(instance.event_log_storage, run.run_id)


def thin_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Remove the logs of a run, and its events but for those that decide the state of a partition."""
    import sqlalchemy

    storage: Any = instance.event_log_storage
    instance.compute_log_manager.delete_logs(prefix=[run.run_id])
    with storage.index_connection() as index:
        for statement in _THIN:
            index.execute(sqlalchemy.text(statement), _named(run))
    _remove_log(storage, run.run_id)


def forget_checks(instance: dg.DagsterInstance, before: datetime, former: Collection[str]) -> None:
    """Remove the results of checks from before a time, but for the last one of each.

    Args:
        instance: The Dagster instance.
        before: The time.
        former: Names of checks by video that no longer exist; none of their results stays.
    """
    import sqlalchemy

    statement = sqlalchemy.text(_OLD_CHECKS).bindparams(
        sqlalchemy.bindparam("former", list(former), expanding=True),
        sqlalchemy.bindparam("before", before.astimezone(UTC).replace(tzinfo=None), type_=sqlalchemy.DateTime()),
    )
    storage: Any = instance.event_log_storage
    with storage.index_connection() as index:
        index.execute(statement)


def give_back_space(instance: dg.DagsterInstance) -> None:
    """Write the index of all runs anew if much of its file is free. If it is in use, its free pages are reused later."""
    storage: Any = instance.event_log_storage
    if not has_file_per_run(storage):
        return
    with suppress(sqlite3.OperationalError):
        with closing(sqlite3.connect(storage.path_for_shard(INDEX))) as file:
            free, pages = (file.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count"))
        if free > FREE_SHARE * pages:
            compact(storage, INDEX)


def _named(run: dg.DagsterRun) -> dict[str, Any]:
    return {"run_id": run.run_id, "failed": run.status is dg.DagsterRunStatus.FAILURE}


def _remove_log(storage: Any, run_id: str) -> None:
    """Remove the file of a run's own events."""
    if has_file_per_run(storage):
        for ending in ("", "-wal", "-shm"):
            Path(f"{storage.path_for_shard(run_id)}{ending}").unlink(missing_ok=True)
