"""Dense captions: events with start and end, shot by shot and scene by scene.

The task is that of Yang et al., "Vid2Seq: Large-Scale Pretraining of a Visual Language Model for Dense Video
Captioning", 2023. The method has the two steps of earlier work (Krishna et al., "Dense-Captioning Events in Videos",
2017). First, events are proposed: here the shots, and the scenes of several shots. Then the video model describes each
event from its pictures.

Events begin and end with shots. Two things that happen in one shot have no times of their own, and a shot between two
sampled pictures has no caption. Spans that are unlike the model's training data are left out.
"""

import polars as pl

from resources.tasks.descriptions import DESCRIPTIONS, PROMPT, VideoModel
from vid_assets.contract import Analyzer, Answer, Column, Config, Frames, Undefined, Video, setting
from vid_assets.drawing import Picture, contact_sheet
from vid_assets.measures.shots import rows_within, shot_spans

SHOWN = 24

TABLE = {
    "kind": Column(pl.String, "text", "shot, or scene of several shots."),
    "start_s": Column(pl.Float64, "s", "Start of the event.", ge=0),
    "end_s": Column(pl.Float64, "s", "End of the event.", ge=0),
    "text": Column(pl.String, "text", "Description of the event."),
    "confidence": Column(pl.Float64, "1", "Geometric mean probability of the text's tokens.", 0, 1),
}


class Settings(Config):
    """The question for the model."""

    prompt: str = setting(PROMPT, "text", "Question for the model about each shot and scene")


def run(
    video: Video,
    frames: Frames,
    cut_analysis: pl.DataFrame,
    scene_segmentation: pl.DataFrame,
    model: VideoModel,
    config: Settings = Settings(),
) -> Answer:
    """One row per described event, ordered by start, scenes before their shots."""
    shots = [("shot", *span) for span in shot_spans(cut_analysis, video.duration_s)]
    several = scene_segmentation.filter(pl.col("shots") > 1).select("start_s", "end_s")
    events = sorted([("scene", *span) for span in several.iter_rows()] + shots, key=lambda event: (event[1], event[0]))
    spans = {event: rows_within(frames, event[1:]).tolist() for event in events}
    proposals = pl.DataFrame([event for event, rows in spans.items() if rows], list(TABLE)[:3], orient="row")
    if not proposals.height:
        return Undefined("no sampled picture lies within a shot")
    said = model.describe(frames, [rows for rows in spans.values() if rows], config.prompt)
    table = pl.concat([proposals, said.sort("span")], how="horizontal").filter(~pl.col("refused"))
    if not table.height:
        if proposals.height == 1:
            return Undefined("the only shot is unlike what the model knows")
        return Undefined(f"none of the {proposals.height} shots and scenes is like what the model knows")
    return table.select(list(TABLE)).cast(ANALYZER.schema)


def preview(
    table: pl.DataFrame, video: Video, frames: Frames, cut_analysis: pl.DataFrame, scene_segmentation: pl.DataFrame
) -> Picture | None:
    """The middle picture of each of the first events, with its text."""
    if not table.height:
        return None
    shown = table.head(SHOWN)
    inside = [rows_within(frames, span) for span in shown.select("start_s", "end_s").iter_rows()]
    rows = [int(span[len(span) // 2]) for span in inside]
    return contact_sheet(frames, rows, shown["text"].to_list(), columns=2)


ANALYZER = Analyzer(
    name="vid2seq",
    version="1",
    group="understanding",
    inputs=("video", "frames", "cut_analysis", "scene_segmentation"),
    task=DESCRIPTIONS,
    config=Settings,
    run=run,
    budget=0.015,
    preview=preview,
    table=TABLE,
)
