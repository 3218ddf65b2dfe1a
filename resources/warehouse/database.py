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

# The views need at least DuckDB 1.3, which can open files of this version.
_STORAGE_VERSION = "v1.2.0"


class Database:
    """The database files of the warehouse in the absolute folder `root`. They contain definitions, no rows.

    ``results.sql`` contains the statements that built ``results.duckdb``, so the content is known without opening it.
    The private copy exists because DuckDB locks out all other processes while one process has a file open for writing,
    and a person's session must not stop a run. The digest of the statements names the copy, so that a process with
    an older copy open cannot get that copy instead of the newer one.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._results = root / "results.duckdb"
        self._sql = root / "results.sql"

    def connect(self) -> "duckdb.DuckDBPyConnection":
        """Return a read-only connection to the private copy, with times in UTC.

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
        """Build the files with `script`, after `prepare` has made what the views read. One publisher runs at a time.

        With two at once, the views of one could end up beside the statements of the other.
        """
        with locked(self._root, "results.duckdb"):
            # Before the new copy exists: a process that is about to open the current copy still finds it afterwards.
            self.sweep(STALE_S)
            prepare()
            if not self.is_current(script):
                self._build(script)

    def sweep(self, older_than_s: float) -> int:
        """Remove outdated copies of at least this age, and return their number."""
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
            # The log first, because it belongs to the file that is removed.
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
        """Whether people can open ``results.duckdb``, apart from being locked out by each other.

        A session that has an older file of this name open and writes to it leaves its write-ahead log beside the newer
        file. DuckDB replays the log into the newer file, or fails with one of several errors.
        """
        if not self._log().exists():
            return self._results.exists()
        import duckdb

        try:
            duckdb.connect(self._results, read_only=True).close()
        except duckdb.ConnectionException:
            return True  # open for writing in this process
        except duckdb.Error as error:
            return "Could not set lock" in str(error)
        return True
