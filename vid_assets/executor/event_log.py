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
    """Let the SQLite event log keep its connections open for the duration of a run, or of several with what makes them.

    As it comes, it builds an SQLAlchemy engine for every event it stores, compiles the statements anew, and closes the
    last connection to the file, which makes SQLite fold its write-ahead log back: most of what a run of small steps
    costs. Durability and transactions stay as they are: each event is a synced commit of its own before its step goes
    on. Folding back is also what touched the file that the web server watches for new events, so the file is touched
    here instead. Other event logs are left alone, and so is one whose connections are kept already.
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
    """Whether an event log is Dagster's default: SQLite, a file for each run and one index."""
    needed = ("run_connection", "index_connection", "path_for_shard")
    return all(callable(getattr(storage, name, None)) for name in needed)


class _Kept:
    """One open connection to the file of each run, and one to the index.

    Args:
        storage: The event log. Its two methods that make connections are the abstract interface of all SQL event logs.
    """

    def __init__(self, storage: Any) -> None:
        self._file_of = storage.path_for_shard
        self._run_connection, self._index_connection = storage.run_connection, storage.index_connection
        self._lock = threading.Lock()
        self._engines: dict[str, Any] = {}

    @contextmanager
    def connection(self, run_id: str | None = None) -> Iterator[Any]:
        """A connection in a transaction, to the events of a run or, without a run, to the index over all runs."""
        shard = run_id or INDEX
        with self._lock:
            engine = self._engine(shard)
            with engine.connect() as connection, connection.begin():
                yield connection
            os.utime(self._file_of(shard))

    def close(self) -> None:
        """Let SQLite fold its write-ahead logs back."""
        with self._lock:
            for engine in self._engines.values():
                engine.dispose()

    def _engine(self, shard: str) -> Any:
        if shard not in self._engines:
            import sqlalchemy

            # The event log's own first connection to a file makes the tables.
            with self._index_connection() if shard == INDEX else self._run_connection(shard) as connection:
                url = connection.engine.url
            self._engines[shard] = sqlalchemy.create_engine(
                url,
                poolclass=sqlalchemy.StaticPool,
                connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
            )
        return self._engines[shard]
