"""Runs of a few analyzers under the project's executor on SQLite storage, and the rows that they leave behind."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import polars as pl

from resources.warehouse.resource import Warehouse
from tests.kit.makers import make_analyzer
from vid_assets.defs.factory import analyzer_asset, videos_asset
from vid_assets.executor import kept_connections, warm_executor
from vid_assets.settings import Settings
from vid_assets.streams import MediaResource
from vid_assets.synthetic.clips import Clip, Shot, render

NAMES = ("first", "second", "third")
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def _answer(first: pl.DataFrame) -> pl.DataFrame:
    return first


def assets() -> list[dg.AssetsDefinition]:
    """``videos``, one analyzer on it, and two that read its table."""
    readers = [make_analyzer(name, inputs=("first",), run=_answer) for name in NAMES[1:]]
    return [videos_asset(), *(analyzer_asset(analyzer) for analyzer in (make_analyzer(NAMES[0]), *readers))]


def definitions() -> dg.Definitions:
    """All of them under the project's executor."""
    return dg.Definitions(
        assets=assets(),
        resources={
            "warehouse": Warehouse(path="unset"),
            "media": MediaResource(),
            "settings": Settings(archive="", scratch="unset", reports="unset"),
        },
        executor=warm_executor,
        jobs=[dg.define_asset_job("recorded", dg.AssetSelection.all())],
    )


def job() -> dg.JobDefinition:
    """The job, in the form that `dagster.reconstructable` needs."""
    return definitions().resolve_job_def("recorded")


def make_clips(folder: Path, count: int) -> list[Path]:
    """Different clips of a moment each."""
    folder.mkdir(exist_ok=True)
    files = [folder / f"clip{number}.mp4" for number in range(count)]
    for number, file in enumerate(files):
        render(Clip(shots=(Shot(0.2 + 0.04 * number),), width=64, height=36), file, audio=False)
    return files


def run(instance: dg.DagsterInstance, home: Path, keys: Sequence[str]) -> dg.JobExecutionResult:
    """Run the job for neighbouring partitions, as the command line does."""
    places = {"scratch": str(home / "scratch"), "reports": str(home / "reports"), "archive": ""}
    tags = dict(zip(RANGE, (keys[0], keys[-1]), strict=True)) if len(keys) > 1 else {"dagster/partition": keys[0]}
    with kept_connections(instance):
        return dg.execute_job(
            dg.reconstructable(job),
            instance,
            tags=tags,
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "resources": {
                    "warehouse": {"config": {"path": str(home / "warehouse")}},
                    "settings": {"config": places},
                },
            },
        )


def rows(file: Path) -> Counter[str]:
    """The events in a file of the event log, by type."""
    with sqlite3.connect(file) as connection:
        return Counter(dict(connection.execute("SELECT dagster_event_type, count(*) FROM event_logs GROUP BY 1")))
