"""``results.duckdb``: the file that people open, and a private copy for this code."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from resources.errors import WarehouseError
from resources.warehouse.versions import STALE_S, locked, remove_stale, temporary

if TYPE_CHECKING:
    import duckdb

# DuckDB 1.3 is the first that knows what the views use, and it can open files of this version.
_STORAGE_VERSION = "v1.2.0"


class Database:
    """The database files of the warehouse at the absolute folder `root`; they hold definitions, no rows.

    ``results.sql`` holds the statements that ``results.duckdb`` was built with: what is built can be known without
    opening it. The private copy is there because DuckDB lets nobody else in while one process has a file open for
    writing, and a person's session must not stop a run. It is named by the statements' digest, so that a process that
    has an older copy open cannot be handed that one for the newer.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._results = root / "results.duckdb"
        self._sql = root / "results.sql"

    def connect(self) -> "duckdb.DuckDBPyConnection":
        """A read-only connection to the private copy, with times in UTC.

        Raises:
            WarehouseError: Nothing has been published here.
        """
        import duckdb

        script = self._published()
        if script is None:
            raise WarehouseError(str(self._root), "nothing is published here", "call Warehouse.publish first")
        connection = duckdb.connect(self._copy(script), read_only=True)
        connection.execute("SET TimeZone = 'UTC'")
        return connection

    def is_current(self, script: str) -> bool:
        """Whether the files were built with `script` and can be opened."""
        return self._published() == script and self._copy(script).exists() and self._opens()

    def build(self, script: str, prepare: Callable[[], None]) -> None:
        """Builds the files with `script`, after `prepare` has made what its views read; one publisher at a time.

        Two at once could leave the views of one beside the statements of the other.
        """
        with locked(self._root, "results.duckdb"):
            # Before the new copy is there: whoever is about to open the one in force still finds it afterwards.
            self.sweep(STALE_S)
            prepare()
            if not self.is_current(script):
                self._build(script)

    def sweep(self, older_than_s: float) -> int:
        """Removes copies of this age that are no longer in force, and says how many."""
        script = self._published()
        keep = self._copy(script) if script else None
        return remove_stale((f for f in self._root.glob(".catalog/*") if f != keep), older_than_s)

    def _build(self, script: str) -> None:
        import duckdb

        copy = self._copy(script)
        copy.parent.mkdir(exist_ok=True)
        with temporary(self._root) as built, temporary(self._root) as twin, temporary(self._root) as text:
            with duckdb.connect() as connection:
                name = str(built).replace("'", "''")
                connection.execute(f"ATTACH '{name}' AS results (STORAGE_VERSION '{_STORAGE_VERSION}'); USE results")
                connection.execute(f"BEGIN; {script}; COMMIT")
                connection.execute("USE memory; DETACH results")
            shutil.copyfile(built, twin)
            text.write_text(script)
            built.replace(copy)
            # The log first: it belongs to the file that goes.
            self._log().unlink(missing_ok=True)
            twin.replace(self._results)
            text.replace(self._sql)

    def _published(self) -> str | None:
        try:
            return self._sql.read_text()
        except FileNotFoundError:
            return None

    def _copy(self, script: str) -> Path:
        return self._root / ".catalog" / f"{hashlib.sha256(script.encode()).hexdigest()[:16]}.duckdb"

    def _log(self) -> Path:
        return self._results.with_name("results.duckdb.wal")

    def _opens(self) -> bool:
        """Whether people can open ``results.duckdb``, were it not for each other.

        A session that has an older file of this name open, and writes to it, leaves its write-ahead log beside the
        newer file, and DuckDB replays it into that or fails to, with one of several errors.
        """
        if not self._log().exists():
            return self._results.exists()
        import duckdb

        try:
            duckdb.connect(self._results, read_only=True).close()
        except duckdb.ConnectionException:
            return True  # open for writing in this very process
        except duckdb.Error as error:
            return "Could not set lock" in str(error)
        return True
