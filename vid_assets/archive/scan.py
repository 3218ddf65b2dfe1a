"""Finds new, changed and vanished files in an archive, one part at a time.

An index (SQLite, in the scratch folder) stores every folder and file, and is the cursor. A scan first lists folders
that are new, have changed, or contain files that are still being written. It then lists the folders that were listed
longest ago, until it has used its share of entries. So a new file is found at once if folders have modification
times, and within a few scans otherwise. An archive of 100,000 files is never listed as a whole. If the index is lost,
the next scans rebuild it. Nothing else changes, because files are identified by their content.
"""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import tokenize

from resources.settings import settings
from vid_assets.archive.changes import Changes, Skipped, Vanished, grouped
from vid_assets.archive.filesystem import url_to_fs
from vid_assets.archive.listing import Entry, folder_version, list_folder
from vid_assets.errors import MediaError
from vid_assets.media.paths import path_of, shown, stored
from vid_assets.media.sniff import unfinished

SETTLE_S = 5.0
# A file that could not be read for an external reason is tried again after this time.
LATER_S = 600.0
ENTRIES = 20_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS folders (path TEXT PRIMARY KEY, parent TEXT, version TEXT, listed_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, folder TEXT NOT NULL, size INTEGER, version TEXT, noted_at REAL NOT NULL,
    state TEXT NOT NULL, video_id TEXT
);
CREATE INDEX IF NOT EXISTS files_by_folder ON files (folder);
CREATE INDEX IF NOT EXISTS files_by_state ON files (state);
CREATE INDEX IF NOT EXISTS files_by_video ON files (video_id);
"""
# Columns that older indexes do not have.
_ADDED = (("folders", "real TEXT"), ("files", "reason TEXT"))


class _Known(NamedTuple):
    """What the index stores about a file."""

    size: int | None
    version: str
    noted_at: float
    state: str
    video_id: str | None
    reason: str | None = None


class Archive:
    """An archive and its index, as a context manager.

    Args:
        url: A folder, or any URL that fsspec can list.
        scratch: Folder for the index.
    """

    def __init__(self, url: str, scratch: Path) -> None:
        self.fs, root = url_to_fs(url)
        self.is_local = isinstance(self.fs, LocalFileSystem)
        self.root = stored(root) if self.is_local else root
        self._real_root = stored(os.path.realpath(root)) if self.is_local else root
        scratch.mkdir(parents=True, exist_ok=True)
        name = tokenize(self.fs.unstrip_protocol(root))[:12]
        self._index = sqlite3.connect(scratch / f"archive-{name}.sqlite", timeout=30)
        self._index.executescript(_SCHEMA)
        for table, column in _ADDED:
            if column.split()[0] not in {row[1] for row in self._index.execute(f"PRAGMA table_info({table})")}:
                self._index.execute(f"ALTER TABLE {table} ADD COLUMN {column}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._index.close()

    def scan(self, now: float | None = None, entries: int = ENTRIES) -> Changes:
        """Scan a part of the archive: about this number of entries, and at least one whole folder.

        Raises:
            MediaError: The archive cannot be listed. In this case no file counts as vanished.
        """
        now = time.time() if now is None else now
        changes = Changes()
        with self._index:
            self._add_folder(self.root, None, self._real_root)
            looked = 0
            for folder in self._due(now):
                looked += self._list(folder, now, changes)
                if looked >= entries:
                    break
        (changes.settling,) = self._index.execute("SELECT count(*) FROM files WHERE state = 'settling'").fetchone()
        changes.settling -= len(changes.ready)
        return changes

    def unlisted(self, since: float) -> int:
        """Return the number of folders that no scan has listed since then (seconds since 1970)."""
        return self._index.execute("SELECT count(*) FROM folders WHERE listed_at < ?", [since]).fetchone()[0]

    def settle(self, files: Iterable[tuple[str, str]]) -> None:
        """Record the ids of ready files. These files are done until they change."""
        rows = [(video_id, path) for path, video_id in files]
        with self._index:
            self._index.executemany("UPDATE files SET state = 'registered', video_id = ? WHERE path = ?", rows)

    def skip(self, files: Iterable[tuple[str, str]]) -> None:
        """Record why ready files are left out. They stay left out until they change."""
        rows = [(reason, path) for path, reason in files]
        query = "UPDATE files SET state = 'skipped', video_id = NULL, reason = ? WHERE path = ?"
        with self._index:
            self._index.executemany(query, rows)

    def refuse(self, files: Iterable[tuple[str, str]]) -> None:
        """Record the problems of ready files that cannot be registered. They stay refused until they change."""
        rows = [(problem, path) for path, problem in files]
        query = "UPDATE files SET state = 'refused', video_id = NULL, reason = ? WHERE path = ?"
        with self._index:
            self._index.executemany(query, rows)

    def refused(self) -> list[str]:
        """Return all refused files in display form, with their problems."""
        query = "SELECT path, reason FROM files WHERE state = 'refused' ORDER BY path"
        return [f"{shown(path_of(path))} ({reason})" for path, reason in self._index.execute(query)]

    def put_off(self, paths: Iterable[str]) -> None:
        """Record that ready files could not be read now. They are ready again after `LATER_S`."""
        rows = [(time.time(), path) for path in paths]
        with self._index:
            self._index.executemany("UPDATE files SET state = 'later', noted_at = ? WHERE path = ?", rows)

    def retry(self) -> None:
        """Make the postponed files ready for the next scan."""
        with self._index:
            self._index.execute("UPDATE files SET state = 'settling' WHERE state = 'later'")

    def skipped(self) -> list[Skipped]:
        """Return all files that are left out, by reason, most frequent first."""
        query = "SELECT reason, path FROM files WHERE state = 'skipped' ORDER BY path"
        return grouped(self._index.execute(query))

    def place_of(self, video_id: str) -> str | None:
        """Return the path of a file with this content; None if the index has none."""
        query = "SELECT path FROM files WHERE video_id = ? LIMIT 1"
        found = self._index.execute(query, [video_id]).fetchone()
        return None if found is None else found[0]

    def url_of(self, path: str) -> str:
        """Return the path in a form that others can open: a plain path for local files, a URL otherwise."""
        return path if self.is_local else self.fs.unstrip_protocol(path)

    def _due(self, now: float) -> Iterator[str]:
        """Yield folders in the order to list them, including folders that are found meanwhile."""
        rows = self._index.execute("SELECT path, version FROM folders ORDER BY listed_at, path").fetchall()
        changed = [path for path, version in rows if self.is_local and version != folder_version(path)]
        query = "SELECT DISTINCT folder FROM files WHERE state = 'settling' OR (state = 'later' AND noted_at <= ?)"
        settling = [row[0] for row in self._index.execute(query, [now - LATER_S])]
        new = [path for path, version in rows if version is None]
        done: set[str] = set()
        for path in (*new, *changed, *settling):
            if path not in done:
                done.add(path)
                yield path
        while fresh := self._index.execute("SELECT path FROM folders WHERE listed_at = 0 LIMIT 1").fetchone():
            done.add(fresh[0])
            yield fresh[0]
        yield from (path for path, _ in rows if path not in done)

    def _list(self, folder: str, now: float, changes: Changes) -> int:
        """Compare one folder with the index.

        Returns:
            The number of its entries.
        """
        version = folder_version(folder) if self.is_local else ""
        real = self._real_of(folder)
        if real is None:  # removed earlier in this scan
            return 0
        try:
            within = self._real_root if self.is_local and settings().links == "inside" else ""
            listed = list(list_folder(self.fs, folder, real, within))
        except OSError as error:
            self._cannot_list(folder, error, now, changes)
            return 1
        query = "SELECT path, size, version, noted_at, state, video_id, reason FROM files WHERE folder = ?"
        known = {row[0]: _Known(*row[1:]) for row in self._index.execute(query, [folder])}
        subfolders = {row[0] for row in self._index.execute("SELECT path FROM folders WHERE parent = ?", [folder])}
        for entry in listed:
            if entry.name.startswith(".") or not entry.is_folder:
                self._note(entry, folder, known.pop(entry.path, None), now, changes)
            elif self._add_folder(entry.path, folder, entry.real):
                subfolders.discard(entry.path)
        for path, row in known.items():
            self._forget_file(path, row.video_id, changes)
        for path in subfolders:
            self._forget_folder(path, changes)
        query = "UPDATE folders SET version = ?, listed_at = ?, real = ? WHERE path = ?"
        self._index.execute(query, [version, now, real, folder])
        return 1 + len(listed)

    def _real_of(self, folder: str) -> str | None:
        """Return the real path of a folder in the index; None if it is not in the index."""
        found = self._index.execute("SELECT real FROM folders WHERE path = ?", [folder]).fetchone()
        if found is None or found[0]:
            return found and found[0]
        return stored(os.path.realpath(path_of(folder))) if self.is_local else folder

    def _add_folder(self, path: str, parent: str | None, real: str) -> bool:
        """Add a folder unless it is already listed at another path. Links can form cycles or lead twice to one place.

        Returns:
            Whether the index has it at this path.
        """
        if self.is_local and self._is_listed_itself(path_of(real), path_of(path)):
            return False
        query = "SELECT count(*) FROM folders WHERE real = ? AND path != ?"
        if self._index.execute(query, [real, path]).fetchone()[0]:
            return False
        self._index.execute("INSERT OR IGNORE INTO folders VALUES (?, ?, NULL, 0, ?)", [path, parent, real])
        return True

    def _is_listed_itself(self, real: Path, path: Path) -> bool:
        """Whether a scan reaches the real folder without a link, at another path than this one."""
        real_root = path_of(self._real_root)
        if not real.is_relative_to(real_root):
            return False
        parts = real.relative_to(real_root).parts
        return path != path_of(self.root).joinpath(*parts) and not any(part.startswith(".") for part in parts)

    def _cannot_list(self, folder: str, error: OSError, now: float, changes: Changes) -> None:
        """Remove a folder that is gone. If it exists and cannot be read, its earlier findings stay."""
        problem = error.strerror or str(error)
        if folder == self.root:
            what = f"the archive cannot be listed ({problem})"
            raise MediaError(shown(path_of(folder)), what, "set VID_ARCHIVE to a folder or an fsspec URL") from None
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            self._forget_folder(folder, changes)
            return
        changes.unreadable[folder] = f"cannot be listed ({problem})"
        self._index.execute("UPDATE folders SET listed_at = ? WHERE path = ?", [now, folder])

    def _note(self, entry: Entry, folder: str, row: _Known | None, now: float, changes: Changes) -> None:
        """Compare one file with its entry in the index."""
        problem = _left_out(entry)
        if row is None or (row.size, row.version) != (entry.size, entry.version):
            if problem:
                self._forget_file(entry.path, row and row.video_id, changes)
                changes.skipped[entry.path] = problem
                row = None
            state = "skipped" if problem else "settling"
            row = _Known(entry.size, entry.version, now, state, row and row.video_id, problem or None)
            query = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            self._index.execute(query, [entry.path, folder, *row])
        since = row.noted_at if entry.changed_at is None else min(row.noted_at, entry.changed_at)
        # without a modification time, a file is settled when a later scan finds it unchanged
        settled = row.state == "settling" and now - since >= SETTLE_S
        if settled or (row.state == "later" and now - row.noted_at >= LATER_S):
            changes.ready[entry.path] = row.video_id

    def _forget_file(self, path: str, video_id: str | None, changes: Changes) -> None:
        self._index.execute("DELETE FROM files WHERE path = ?", [path])
        if video_id is None:
            changes.forgotten.append(path)
        else:
            changes.vanished.append(Vanished(path, video_id, self.place_of(video_id)))

    def _forget_folder(self, folder: str, changes: Changes) -> None:
        files = self._index.execute("SELECT path, video_id FROM files WHERE folder = ?", [folder]).fetchall()
        for path, video_id in files:
            self._forget_file(path, video_id, changes)
        for (subfolder,) in self._index.execute("SELECT path FROM folders WHERE parent = ?", [folder]).fetchall():
            self._forget_folder(subfolder, changes)
        self._index.execute("DELETE FROM folders WHERE path = ?", [folder])


def _left_out(entry: Entry) -> str:
    """Return why a file need not be read; empty if it must be read."""
    if entry.name.startswith("."):
        return "hidden: the name begins with a dot"
    if entry.problem:
        return entry.problem
    return f"unfinished: the name ends in {Path(entry.name).suffix}" if unfinished(entry.name) else ""
