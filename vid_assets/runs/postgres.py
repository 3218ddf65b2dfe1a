"""Dagster's records in Postgres, over connections that stay open; `deploy/dagster.yaml` names it.

It needs the extra ``cluster``.

Dagster's own storage connects anew for each event and each query, which takes Postgres a new process and both sides the
arithmetic of the password: 6 ms of processor time here, where the event itself takes 0.4. A run of ten videos has 500.
"""

from typing import Any

from dagster_postgres import DagsterPostgresStorage  # pyright: ignore[reportMissingImports] - not in .venv
from dagster_postgres.utils import (  # pyright: ignore[reportMissingImports]
    create_pg_engine,
    get_token_provider_from_config,
)

KEPT = 2
# a firewall may forget a connection that nobody used for an hour
RECYCLE_S = 1800


class PostgresRecords(DagsterPostgresStorage):
    """Dagster's storage in Postgres, with its configuration. A process keeps up to `KEPT` connections open."""

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: dict[str, Any]) -> DagsterPostgresStorage:
        """Return the storage; called by Dagster."""
        made = super().from_config_value(inst_data, config_value)
        engine = create_pg_engine(
            made.postgres_url,
            get_token_provider_from_config(config_value),
            isolation_level="AUTOCOMMIT",
            pool_size=KEPT,
            max_overflow=-1,
            pool_recycle=RECYCLE_S,
            # after a restart of Postgres the next query connects again
            pool_pre_ping=True,
        )
        for storage in (made.run_storage, made.event_log_storage, made.schedule_storage):
            assert "_engine" in vars(storage), f"{type(storage).__name__} of dagster-postgres has no engine"
            vars(storage).update(_engine=engine)
        return made
