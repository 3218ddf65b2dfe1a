"""``results.duckdb``: the file that people open, and a private copy for this code.

Both contain definitions and the names of files, no rows. A new generation or a new definition builds new ones and
renames them; a session goes on with the file that it opened. DuckDB keeps a lock on a file as long as a session has it
open, which tells whose files must stay.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from resources import fs
from resources.errors import WarehouseError
from resources.warehouse import sessions
from resources.warehouse.files import locked, temporary
from resources.warehouse.generations import GENERATIONS, Generation, current, generations
from resources.warehouse.views import rendered

if TYPE_CHECKING:
    import duckdb

# The views need at least DuckDB 1.3, which can open files of this version.
_STORAGE_VERSION = "v1.2.0"


class Database:
    """The database files of the warehouse in the absolute folder `root`.

    ``results.sql`` contains the statements that built ``results.duckdb``, so the content is known without opening it.
    The private copy exists because DuckDB locks out all other processes while one process has a file open for writing,
    and a person's session must not stop a run. Generation and digest of the statements name the copy, so that a
    process with an older copy open cannot get that copy instead of the newer one.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._results = root / "results.duckdb"
        self._sql = root / "results.sql"
        self._folder = root / GENERATIONS
        self._definition = self._folder / "definition.sql"

    def connect(self) -> "duckdb.DuckDBPyConnection":
        """Return a read-only connection to the private copy, with times in UTC.

        Raises:
            WarehouseError: Nothing has been published here.
        """
        import duckdb

        while True:
            script = self._published()
            if script is None:
                raise WarehouseError(str(self._root), "nothing is published here", "call Warehouse.publish first")
            try:
                connection = duckdb.connect(self._copy(script), read_only=True)
            except duckdb.IOException:
                if script == self._published():
                    raise
                continue  # a new one was built between the two, and the old one removed
            connection.execute("SET TimeZone = 'UTC'")
            return connection

    def is_current(self, definition: str) -> bool:
        """Whether the files were built with `definition` and the newest generation, and can be opened."""
        script = rendered(definition, self._root, current(self._root))
        return self._published() == script and self._copy(script).exists() and self._opens()

    def define(self, definition: str) -> None:
        """Build the files with `definition` and the newest generation. One builder runs at a time.

        With two at once, the views of one could end up beside the statements of the other.
        """
        with locked(self._root, "results.duckdb"):
            self._folder.mkdir(parents=True, exist_ok=True)
            fs.write_atomically(self._definition, definition, durable=True)
            if not self.is_current(definition):
                self._build(definition)

    def renew(self) -> None:
        """Build the files with the last definition and the newest generation; nothing if nothing was defined."""
        with locked(self._root, "results.duckdb"):
            if self._definition.exists() and not self.is_current(definition := self._definition.read_text()):
                self._build(definition)

    def kept(self, for_s: float) -> list[Generation]:
        """Forget the generations that nobody needs any more, and return the others.

        Needed are the newest one, the one that ``results.duckdb`` shows, those that were replaced less than `for_s`
        seconds ago, and those that a session shows that is still open, in whatever process.
        """
        now, ordered = time.time(), generations(self._root)
        shown = self._folder / "-" if (script := self._published()) is None else self._copy(script)
        built = [file for file in self._folder.glob("*.duckdb") if not file.name.startswith(shown.stem)]
        # `_build` sets their time of modification when it replaces them
        old = [file for file in built if now - file.stat().st_mtime >= for_s]
        for file in set(old) - _in_sessions(old):
            file.unlink()
        numbers = {_number(file) for file in self._folder.glob("*.duckdb")} | {made.number for made in ordered[-1:]}
        numbers |= {old.number for old, new in pairwise(ordered) if now - self._made_at(new) < for_s}
        for made in ordered:
            if made.number not in numbers:
                (self._folder / f"{made.number}.json").unlink(missing_ok=True)
        return [made for made in ordered if made.number in numbers]

    def _build(self, definition: str) -> None:
        import duckdb

        script, before = rendered(definition, self._root, current(self._root)), self._published()
        copy = self._copy(script)
        # a second name of ``results.duckdb``, which stays when that is replaced
        public = copy.with_suffix(".public.duckdb")
        with temporary(self._root) as built, temporary(self._root) as twin, temporary(self._root) as text:
            with duckdb.connect() as connection:
                name = str(built).replace("'", "''")
                connection.execute(f"ATTACH '{name}' AS results (STORAGE_VERSION '{_STORAGE_VERSION}'); USE results")
                connection.execute(f"BEGIN; {script}; COMMIT")
                connection.execute("USE memory; DETACH results")
            shutil.copyfile(built, twin)
            text.write_text(script)
            public.unlink(missing_ok=True)
            public.hardlink_to(twin)
            built.replace(copy)
            # The log first, because it belongs to the file that is removed.
            self._log().unlink(missing_ok=True)
            twin.replace(self._results)
            text.replace(self._sql)
        if before is not None and before != script:
            for file in self._folder.glob(f"{self._copy(before).stem}.*"):
                os.utime(file)

    def _made_at(self, generation: Generation) -> float:
        return (self._folder / f"{generation.number}.json").stat().st_mtime

    def _published(self) -> str | None:
        try:
            return self._sql.read_text()
        except FileNotFoundError:
            return None

    def _copy(self, script: str) -> Path:
        number = script.partition("\n")[0].rpartition(" ")[2]
        return self._folder / f"{number}-{hashlib.sha256(script.encode()).hexdigest()[:16]}.duckdb"

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


def _number(file: Path) -> int:
    return int(file.name.partition("-")[0])


def _in_sessions(files: Collection[Path]) -> set[Path]:
    """Return the files that a session in any process has open."""
    if not files:
        return set()
    names = subprocess.run(
        [sys.executable, "-S", sessions.__file__, *map(str, files)], capture_output=True, text=True, check=True
    ).stdout
    return {Path(name) for name in names.split("\0") if name}
