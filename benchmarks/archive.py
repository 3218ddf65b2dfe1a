"""How the warehouse grows: ``make bench-archive``, or ``python -m benchmarks.archive --videos 1000 20000``.

It fills warehouses of several sizes through `Warehouse.commit`, ten videos per commit, with 5 to 200 rows per table and
video, compacted in the background as in use. Then it measures the ten queries of ``docs/how-to/sql.md``, a count over
all tables, writes, and readers beside writers. It writes ``benchmarks/archive.json``.
"""

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.kit import ROOT
from resources.warehouse import compaction
from resources.warehouse.commits import commits
from resources.warehouse.generations import current
from resources.warehouse.records import ANALYZER_RUNS, CUES, SOURCES, TRACKS, VIDEOS
from resources.warehouse.resource import Warehouse
from resources.warehouse.schema import TableSpec
from vid_assets.registry import discover
from vid_assets.sql.publish import publish, table_spec

OUT = Path(__file__).parent / "archive.json"
SQL = ROOT / "docs" / "how-to" / "sql.md"
# as many different words as an hour of speech has, some of them far more often than others
WORDS = ["your", "country", *(f"word{number}" for number in range(2_000))]
OFTEN = [1 / (place + 5) for place in range(len(WORDS))]
START = datetime(2026, 1, 1, tzinfo=UTC)
LEAST, MOST = 5, 200
TEN = 10
TAIL = 500
TARGETS = {
    "queries_p50_s": 0.5,
    "queries_worst_s": 2.0,
    "count_all_s": 0.5,
    "growth": 4.0,
    "files": 1000,
    "tail_ratio": 2.0,
    "commit_one_s": 0.05,
    "commit_ten_s": 0.1,
    "replace_s": 0.1,
    "refused": 0,
    "memory_mb": 2000,
}


