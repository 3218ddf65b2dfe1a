"""How fast texts are found: ``python -m benchmarks.search --videos 1000 5000 20000``.

It fills the tables with texts through `Warehouse.commit`, a few hundred videos per commit, with 5 to 200 texts per
table and video, compacts, and leaves the last commit unmerged. Each question is asked in a process of its own that
opens ``results.duckdb``. It writes ``benchmarks/search.json``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.archive import commit_alone, rows_of, video_id
from benchmarks.kit import ROOT
from resources.warehouse import compaction
from resources.warehouse.commits import commits
from resources.warehouse.generations import current
from resources.warehouse.resource import Warehouse
from vid_assets.registry import discover
from vid_assets.sql.publish import publish, texts

OUT = Path(__file__).parent / "search.json"
# rare, one of 50 in a row, the most frequent, two of the most frequent, next to each other; and nothing
ASKED = ("word1999", "word300", "your", "your country", '"your country"', "zebra")
FIRST, ALL = "SELECT * FROM search_text('{}') LIMIT 50", "SELECT count(*) FROM search_text('{}')"
SCAN = "SELECT count(*) FROM events WHERE analyzer IN (FROM texts) AND contains(lower(text), '{}')"
VIDEOS_A_COMMIT = 250


def main() -> int:
    """Fill, ask, write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--videos", type=int, nargs="+", default=[1_000, 5_000, 20_000], help="the smallest first")
    parser.add_argument("--passes", type=int, default=5, help="how often each question is asked")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    sizes: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="vid-search-") as folder:
        warehouse, filled = Warehouse(path=folder), 0
        publish(warehouse)
        for videos in options.videos:
            compacting_s = fill(warehouse, filled, videos)
            filled = videos
            sizes.append({"videos": videos, "compaction_s": compacting_s} | size_of(warehouse))
            sizes[-1]["asked"] = {
                f"{name} {words}": ask(warehouse, query.format(words), options.passes)
                for words in ASKED
                for name, query in (("first 50", FIRST), ("count", ALL))
            } | {"scan zebra": ask(warehouse, SCAN.format("zebra"), options.passes)}
            print(json.dumps(sizes[-1]), flush=True)
            options.out.write_text(json.dumps(sizes, indent=1) + "\n")
    return 0


def fill(warehouse: Warehouse, first: int, until: int) -> float:
    """Commit the videos from `first` to `until`, and return the CPU seconds of compactions; the last commit is left."""
    specs = [spec.table for spec in texts(discover())]
    spent = 0.0
    for start in range(first, until, VIDEOS_A_COMMIT):
        numbers = range(start, min(start + VIDEOS_A_COMMIT, until))
        commit_alone(
            warehouse, {spec.name: {video_id(number): rows_of(spec, number) for number in numbers} for spec in specs}
        )
        if len(commits(warehouse.root, current(warehouse.root).horizon)) >= compaction.COMMITS and numbers[-1] < until:
            began = time.process_time()
            warehouse.compact(keep_s=0.0)
            spent += time.process_time() - began
    return spent


def size_of(warehouse: Warehouse) -> dict[str, Any]:
    """Return the bytes of the tables, and of the index."""
    files = list((warehouse.root / "segments").glob("*/*.parquet"))
    index = [file for file in files if file.name.startswith(("@postings", "@words"))]
    return {
        "bytes": sum(file.stat().st_size for file in files) - sum(file.stat().st_size for file in index),
        "index_bytes": sum(file.stat().st_size for file in index),
        "commits": len(commits(warehouse.root, current(warehouse.root).horizon)),
    }


def ask(warehouse: Warehouse, query: str, passes: int) -> dict[str, Any]:
    """Ask a question as a user's client does."""
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.archive_query", str(warehouse.root / "results.duckdb"), str(passes)],
        input=query, capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return json.loads(ended.stdout)


if __name__ == "__main__":
    sys.exit(main())
