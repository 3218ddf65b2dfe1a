"""Removes old history from Dagster's storage, without a change to what Dagster knows.

Dagster's own ways remove either nothing or too much: its retention settings cover ticks only, and a deleted run takes
its materializations along, after which its partitions count as missing (dagster issue 18369). So a run that a partition
still leans on is thinned: its record stays, and of its events those that decide the state of a partition.
"""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from vid_assets.executor import compact, has_file_per_run

INDEX = "index"
FREE_SHARE = 0.25  # of a file, from which it is worth being written anew
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_EVENTS = "SELECT id FROM event_logs WHERE run_id = :run_id"
# The events of a run that decide the state of a partition: its last materialization; or, if the run failed, the last
# plan to materialize it, which makes it failed. Events without a partition count too: this pipeline has none of them.
_DECISIVE = """
    SELECT id FROM event_logs WHERE run_id = :run_id
    AND (
        dagster_event_type = 'ASSET_MATERIALIZATION'
        OR :failed AND dagster_event_type = 'ASSET_MATERIALIZATION_PLANNED'
    )
    AND NOT EXISTS (
        SELECT 1 FROM event_logs AS newer WHERE newer.asset_key = event_logs.asset_key
        AND newer.dagster_event_type IN ('ASSET_MATERIALIZATION', event_logs.dagster_event_type)
        AND newer.partition = event_logs.partition AND newer.id > event_logs.id
    )"""
_FORGET = ("DELETE FROM event_logs WHERE id = :id", "DELETE FROM asset_event_tags WHERE event_id = :id")
_OLD_CHECKS = """
    DELETE FROM asset_check_executions WHERE evaluation_event_timestamp < :before AND (
        partition IS NOT NULL AND check_name IN :former
        OR EXISTS (
            SELECT 1 FROM asset_check_executions AS newer WHERE newer.asset_key = asset_check_executions.asset_key
            AND newer.check_name = asset_check_executions.check_name AND newer.id > asset_check_executions.id
            AND coalesce(newer.partition, '') = coalesce(asset_check_executions.partition, '')
        )
    )"""


@dataclass(frozen=True, slots=True)
class OldRun:
    """An ended run.

    Attributes:
        run_id: Its id.
        needed: Whether an event of it decides the state of a partition.
        spare: Ids of its other events.
        has_log: Whether it has a file of its own events.
    """

    run_id: str
    needed: bool
    spare: Sequence[int]
    has_log: bool

    def forget(self, instance: dg.DagsterInstance) -> None:
        """Remove the run, or if it is needed, all of it but its record and the events that decide something."""
        import sqlalchemy

        storage: Any = instance.event_log_storage
        instance.compute_log_manager.delete_logs(prefix=[self.run_id])
        if not self.needed:
            instance.delete_run(self.run_id)
        elif self.spare:
            with storage.index_connection() as index:
                for statement in _FORGET:
                    index.execute(sqlalchemy.text(statement), [{"id": event} for event in self.spare])
        if has_file_per_run(storage):
            # after the events: Dagster makes the file again to delete something in it
            for ending in ("", "-wal", "-shm"):
                Path(f"{storage.path_for_shard(self.run_id)}{ending}").unlink(missing_ok=True)


def old_runs(instance: dg.DagsterInstance, before: datetime) -> Iterator[OldRun]:
    """Yield the ended runs from before a time that something can be removed of."""
    import sqlalchemy

    storage: Any = instance.event_log_storage
    for run in instance.get_runs(dg.RunsFilter(statuses=_ENDED, created_before=before)):
        named = {"run_id": run.run_id, "failed": run.status is dg.DagsterRunStatus.FAILURE}
        with storage.index_connection() as index:
            decisive = set(index.execute(sqlalchemy.text(_DECISIVE), named).scalars())
            spare = [id for id in index.execute(sqlalchemy.text(_EVENTS), named).scalars() if id not in decisive]
        has_log = has_file_per_run(storage) and Path(storage.path_for_shard(run.run_id)).exists()
        if not decisive or spare or has_log:
            yield OldRun(run.run_id, bool(decisive), spare, has_log)


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
    """Write the index of all runs anew if much of its file is free; not while it is in use."""
    storage: Any = instance.event_log_storage
    if not has_file_per_run(storage):
        return
    with suppress(sqlite3.OperationalError):
        with closing(sqlite3.connect(storage.path_for_shard(INDEX))) as file:
            free, pages = (file.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count"))
        if free > FREE_SHARE * pages:
            compact(storage, INDEX)
