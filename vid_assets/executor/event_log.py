"""Cheap event storage: a run keeps the connections of the SQLite event log open."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
