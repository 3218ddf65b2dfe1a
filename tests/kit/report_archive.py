"""A small archive with reports: generated clips through a few real analyzers, and a table with hostile words."""

from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl

from resources.warehouse.resource import Warehouse
from tests.kit.makers import make_analyzer
from vid_assets.analyzers import color_analysis, cut_analysis, temporal_flow
from vid_assets.archive.register import register
from vid_assets.contract import Analyzer, Column, Video
from vid_assets.defs.factory import analyzer_asset, videos_asset
from vid_assets.report import write_index, write_report
from vid_assets.settings import Settings
from vid_assets.streams import MediaResource
from vid_assets.synthetic.clips import Clip, Shot, Sound, render

HOSTILE = '<script>alert("x")</script> & \'"><img src="http://example.invalid/x.png" onerror="alert(1)">'


def _say(video: Video) -> pl.DataFrame:
    end_s = video.duration_s
    return pl.DataFrame({"start_s": [0.0, end_s / 2], "end_s": [end_s / 2, end_s], "text": [HOSTILE, "plain words"]})


WORDS = make_analyzer(
    "words",
    group="text_and_speech",
    inputs=("video",),
    run=_say,
    table={
        "start_s": Column(pl.Float64, "s", "Start"),
        "end_s": Column(pl.Float64, "s", "End"),
        "text": Column(pl.String, "text", "What is said"),
    },
)
NEVER_RUN = make_analyzer("never_run")
RUN = (cut_analysis.ANALYZER, color_analysis.ANALYZER, temporal_flow.ANALYZER, WORDS)
SHOWN: tuple[Analyzer, ...] = (*RUN, NEVER_RUN)


@dataclass(frozen=True, slots=True)
class ReportArchive:
    """Where it is, and the keys: a clip of two shots, one of a single dark picture, and a broken file."""

    warehouse: Warehouse
    scratch: Path
    reports: Path
    two_shots: str
    dark: str
    broken: str


def make_archive(folder: Path, instance: dg.DagsterInstance) -> ReportArchive:
    """Register the clips, run the analyzers through Dagster, and write the reports."""
    shots = (Shot(2.0, texture="noise", seed=1), Shot(2.0, texture="noise", seed=2, palette=3))
    render(Clip(shots=shots, sounds=(Sound("tone", 0.5, 3.5),), width=320, height=180), folder / "two shots.mp4")
    render(Clip(shots=(Shot(0.4, background="grey"),), width=36, height=64), folder / "dark.mp4")
    (folder / "broken.mp4").write_bytes(b"no video" * 100)
    warehouse = Warehouse(path=str(folder / "warehouse"))
    scratch, reports = folder / "scratch", folder / "reports"
    names = ("two shots.mp4", "dark.mp4", "broken.mp4")
    ids = [register(folder / name, warehouse, instance).video_id for name in names]
    resources = {
        "warehouse": warehouse,
        "media": MediaResource(),
        "settings": Settings(archive="", scratch=str(scratch), reports=str(reports)),
    }
    assets = [videos_asset(), *map(analyzer_asset, RUN)]
    for video_id in ids:
        dg.materialize(assets, instance=instance, resources=resources, partition_key=video_id, raise_on_error=False)
        write_report(warehouse, scratch, reports, video_id, SHOWN)
    write_index(reports)
    return ReportArchive(warehouse, scratch, reports, *ids)
