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
from vid_assets.executor.event_log import drop_fulfilled_plans
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


def _point(video: Video) -> pl.DataFrame:
    """Return a thing that moves from the left to the right, looked at twice a second."""
    times = [0.5 * place for place in range(int(video.duration_s * 2))]
    left = [time_s / (2 * video.duration_s) for time_s in times]
    places = {"x0": left, "y0": 0.25, "x1": [x0 + 0.25 for x0 in left], "y1": 0.75}
    return pl.DataFrame({"time_s": times, "track": [1] * len(times), "label": HOSTILE, **places})


THINGS = make_analyzer(
    "things",
    group="objects_and_scene",
    inputs=("video",),
    run=_point,
    table={
        "time_s": Column(pl.Float64, "s", "Time"),
        "track": Column(pl.Int64, "1", "Track"),
        "label": Column(pl.String, "text", "Label"),
        **{name: Column(pl.Float64, "width", "Corner") for name in ("x0", "y0", "x1", "y1")},
    },
)


def _speak(video: Video) -> pl.DataFrame:
    words = ["one", "two,", "three.", "<b>Four"]
    starts = [video.duration_s * place / 4 for place in range(4)]
    ends = [start_s + video.duration_s / 5 for start_s in starts]
    return pl.DataFrame(
        {"segment": [0, 0, 0, 1], "word": words, "start_s": starts, "end_s": ends, "language": ["en"] * 4}
    )


SPEECH = make_analyzer(
    "speech",
    group="text_and_speech",
    inputs=("video",),
    run=_speak,
    table={
        "segment": Column(pl.Int64, "1", "Segment"),
        "word": Column(pl.String, "text", "Word"),
        "start_s": Column(pl.Float64, "s", "Start"),
        "end_s": Column(pl.Float64, "s", "End"),
        "language": Column(pl.String, "text", "Language", nullable=True),
    },
)
NEVER_RUN = make_analyzer("never_run")
RUN = (cut_analysis.ANALYZER, color_analysis.ANALYZER, temporal_flow.ANALYZER, WORDS, THINGS, SPEECH)
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
        done = dg.materialize(
            assets, instance=instance, resources=resources, partition_key=video_id, raise_on_error=False
        )
        drop_fulfilled_plans(instance, done.run_id)  # as the project's executor does
        write_report(warehouse, scratch, reports, video_id, SHOWN)
    write_index(reports)
    return ReportArchive(warehouse, scratch, reports, *ids)
