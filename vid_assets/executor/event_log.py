"""Cheap event storage: a run keeps the connections of the SQLite event log open, and drops its fulfilled plans."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import dagster as dg

INDEX = "index"
BUSY_TIMEOUT_S = 30.0


@contextmanager
def kept_connections(instance: dg.DagsterInstance) -> Iterator[None]:
    """Keep the connections of the SQLite event log open for one run, or for several and the code that creates them.

    By default the event log builds an SQLAlchemy engine for every event, compiles the statements again, and closes the
    last connection to the file, which makes SQLite checkpoint its write-ahead log. That is most of the cost of a run of
    small steps. Durability and transactions do not change: each event is a synced commit before its step continues.
    The checkpoint also touched the file that the web server watches for new events, so this function touches it
    instead. Other event logs do not change, nor does one whose connections are already kept.
    """
    storage: Any = instance.event_log_storage
    if not has_file_per_run(storage) or "run_connection" in vars(storage):
        yield
        return
    kept = _Kept(storage)
    vars(storage).update(run_connection=kept.connection, index_connection=kept.connection)
    try:
        yield
    finally:
        del vars(storage)["run_connection"], vars(storage)["index_connection"]
        kept.close()


_FULFILLED = """
    DELETE FROM event_logs WHERE run_id = :run_id AND (
        dagster_event_type = 'ASSET_CHECK_EVALUATION_PLANNED'
        OR dagster_event_type = 'ASSET_MATERIALIZATION_PLANNED' AND EXISTS (
            SELECT 1 FROM event_logs AS made WHERE made.asset_key = event_logs.asset_key
            AND made.dagster_event_type = 'ASSET_MATERIALIZATION' AND made.partition = event_logs.partition
            AND made.run_id = event_logs.run_id
        )
    )"""

_UNCHECKED = "DELETE FROM asset_check_executions WHERE run_id = :run_id AND execution_status = 'PLANNED'"


def drop_fulfilled_plans(instance: dg.DagsterInstance, run_id: str) -> None:
    """Remove what a run planned and then did from the event log: a row per asset and partition, stored twice.

    While the run works, these rows make its partitions in progress, and afterwards those that it did not materialize
    failed. Once the partition is materialized they mean nothing. Dagster can write one row per asset instead
    (``DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS``), but then no partition is ever in progress or failed, in the
    UI and for automation conditions.

    The plans of checks are also in the table of check executions, which is what is read. The plan of
    a check whose step was skipped goes, too: the UI would show the check as failed, without a reason, and hide its last
    result.
    """
    import sqlalchemy.exc

    storage: Any = instance.event_log_storage
    if not callable(getattr(storage, "index_connection", None)):
        return
    # what is left behind only takes space
    with suppress(sqlalchemy.exc.SQLAlchemyError, sqlite3.Error):
        for connection in (storage.index_connection(), storage.run_connection(run_id)):
            with connection as opened:
                opened.execute(sqlalchemy.text(_FULFILLED), {"run_id": run_id})
        with storage.index_connection() as opened:
            opened.execute(sqlalchemy.text(_UNCHECKED), {"run_id": run_id})
        if has_file_per_run(storage):
            compact(storage, run_id)


def compact(storage: Any, shard: str) -> None:
    """Give the free pages of a file of the event log back to the file system.

    Raises:
        sqlite3.Error: Another process is writing to it.
    """
    with closing(sqlite3.connect(storage.path_for_shard(shard), timeout=BUSY_TIMEOUT_S)) as file:
        file.execute("VACUUM")


def has_file_per_run(storage: object) -> bool:
    """Whether an event log is Dagster's default: SQLite, one file per run and one index."""
    needed = ("run_connection", "index_connection", "path_for_shard")
    return all(callable(getattr(storage, name, None)) for name in needed)


class _Kept:
    """One open connection per run file, and one to the index.

    Args:
        storage: The event log. Its two methods that open connections are the abstract interface of all SQL event logs.
    """

    def __init__(self, storage: Any) -> None:
        self._file_of = storage.path_for_shard
        self._run_connection, self._index_connection = storage.run_connection, storage.index_connection
        self._lock = threading.Lock()
        self._engines: dict[str, Any] = {}

    @contextmanager
    def connection(self, run_id: str | None = None) -> Iterator[Any]:
        """Yield a connection in a transaction: to the events of a run or, without a run, to the index of all runs."""
        shard = run_id or INDEX
        with self._lock:
            engine = self._engine(shard)
            with engine.connect() as connection, connection.begin():
                yield connection
            os.utime(self._file_of(shard))

    def close(self) -> None:
        """Let SQLite checkpoint its write-ahead logs."""
        with self._lock:
            for engine in self._engines.values():
                engine.dispose()

    def _engine(self, shard: str) -> Any:
        if shard not in self._engines:
            import sqlalchemy

            # The event log's own first connection to a file creates the tables.
            with self._index_connection() if shard == INDEX else self._run_connection(shard) as connection:
                url = connection.engine.url
            self._engines[shard] = sqlalchemy.create_engine(
                url,
                poolclass=sqlalchemy.StaticPool,
                connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
            )
        return self._engines[shard]
