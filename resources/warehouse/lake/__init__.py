"""Results in a DuckLake: the catalogue is a Postgres database, the rows are Parquet files that all machines see.

The address of a lake is ``ducklake:postgres:`` and a connection string of libpq, such as
``ducklake:postgres:host=db dbname=lake`` or ``ducklake:postgres:postgresql://db/lake``. Only this package needs
extensions of DuckDB, and psycopg2; the extra ``cluster`` installs them.
"""

from resources.warehouse.lake.address import is_lake
from resources.warehouse.lake.store import LakeStore

__all__ = ["LakeStore", "is_lake"]
