"""Hostile files through the whole pipeline: backfill, analyzers, reports, SQL, status, search and every export.

Only analyzers without a model run: what counts is names and texts of files in pages, tables, terminals and folders.
"""

import collections
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

from harness.clips import clips
from harness.fuzz import LIMITS, WHOLE_KINDS, WHOLE_MOST, WHOLE_SHARE, Case, Tally, Trap, let_settle
from harness.hostile import MARK, kind_of, make

ROOT = Path(__file__).parents[1]
LONGEST_S = 1800.0
FINE = (0, 1)
_FORMATS = ("csv", "jsonl", "parquet", "srt", "vtt", "ttml", "edl", "otio", "fcpxml", "chapters", "chapters-vtt",
            "chapters-txt", "keyframes")  # fmt: skip


def whole(seed: int, count: int) -> Tally:
    """Take the share of the cases of a seed through everything; a finding names the step."""
    numbers = [n for n in range(count) if n % WHOLE_SHARE == 0 or kind_of(seed, n) in WHOLE_KINDS][:WHOLE_MOST]
    tally = Tally(collections.Counter(whole=len(numbers)))
    with tempfile.TemporaryDirectory(prefix="fuzz-whole-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        sound = clips()
        trap = Trap(place / "outside", sound["mp4"])
        for number in numbers:
            case = Case(seed, number, place / "archive" / str(number))
            case.folder.mkdir(parents=True)
            # the scan of links is judged with the other cases
            if case.kind != "link_out":
                make(seed, number, case.folder, sound, trap.traps)
        let_settle(place / "archive")
        trap.arm()
        for step, problem in _steps(place):
            tally.counts["crashed"] += 1
            tally.findings.append(f"N={count} {step}: {problem}")
        if what := trap.sprung():
            tally.counts["escaped"] += 1
            tally.findings.append(f"N={count} whole: {what}")
    return tally


def _steps(place: Path) -> list[tuple[str, str]]:
    """Run every command; return the steps that did not end as they should, and why."""
    found = []
    commands = [
        ["backfill"], ["backfill", "--retry"], ["status"], ["search", MARK],
        *(["export", "--all", "--format", form, "--out", f"out/{form}"] for form in _FORMATS),
        ["export", "--all", "--format", "srt", "--table", "cues", "--out", "out/cues"],
        ["export", "--all", "--clips", MARK, "--out", "out/clips"],
        ["compact"],
    ]  # fmt: skip
    for command in commands:
        try:
            done = _run(place, [sys.executable, "-m", "vid_assets", *command])
        except subprocess.TimeoutExpired:
            found.append((" ".join(command), f"took longer than {LONGEST_S:g} s"))
            continue
        if done.returncode not in FINE or b"Traceback" in done.stderr:
            words = done.stderr.decode(errors="replace")[-800:]
            found.append((" ".join(command), f"ended with {done.returncode}: {words}"))
        if bad := sorted({byte for byte in done.stdout + done.stderr if byte < 32} - {9, 10, 13}):
            found.append((" ".join(command), f"printed the control characters {bad}"))
    found += [
        (str(page.relative_to(place)), what)
        for page in sorted(place.glob("reports/**/*.html"))
        for what in injected(page)
    ]
    found += [("tables", what) for what in _tables(place)]
    # what a shell or a traversal would have made
    strays = [path for path in place.rglob(f"*{MARK}") if path.parent.name not in {"archive"} and path.name == MARK]
    return found + [("files", f"{path} was made") for path in strays]


def _run(place: Path, command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    from vid_assets.registry import discover

    names = ("VID_ARCHIVE", "VID_WAREHOUSE", "VID_SCRATCH", "VID_REPORTS", "DAGSTER_HOME")
    (place / "dagster_home").mkdir(exist_ok=True)
    environment = {
        **os.environ,
        **LIMITS,
        **{name: str(place / name.removeprefix("VID_").lower()) for name in names},
        "PYTHONPATH": str(ROOT),
        "VID_PROFILE": "offline",
        "VID_DISABLED": ",".join(each.name for each in discover() if each.task is not None),
        "COLUMNS": "200",
    }
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, timeout=LONGEST_S, check=False)


class _Page(HTMLParser):
    """Finds the mark anywhere but in text, titles and plain attributes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag if tag in ("script", "style") else ""
        for name, value in attrs:
            active = name.startswith("on") or name in ("src", "href", "srcdoc", "style", "action")
            if MARK.lower() in name or (active and MARK in (value or "")):
                self.found.append(f"<{tag} {name}={value!r}>")

    def handle_endtag(self, tag: str) -> None:
        self._within = "" if tag == self._within else self._within

    def handle_data(self, data: str) -> None:
        # an element of its own; data of the page are strings
        if self._within and data.strip().startswith(MARK):
            self.found.append(f"{data[:100]!r} in <{self._within}>")

    def handle_comment(self, data: str) -> None:
        if MARK in data:
            self.found.append(f"a comment {data[:100]!r}")


def injected(page: Path) -> list[str]:
    """Return where a hostile text became more than text in a page."""
    parser = _Page()
    parser.feed(page.read_text(encoding="utf-8"))
    parser.close()
    return parser.found


def _tables(place: Path) -> list[str]:
    """Return what is wrong with the tables: they must be there, readable, and keep their columns."""
    import duckdb

    problems = []
    with duckdb.connect(str(place / "warehouse" / "results.duckdb"), read_only=True) as connection:
        for view in ("sources", "videos", "cues", "tracks", "analyzer_runs"):
            try:
                connection.execute(f"SELECT * FROM {view}").fetchall()
            except duckdb.Error as error:
                problems.append(f"{view}: {error}")
        for text in (f"'; DROP TABLE cues; -- {MARK}", "%", "_", "'", "\\", f'"{MARK}', "$1", "{}", "\0"):
            connection.execute("SELECT count(*) FROM search_text($what)", {"what": text}).fetchall()
    for table in sorted(place.glob("out/csv/**/*.csv")):
        with table.open(encoding="utf-8", newline="") as file:
            widths = {len(row) for row in csv.reader(file)}
        if len(widths) > 1:
            problems.append(f"{table.name} has rows of {sorted(widths)} columns")
    return problems