def main() -> int:
    """Fill, measure, write the file. Return 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archive", description=__doc__)
    parser.add_argument(
        "--videos", type=int, nargs="+", default=[1_000, 5_000, 20_000], help="sizes, the smallest first"
    )
    parser.add_argument("--passes", type=int, default=3, help="how often each query is asked")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vid-archive-") as folder:
        warehouse = Warehouse(path=folder)
        publish(warehouse)
        sizes: list[dict[str, Any]] = []
        filled = 0
        for videos in options.videos:
            filling = fill(warehouse, filled, videos)
            filled = videos
            sizes.append(filling | size_of(warehouse) | asked(warehouse, options.passes))
            print(json.dumps(sizes[-1]), flush=True)
        measured = {"sizes": sizes, "writes": writes(warehouse, filled), "writers": writers(folder, filled + 10_000)}
        measured["tail"] = tail(warehouse, filled + 100_000, options.passes)
    figures = summary(measured)
    options.out.write_text(json.dumps({"figures": figures, "raw": measured}, indent=1) + "\n")
    missed = [
        f"{name}: {figures[name]:.3g}, at most {most:g}" for name, most in TARGETS.items() if figures[name] > most
    ]
    print(json.dumps(figures, indent=1))
    print("\n".join(missed) or "all figures meet their targets")
    return int(bool(missed))


def video_id(number: int) -> str:
    """Return the id of a video; not in the order of arrival."""
    digest = random.Random(number).getrandbits(48)
    return f"clip-{digest:012x}"


def rows_of(spec: TableSpec, number: int) -> pl.DataFrame:
    """Return 5 to 200 rows of a table for one video, the same in each call."""
    one = spec in (SOURCES, VIDEOS)
    chance = random.Random(f"{spec.name} {number}")
    count = 1 if one else chance.randint(LEAST, MOST)
    template = _templates.get(spec.name)
    if template is None:
        template = _templates[spec.name] = _template(spec)
    at = 0 if one else chance.randrange(template.height - count)
    return template.slice(at, count).with_columns(pl.lit(video_id(number)).alias(spec.key))


_templates: dict[str, pl.DataFrame] = {}


def records_of(number: int) -> pl.DataFrame:
    """Return the records of a video, one per analyzer."""
    began = START + timedelta(minutes=number)
    rows = [
        {
            "video_id": video_id(number), "analyzer": analyzer.name, "status": "value", "rows": 10, "covered": 0.9,
            "queue_s": 0.1, "load_s": 0.0, "decode_s": 0.0, "compute_s": 0.5, "write_s": 0.01,
            "started_at": began, "ended_at": began + timedelta(seconds=place), "run_id": f"run-{number // TEN}",
            "code_version": "1-abc", "content_hash": video_id(number), "profile": "offline", "failures": 0,
            "own_settings": False, "provenance": "p",
        }
        for place, analyzer in enumerate(discover())
    ]  # fmt: skip
    return ANALYZER_RUNS.frame(rows)


def changes(numbers: Sequence[int]) -> dict[str, dict[str, pl.DataFrame | None]]:
    """Return everything that a run over these videos publishes."""
    specs = [SOURCES, VIDEOS, TRACKS, CUES, *(table_spec(analyzer) for analyzer in discover())]
    made: dict[str, dict[str, pl.DataFrame | None]] = {
        spec.name: {video_id(number): rows_of(spec, number) for number in numbers} for spec in specs
    }
    made[ANALYZER_RUNS.name] = {video_id(number): records_of(number) for number in numbers}
    return made


def fill(warehouse: Warehouse, first: int, until: int) -> dict[str, Any]:
    """Commit the videos from `first` to `until`, ten at a time, and compact as the background does."""
    spent: list[float] = []
    compacting = 0.0
    for start in range(first, until, TEN):
        made = changes(range(start, min(start + TEN, until)))
        began = time.perf_counter()
        commit_alone(warehouse, made)
        spent.append(time.perf_counter() - began)
        if len(commits(warehouse.root, current(warehouse.root).horizon)) >= compaction.COMMITS:
            began = time.perf_counter()
            warehouse.compact(keep_s=0.0)
            compacting += time.perf_counter() - began
    warehouse.compact(keep_s=0.0)
    return {"videos": until, "commit_ten_s": statistics.median(spent), "compaction_s": compacting}


def size_of(warehouse: Warehouse) -> dict[str, Any]:
    """Count files and bytes of the results."""
    files = [file for file in warehouse.root.rglob("*.parquet") if file.parent.parent.name in ("tail", "segments")]
    return {"files": len(files), "bytes": sum(file.stat().st_size for file in files)}


def asked(warehouse: Warehouse, passes: int) -> dict[str, Any]:
    """Ask each query in a process of its own that opens ``results.duckdb``, and return seconds and memory."""
    found: dict[str, Any] = {}
    for name, query in {**queries(), "count": count_query()}.items():
        ended = subprocess.run(
            [sys.executable, "-m", "benchmarks.archive_query", str(warehouse.root / "results.duckdb"), str(passes)],
            input=query, capture_output=True, text=True, check=True, cwd=ROOT,
        )  # fmt: skip
        found[name] = json.loads(ended.stdout)
    return {"queries": found}


def queries() -> dict[str, str]:
    """Return the ten queries of the page on SQL."""
    block = re.search(r"```sql\n(-- 1\..*?)```", SQL.read_text(), re.DOTALL)
    parts = re.split(r"^-- (\d+)\..*$", block[1] if block else "", flags=re.MULTILINE)[1:]
    return {number: query.strip() for number, query in zip(parts[::2], parts[1::2], strict=True)}


def count_query() -> str:
    """Return a query that counts the rows of all tables."""
    names = [VIDEOS.name, TRACKS.name, CUES.name, ANALYZER_RUNS.name, *(analyzer.name for analyzer in discover())]
    return "SELECT " + " + ".join(f"(SELECT count(*) FROM {name})" for name in names)


def writes(warehouse: Warehouse, first: int) -> dict[str, list[float]]:
    """Time commits of one new video, of ten, and of one that is there already."""
    one = [_timed(warehouse, changes([first + number])) for number in range(15)]
    ten = [
        _timed(warehouse, changes(range(first + 100 * number, first + 100 * number + TEN))) for number in range(1, 9)
    ]
    again = [_timed(warehouse, changes([number])) for number in range(15)]
    warehouse.compact(keep_s=0.0)
    return {"one": one, "ten": ten, "replace": again}


def writers(folder: str, first: int) -> dict[str, Any]:
    """Let eight processes commit eight videos each at once."""
    began = time.perf_counter()
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.archive_writer", folder, str(first + 8 * number)], cwd=ROOT,
            stderr=subprocess.PIPE,
        )
        for number in range(8)
    ]  # fmt: skip
    refused = sum(process.communicate()[1] != b"" or process.returncode != 0 for process in started)
    wall_s = time.perf_counter() - began
    warehouse = Warehouse(path=folder)
    missing = [
        number for number in range(first, first + 64) if warehouse.read_partition(VIDEOS.name, video_id(number)) is None
    ]
    return {"refused": refused, "missing": len(missing), "wall_s": wall_s}


def tail(warehouse: Warehouse, first: int, passes: int) -> dict[str, Any]:
    """Ask all queries with everything merged, and again with 500 more videos that came in as in use."""
    warehouse.compact(keep_s=0.0)
    before = asked(warehouse, passes)["queries"]
    for start in range(first, first + TAIL, TEN):
        commit_alone(warehouse, changes(range(start, start + TEN)))
        if len(commits(warehouse.root, current(warehouse.root).horizon)) >= compaction.COMMITS:
            warehouse.compact(keep_s=0.0)
    after = asked(warehouse, passes)["queries"]
    return {"before": before, "after": after, "commits": len(commits(warehouse.root, current(warehouse.root).horizon))}


def summary(measured: dict[str, Any]) -> dict[str, float]:
    """Return the figures that have targets, of the largest archive."""
    small, large = measured["sizes"][0], measured["sizes"][-1]
    medians = [median_of(answer) for name, answer in large["queries"].items() if name != "count"]
    ratios = [
        median_of(answer) / median_of(measured["tail"]["before"][name])
        for name, answer in measured["tail"]["after"].items()
    ]
    totals = [sum(median_of(answer) for answer in size["queries"].values()) for size in (small, large)]
    return {
        "videos": large["videos"],
        "queries_p50_s": statistics.median(medians),
        "queries_worst_s": max(max(answer["seconds"]) for answer in large["queries"].values()),
        "count_all_s": median_of(large["queries"]["count"]),
        "growth": totals[1] / totals[0],
        "files": large["files"],
        "bytes_per_video": large["bytes"] / large["videos"],
        "tail_ratio": max(ratios),
        "commit_one_s": statistics.median(measured["writes"]["one"]),
        "commit_ten_s": statistics.median(measured["writes"]["ten"]),
        "replace_s": statistics.median(measured["writes"]["replace"]),
        "refused": measured["writers"]["refused"] + measured["writers"]["missing"],
        "memory_mb": max(answer["memory_mb"] for answer in large["queries"].values()),
        "compaction_s_per_video": sum(size["compaction_s"] for size in measured["sizes"]) / large["videos"],
    }


def median_of(answer: dict[str, Any]) -> float:
    """Return the median of a query's seconds."""
    return statistics.median(answer["seconds"])


