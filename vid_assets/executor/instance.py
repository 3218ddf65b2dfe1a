"""What a run shares with others through the Dagster instance: slots in pools, and the event log."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from vid_assets.executor import _dagster as inside
from vid_assets.executor.order import step_priority

BLOCKED_AGAIN_S = 300.0


class Pools:
    """Claims on the instance's concurrency pools, freed on every path out of the run.

    Args:
        job: The run.
    """

    def __init__(self, job: inside.PlanExecutionContext) -> None:
        self._job = job
        self._claims = inside.InstanceConcurrencyContext(job.instance, job.dagster_run)
        self._held: dict[str, str] = {}
        self._waiting: dict[str, str] = {}
        self._told: dict[str, float] = {}

    def __enter__(self) -> "Pools":
        self._claims.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        for step_key in list(self._held):
            self.free(step_key)
        self._claims.__exit__(None, None, None)

    def claim(self, step: inside.ExecutionStep) -> bool:
        """Take a slot in the step's pool; False if there is none free, or if it is too early to ask again."""
        pool = step.pool or step.tags.get(inside.GLOBAL_CONCURRENCY_TAG)
        if not pool:
            return True
        if self._claims.claim(pool, step.key, step_priority(step.key, step.tags)):
            self._held[step.key] = pool
            self._waiting.pop(step.key, None)
            return True
        self._waiting[step.key] = pool
        return False

    def free(self, step_key: str) -> None:
        """Give the step's slot back, if it has one. Steps of this run that wait for the same pool may ask at once."""
        self._claims.free_step(step_key)
        freed = self._held.pop(step_key, None)
        for waiting, pool in self._waiting.items():
            if pool == freed:
                self._claims._pending_timeouts[waiting] = 0.0

    def blocked_event(self, step: inside.ExecutionStep) -> dg.DagsterEvent | None:
        """Say in the log that a step waits for its pool: the first time, and every five minutes after that."""
        last = self._told.get(step.key)
        if step.key not in self._waiting or (last is not None and time.monotonic() - last < BLOCKED_AGAIN_S):
            return None
        self._told[step.key] = time.monotonic()
        return dg.DagsterEvent.step_concurrency_blocked(
            self._job.for_step(step), self._waiting[step.key], initial=last is None
        )

    def next_check_s(self) -> float:
        """Seconds until a waiting step may ask again; infinity if none waits."""
        due = [self._claims._pending_timeouts[step_key] for step_key in self._waiting]
        return max(0.0, min(due, default=float("inf")) - time.time())


@contextmanager
def kept_connections(instance: dg.DagsterInstance) -> Iterator[None]:
    """Let the SQLite event log keep its connections open for the duration of a run, or of several with what makes them.

    As it comes, it builds an SQLAlchemy engine for every event it stores, compiles the statements anew, and closes the
    last connection to the file, which makes SQLite fold its write-ahead log back: most of what a run of small steps
    costs. Locking, transactions and durability stay as they are: each event is a synced commit of its own before its
    step goes on. Folding back is also what touched the file that the web server watches for new events, so the file is
    touched here instead. Other event logs are left alone, and so is one whose connections are kept already.
    """
    storage = instance.event_log_storage
    on_sqlite, busy_timeout_s = inside.sqlite_storage()
    if type(storage) is not on_sqlite or "_connect" in vars(storage):
        yield
        return

    import sqlalchemy

    engines: dict[str, Any] = {}
    theirs = storage._connect

    @contextmanager
    def connect(shard: str) -> Iterator[Any]:
        if shard not in storage._initialized_dbs:
            with theirs(shard) as connection:
                yield connection
            return
        with storage._db_lock:
            if shard not in engines:
                engines[shard] = sqlalchemy.create_engine(
                    storage.conn_string_for_shard(shard),
                    poolclass=sqlalchemy.StaticPool,
                    connect_args={"timeout": busy_timeout_s, "check_same_thread": False},
                )
            with engines[shard].connect() as connection, connection.begin():
                yield connection
            os.utime(storage.path_for_shard(shard))

    vars(storage)["_connect"] = connect
    try:
        yield
    finally:
        with storage._db_lock:
            del vars(storage)["_connect"]
            for engine in engines.values():
                engine.dispose()
