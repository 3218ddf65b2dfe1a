"""What the pipeline keeps in the catalogue's database itself: a lock, the code that defined the tables, known keys."""

import json
import os
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from resources.errors import WarehouseUnreachable
from resources.warehouse.lake.address import Address, first_line

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_LOCK = 0x7669645F61737365  # in the database of the lake, so lakes do not share it
# A machine that loses its power says no goodbye; its locks are free after a minute.
_ALIVE = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
_TABLE = "CREATE TABLE IF NOT EXISTS vid_assets (only_row bool PRIMARY KEY CHECK (only_row), definition jsonb NOT NULL)"
_KEYS = "CREATE TABLE IF NOT EXISTS vid_assets_keys (key text PRIMARY KEY)"
_ADD = "INSERT INTO vid_assets_keys SELECT unnest(%s) ON CONFLICT DO NOTHING RETURNING key"
_PUT = "INSERT INTO vid_assets VALUES (true, %s) ON CONFLICT (only_row) DO UPDATE SET definition = excluded.definition"


class Catalogue:
    """A connection of this process to the database of a lake."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._mutex = threading.RLock()
        self._open: Connection | None = None
        self._depth = 0
        self._data: str | None = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other machines, processes and threads out of such blocks. A killed holder's lock is free at once.

        A block inside another one of the same thread does not wait.

        Raises:
            WarehouseUnreachable: There is no connection.
        """
        with self._mutex:
            if self._depth == 0:
                self._ask("SELECT pg_advisory_lock(%s)", [_LOCK])
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._unlock()

    def data(self) -> str | None:
        """Return where the lake keeps its files, which never changes; None if the database has no lake yet."""
        if self._data is None and self._has("ducklake_metadata"):
            self._data = self._ask("SELECT value FROM ducklake_metadata WHERE key = 'data_path'")[0][0]
        return self._data

    def definition(self) -> dict[str, str]:
        """Return what `put` stored; nothing for a lake that was not defined."""
        found = self._ask("SELECT definition FROM vid_assets") if self._has("vid_assets") else []
        return found[0][0] if found else {}

    def size(self) -> tuple[int, int]:
        """Return the number of rows and of files of all tables."""
        files, rows = self._ask(
            "SELECT count(*), coalesce(sum(record_count), 0) FROM ducklake_data_file WHERE end_snapshot IS NULL"
        )[0]
        gone = self._ask("SELECT coalesce(sum(delete_count), 0) FROM ducklake_delete_file WHERE end_snapshot IS NULL")
        return int(rows - gone[0][0]), files

    def put(self, definition: Mapping[str, str]) -> None:
        """Store by which code the tables were defined."""
        self._ask(_TABLE)
        self._ask(_KEYS)
        self._ask(_PUT, [json.dumps(dict(definition))])

    def note(self, keys: Collection[str]) -> set[str]:
        """Note partition keys that are about to be written, and return those that were noted before.

        To look for rows that do not exist costs the lake more than to write new ones. A key that is noted may be
        without rows, but none with rows is not noted.
        """
        return set(keys) - {key for (key,) in self._ask(_ADD, [sorted(keys)])}

    def _has(self, table: str) -> bool:
        return self._ask("SELECT to_regclass(%s) IS NOT NULL", [table])[0][0]

    def _ask(self, query: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        import psycopg2

        with self._mutex:
            fresh = self._open is None
            try:
                if self._open is None:
                    self._open = self._connected()
                with self._open.cursor() as cursor:
                    cursor.execute(query, values)
                    return cursor.fetchall() if cursor.description else []
            except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
                self._open = None
                if fresh or self._depth:
                    raise unreachable(self._address, error) from error
            return self._ask(query, values)  # the server was restarted since the last time

    def _connected(self) -> "Connection":
        import psycopg2

        made = psycopg2.connect(
            self._address.connection, connect_timeout=10, application_name="vid_assets", options=_ALIVE
        )
        made.autocommit = True
        return made

    def _unlock(self) -> None:
        import psycopg2

        if self._open is None:
            return
        try:
            with self._open.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
        except psycopg2.Error:
            self._open = None  # the lock went with the connection


def catalogue(address: Address) -> Catalogue:
    """Return this process's connection to the database of a lake."""
    return _catalogue(address, os.getpid())


@lru_cache(maxsize=8)
def _catalogue(address: Address, _process: int) -> Catalogue:
    return Catalogue(address)


def unreachable(address: Address, error: Exception) -> WarehouseUnreachable:
    """Return the error for a catalogue that does not answer."""
    return WarehouseUnreachable(
        address.shown, first_line(error), "correct VID_WAREHOUSE, PGPASSWORD or ~/.pgpass, or start the database"
    )
