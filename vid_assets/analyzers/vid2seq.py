"""Dense captions: what happens from when to when, shot by shot and scene by scene.

The task of Yang et al., "Vid2Seq: Large-Scale Pretraining of a Visual Language Model for Dense Video Captioning", 2023,
done in the two steps of earlier work (Krishna et al., "Dense-Captioning Events in Videos", 2017): events are proposed,
here the shots and the scenes of several shots, and the video model describes each from the pictures in it.

Events begin and end with shots, so that of two things that happen in one shot neither has its own time, and a shot
between two sampled pictures has no caption. Spans that are unlike what the model knows are left out.
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
    "text": Column(pl.String, "text", "What happens."),
    "confidence": Column(pl.Float64, "1", "Geometric mean probability of the text's tokens.", 0, 1),
}


class Settings(Config):
    """What is asked."""

    prompt: str = setting(PROMPT, "text", "What the model is asked about each shot and scene")


def run(
    video: Video,
    frames: Frames,
    cut_analysis: pl.DataFrame,
    scene_segmentation: pl.DataFrame,
    model: VideoModel,
    config: Settings = Settings(),
) -> Answer:
    """One row a described event, in order of start, scenes before their shots."""
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
