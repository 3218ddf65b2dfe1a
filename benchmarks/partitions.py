"""How planning, the sensor and the UI grow: ``python -m benchmarks.partitions --videos 100000 --partition video``.

It makes the warehouse of an archive that is complete, but for one video in a hundred, its pages, and Dagster's storage
with its partitions, without their history. ``first_plan`` is the first one after results were merged; its summary is
kept for ``plan`` and ``dry_run``. Each part runs in a process of its own, and tells its wall and processor seconds and
its peak of memory. It writes ``benchmarks/partitions.json``, by number and kind.
"""

import argparse
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import polars as pl

from benchmarks.archive import video_id
from benchmarks.kit import ROOT, ChildFailed, child
from resources.warehouse.files import write_parquet
from resources.warehouse.generations import SEGMENT_PARTITIONS, Generation, put, put_segment
from resources.warehouse.records import ANALYZER_RUNS, SOURCES, VIDEOS
from resources.warehouse.resource import Warehouse

OUT = Path(__file__).parent / "partitions.json"
A_BUCKET = 100
MISSING = 100  # one video in so many lacks an answer
T0 = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS, MEGABYTES = 2.0, 1000.0
PARTS = ("tick", "first_plan", "plan", "dry_run", "videos", "scattered_run", "ui")
# What the page of an asset's partitions asks for.
PARTITIONS_PAGE = """
query PartitionHealthQuery($assetKey: AssetKeyInput!) {
  assetNodeOrError(assetKey: $assetKey) { ... on AssetNode {
    id
    partitionKeysByDimension { name __typename type partitionKeys }
    assetPartitionStatuses { ... on DefaultPartitionStatuses {
      materializedPartitions materializingPartitions failedPartitions unmaterializedPartitions } }
  } }
}"""


def main() -> int:
    """Make the archive, measure, write the file. Return 1 if a part misses its target."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.partitions", description=__doc__)
    parser.add_argument("--videos", type=int, default=100_000)
    parser.add_argument("--partition", choices=["video", "bucket"], default="video")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    found: dict[str, Any] = json.loads(options.out.read_text()) if options.out.exists() else {}
    measured = found.setdefault(f"{options.videos} {options.partition}", {})
    with tempfile.TemporaryDirectory(prefix="vid-partitions-") as folder:
        variables = _variables(Path(folder), options.partition)
        child("partitions", {"part": "make", "videos": options.videos}, variables)
        for part in options.parts:
            measured[part] = child("partitions", {"part": part, "videos": options.videos}, variables)
            print(part, json.dumps(measured[part]), flush=True)
            options.out.write_text(json.dumps(found, indent=1) + "\n")
    missed = [part for part, told in measured.items() if told["wall_s"] > SECONDS or told["memory_mb"] > MEGABYTES]
    print(f"over {SECONDS:g} s or {MEGABYTES:g} MB: {', '.join(missed)}" if missed else "all parts meet their targets")
    return int(bool(missed))


def _variables(root: Path, partition: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VID_", "DAGSTER_"))}
    folders = {f"VID_{name.upper()}": str(root / name) for name in ("archive", "warehouse", "scratch", "reports")}
    for folder in (*folders.values(), str(root / "dagster")):
        Path(folder).mkdir()
    shutil.copy(ROOT / "vid_assets" / "runs" / "dagster.yaml", root / "dagster")
    return {
        **kept,
        **folders,
        "DAGSTER_HOME": str(root / "dagster"),
        "VID_PROFILE": "offline",
        "VID_PARTITION": partition,
        "PYTHONPATH": str(ROOT),
    }


def answer(part: str, videos: int) -> dict[str, float]:
    """Run one part in this process; the imports and the first connection come before the clock starts."""
    from resources.settings import settings
    from vid_assets.runs.home import instance
    from vid_assets.sql.publish import publish

    warehouse = Warehouse(path=str(settings().warehouse))
    publish(warehouse)
    with instance() as dagster:
        work = {
            "make": lambda: _make(warehouse, dagster, videos),
            "tick": lambda: _tick(warehouse, dagster),
            "first_plan": lambda: _plan(warehouse, dagster),
            "plan": lambda: _plan(warehouse, dagster),
            "dry_run": _dry_run,
            "videos": lambda: _query(warehouse),
            "scattered_run": lambda: _scattered(warehouse, dagster),
        }
        if part != "ui":
            return _measured(work[part])
    with _web_server() as page:
        found = _measured(page)
    # the work is that of the web server, which has ended now
    return found | {"memory_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)}


def _measured(work: Callable[[], int]) -> dict[str, float]:
    wall, processor = time.perf_counter(), time.process_time()
    count = work()
    return {
        "count": count,
        "wall_s": round(time.perf_counter() - wall, 3),
        "processor_s": round(time.process_time() - processor, 3),
        "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _tick(warehouse: Warehouse, dagster: Any) -> int:
    """A tick of the sensor that finds nothing, as nearly all do."""
    import dagster as dg

    from resources.settings import settings
    from vid_assets.defs import automation
    from vid_assets.settings import Settings

    now = settings()
    held = {"settings": Settings(archive=now.archive, scratch=str(now.scratch)), "warehouse": warehouse}
    with dg.build_sensor_context(instance=dagster, resources=held) as context:
        return int(isinstance(automation.archive_sensor(context), dg.SkipReason))


def _plan(warehouse: Warehouse, dagster: Any) -> int:
    from vid_assets.defs import automation

    return sum(batch.videos for batch in automation.planned(dagster, warehouse))


def _dry_run() -> int:
    from vid_assets.runs.backfill import Backfill

    lines: list[str] = []
    return Backfill(lines.append, lines.append, dry_run=True).run() or len(lines)


def _query(warehouse: Warehouse) -> int:
    with warehouse.connect() as connection:
        return len(connection.execute("SELECT * FROM videos ORDER BY duration_s DESC LIMIT 100").fetchall())


def _scattered(warehouse: Warehouse, dagster: Any) -> int:
    """Make the runs of what is due: partitions that are far apart."""
    from vid_assets.definitions import defs
    from vid_assets.defs import automation
    from vid_assets.defs.jobs import ANALYZE_JOB

    job = defs.resolve_job_def(ANALYZE_JOB)
    made = automation.planned(dagster, warehouse)[:5]
    for batch in made:
        tags = automation.tags_of(batch)
        dagster.create_run_for_job(
            job, tags=tags, asset_selection=frozenset(automation.selection_of(batch) or ()) or None
        )
    return len(made)


@contextmanager
def _web_server() -> Iterator[Callable[[], int]]:
    """Start Dagster's web server; yield what asks it for the page, and returns the number of partitions."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = ["-m", "dagster_webserver", "-m", "vid_assets.definitions", "-h", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(query: str, variables: dict[str, Any]) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = Request(f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"})
        with urlopen(request) as answer:
            return json.load(answer)["data"]

    def page() -> int:
        told = ask(PARTITIONS_PAGE, {"assetKey": {"path": [VIDEOS.name]}})
        return len(told["assetNodeOrError"]["partitionKeysByDimension"][0]["partitionKeys"])

    try:
        while True:
            with suppress(OSError):
                ask("{ version }", {})
                break
            time.sleep(0.2)
            if server.poll() is not None:
                raise ChildFailed(f"the web server ended with {server.returncode}")
        yield page
    finally:
        server.terminate()
        server.wait()