def commit_alone(warehouse: Warehouse, made: dict[str, dict[str, pl.DataFrame | None]]) -> None:
    """Commit without a compaction in the background."""
    start, compaction.start = compaction.start, lambda _root: None
    try:
        warehouse.commit(made)
    finally:
        compaction.start = start


def _timed(warehouse: Warehouse, made: dict[str, dict[str, pl.DataFrame | None]]) -> float:
    began = time.perf_counter()
    commit_alone(warehouse, made)
    return time.perf_counter() - began


def _template(spec: TableSpec) -> pl.DataFrame:
    """Return many rows of a table with values of its types."""
    chance = random.Random(spec.name)
    makers = {name: _maker(name, dtype, chance) for name, dtype in spec.schema.items()}
    return spec.frame({name: make(place) for name, make in makers.items()} for place in range(2_000))


def _maker(name: str, dtype: Any, chance: random.Random) -> Callable[[int], Any]:
    """Return what makes a value of a column for each row."""
    if name in _NAMED:
        return _NAMED[name]
    if isinstance(dtype, pl.List | pl.Array):
        inner, size = _maker(name, dtype.inner, chance), dtype.size if isinstance(dtype, pl.Array) else 2
        return lambda place: [inner(place) for _ in range(size)]
    if isinstance(dtype, pl.Struct):
        fields = {field.name: _maker(field.name, field.dtype, chance) for field in dtype.fields}
        return lambda place: {field: make(place) for field, make in fields.items()}
    kind = dtype if isinstance(dtype, type) else type(dtype)
    makers: dict[Any, Callable[[int], Any]] = {
        pl.String: lambda place: " ".join(chance.choices(WORDS, OFTEN, k=4 if name in ("text", "caption") else 1)),
        pl.Boolean: lambda place: chance.random() < 0.5,
        pl.Datetime: lambda place: START + timedelta(hours=chance.randrange(4000)),
        pl.Float32: lambda place: chance.random(),
        pl.Float64: lambda place: chance.random(),
    }
    return makers.get(kind, lambda place: chance.randrange(100))


_NAMED: dict[str, Callable[[int], Any]] = {
    "start_s": lambda place: place * 0.5,
    "time_s": lambda place: place * 0.5,
    "end_s": lambda place: place * 0.5 + 0.5,
    "duration_s": lambda place: 10.0,
    "fps": lambda place: 25.0,
    "status": lambda place: "value",
}


if __name__ == "__main__":
    sys.exit(main())
