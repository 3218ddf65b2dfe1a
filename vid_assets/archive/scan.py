"""Finds new, changed and vanished files in an archive, a part of it at a time.

An index (SQLite, in the scratch folder) remembers every folder and file, and is the cursor: a scan lists the folders
that are new, have changed, or hold files that are still being written, and then those that it has not listed for
longest, until its share of entries is used up. So a file that appears is found at once where folders have modification
times, and within a few scans elsewhere; an archive of 100,000 files is never listed as a whole. If the index is lost,
the next scans build it again and nothing else happens, since files are known by their content.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import tokenize

from vid_assets.archive.filesystem import url_to_fs
from vid_assets.errors import MediaError

SUFFIXES = frozenset({
    ".3gp", ".aac", ".avi", ".flac", ".flv", ".m2ts", ".m4a", ".m4v", ".mkv", ".mov", ".mp3", ".mp4", ".mpeg", ".mpg",
    ".mts", ".mxf", ".ogg", ".ogv", ".opus", ".ts", ".vob", ".wav", ".webm", ".wmv",
})  # fmt: skip
SETTLE_S = 5.0
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


@dataclass(frozen=True, slots=True)
class Vanished:
    """A file that is no longer there.

    Attributes:
        path: Where it was.
        video_id: What it was registered as.
        elsewhere: Another path of the same content; None if there is none.
    """

    path: str
    video_id: str
    elsewhere: str | None


@dataclass(slots=True)
class Changes:
    """What a scan found.

    Attributes:
        ready: Paths of new or changed files that nobody writes to any more, and what each was registered as before.
        vanished: Files that are no longer there.
        settling: How many files are still being written.
    """

    ready: dict[str, str | None] = field(default_factory=dict)
    vanished: list[Vanished] = field(default_factory=list)
    settling: int = 0


class Archive:
    """An archive and its index; a context manager.

    Args:
        url: A folder, or any URL that fsspec can list.
        scratch: Folder for the index.
    """

    def __init__(self, url: str, scratch: Path) -> None:
        self.fs, self.root = url_to_fs(url)
        self.is_local = isinstance(self.fs, LocalFileSystem)
        scratch.mkdir(parents=True, exist_ok=True)
        name = tokenize(self.fs.unstrip_protocol(self.root))[:12]
        self._index = sqlite3.connect(scratch / f"archive-{name}.sqlite", timeout=30)
        self._index.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._index.close()

    def scan(self, now: float | None = None, entries: int = ENTRIES) -> Changes:
        """Looks at a part of the archive, at about this many entries, at a whole folder at least.

        Raises:
            MediaError: The archive cannot be listed; nothing counts as vanished then.
        """
        now = time.time() if now is None else now
        changes = Changes()
        with self._index:
            self._index.execute("INSERT OR IGNORE INTO folders VALUES (?, NULL, NULL, 0)", [self.root])
            looked = 0
            for folder in self._due(now):
                looked += self._list(folder, now, changes)
                if looked >= entries:
                    break
        (changes.settling,) = self._index.execute("SELECT count(*) FROM files WHERE state = 'settling'").fetchone()
        changes.settling -= len(changes.ready)
        return changes

    def settle(self, files: Iterable[tuple[str, str | None]]) -> None:
        """Remembers what ready files were registered as, None for refused ones; they are done until they change."""
        rows = [("refused" if video_id is None else "registered", video_id, path) for path, video_id in files]
        with self._index:
            self._index.executemany("UPDATE files SET state = ?, video_id = ? WHERE path = ?", rows)

    def place_of(self, video_id: str) -> str | None:
        """The path of a file with this content; None if the index knows of none."""
        query = "SELECT path FROM files WHERE video_id = ? LIMIT 1"
        found = self._index.execute(query, [video_id]).fetchone()
        return None if found is None else found[0]

    def url_of(self, path: str) -> str:
        """The path as others can open it: a plain path for local files, a URL otherwise."""
        return path if self.is_local else self.fs.unstrip_protocol(path)

    def _due(self, now: float) -> Iterator[str]:
        """Folders in the order in which they should be listed; those that are found meanwhile come, too."""
        rows = self._index.execute("SELECT path, version FROM folders ORDER BY listed_at, path").fetchall()
        changed = [path for path, version in rows if self.is_local and version != self._version_of_folder(path)]
        settling = [row[0] for row in self._index.execute("SELECT DISTINCT folder FROM files WHERE state = 'settling'")]
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
        """Compares one folder with the index.

        Returns:
            How many entries it has.
        """
        version = self._version_of_folder(folder) if self.is_local else ""
        try:
            listed = self.fs.ls(folder, detail=True, refresh=True) if not self.is_local else self.fs.ls(folder, True)
        except OSError as error:
            if folder == self.root:
                problem = f"the archive cannot be listed ({error.strerror or error})"
                raise MediaError(folder, problem, "set VID_ARCHIVE to a folder or an fsspec URL") from None
            self._forget_folder(folder, changes)
            return 1
        query = "SELECT path, size, version, noted_at, state, video_id FROM files WHERE folder = ?"
        known = {row[0]: row[1:] for row in self._index.execute(query, [folder])}
        subfolders = {row[0] for row in self._index.execute("SELECT path FROM folders WHERE parent = ?", [folder])}
        for entry in listed:
            path = entry["name"].rstrip("/")
            if PurePosixPath(path).name.startswith("."):
                continue
            if entry["type"] == "directory":
                # a link to a folder may lead back to where it lies
                if not entry.get("islink"):
                    self._index.execute("INSERT OR IGNORE INTO folders VALUES (?, ?, NULL, 0)", [path, folder])
                    subfolders.discard(path)
            elif PurePosixPath(path).suffix.lower() in SUFFIXES:
                self._note(path, folder, entry, known.pop(path, None), now, changes)
        for path, row in known.items():
            self._forget_file(path, row[-1], changes)
        for path in subfolders:
            self._forget_folder(path, changes)
        self._index.execute("UPDATE folders SET version = ?, listed_at = ? WHERE path = ?", [version, now, folder])
        return 1 + len(listed)

    def _note(
        self,
        path: str,
        folder: str,
        entry: Mapping[str, Any],
        row: tuple[Any, ...] | None,
        now: float,
        changes: Changes,
    ) -> None:
        """Compares one file with what the index says of it."""
        size, changed_at = entry.get("size"), entry.get("mtime")
        version = str(changed_at or entry.get("LastModified") or entry.get("ETag") or entry.get("updated") or "")
        if row is None or row[:2] != (size, version):
            row = (size, version, now, "settling", None if row is None else row[-1])
            self._index.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", [path, folder, *row])
        since = min(row[2], changed_at) if isinstance(changed_at, float) else row[2]
        # without a modification time a file is settled when a later scan finds it unchanged
        if row[3] == "settling" and now - since >= SETTLE_S:
            changes.ready[path] = row[4]

    def _forget_file(self, path: str, video_id: str | None, changes: Changes) -> None:
        self._index.execute("DELETE FROM files WHERE path = ?", [path])
        if video_id is not None:
            changes.vanished.append(Vanished(path, video_id, self.place_of(video_id)))

    def _forget_folder(self, folder: str, changes: Changes) -> None:
        files = self._index.execute("SELECT path, video_id FROM files WHERE folder = ?", [folder]).fetchall()
        for path, video_id in files:
            self._forget_file(path, video_id, changes)
        for (subfolder,) in self._index.execute("SELECT path FROM folders WHERE parent = ?", [folder]).fetchall():
            self._forget_folder(subfolder, changes)
        self._index.execute("DELETE FROM folders WHERE path = ?", [folder])

    def _version_of_folder(self, folder: str) -> str:
        try:
            return str(Path(folder).stat().st_mtime_ns)
        except OSError:
            return ""