def _make(warehouse: Warehouse, dagster: Any, videos: int) -> int:
    from resources.settings import settings
    from vid_assets.archive.partitions import add_partitions

    bucketed = settings().partition == "bucket"
    segments, keys = [], []
    for start in range(0, videos, SEGMENT_PARTITIONS):
        numbers = range(start, min(start + SEGMENT_PARTITIONS, videos))
        ids = [video_id(number) for number in numbers]
        buckets = [f"2026-01-01T00-{number // A_BUCKET:06}" if bucketed else None for number in numbers]
        keys += list(dict.fromkeys(buckets)) if bucketed else ids
        segments.append(_segment(warehouse.root, ids, buckets, start))
        for name in ids:
            (settings().reports / f"{name}.html").touch()
    put(warehouse.root, Generation(1, 0, tuple(segments)))
    warehouse.compact()
    add_partitions(dagster, keys)
    return len(keys)


def _segment(root: Path, ids: list[str], buckets: list[str | None], start: int) -> Any:
    from vid_assets.defs.wanted import wanted_answers
    from vid_assets.pipeline.provenance import provenance

    folder = root / ".tmp" / uuid.uuid4().hex
    folder.mkdir(parents=True)
    at = [T0 + timedelta(seconds=start + place) for place in range(len(ids))]
    base = pl.DataFrame(
        {"video_id": ids, "bucket": buckets, "at": at},
        {"video_id": pl.String, "bucket": pl.String, "at": pl.Datetime("us", "UTC")},
    )
    base = base.with_columns(content_hash=pl.col("video_id"), path="/films/" + pl.col("video_id") + ".mp4")
    answers, chain = [], {}
    for place, (name, want) in enumerate(wanted_answers().items()):
        chain[name] = {
            "provenance": provenance(
                want.version, "hash", [chain[each] for each in want.upstream if each != VIDEOS.name]
            )
        }
        answers.append((name, want.version, chain[name]["provenance"], place))
    told = pl.DataFrame(answers, ["analyzer", "code_version", "provenance", "place"], orient="row")
    runs = base.with_row_index().join(told, how="cross")
    runs = runs.filter(~((pl.col("index") % MISSING == 0) & (pl.col("place") == told.height - 1))).with_columns(
        status=pl.lit("value"),
        started_at=pl.col("at") + pl.duration(seconds=pl.col("place")),
        ended_at=pl.col("at") + pl.duration(seconds=pl.col("place")),
        run_id=pl.lit("run-") + (pl.col("index") // 10).cast(pl.String),
        own_settings=pl.lit(value=False),
        failures=pl.lit(0, pl.Int64),
    )
    tables = {
        SOURCES: base.rename({"at": "registered_at"}),
        VIDEOS: base.with_columns(duration_s=pl.lit(10.0), file_name=pl.col("path")),
        ANALYZER_RUNS: runs,
    }
    rows = {}
    for spec, frame in tables.items():
        kept = frame.select(name for name in spec.schema if name in frame.columns).sort("video_id", maintain_order=True)
        write_parquet(folder / f"{spec.name}.parquet", kept)
        rows[spec.name] = kept.height
    return put_segment(root, folder, rows, [pl.Series(ids)])


if __name__ == "__main__":
    sys.exit(main())
