"""Captions of single pictures and of shots by BLIP-2, with four prompts: scene, objects, actions, setting.

Each shot supplies one picture per two seconds, and at least one (Li et al., "BLIP-2: Bootstrapping Language-Image
Pre-training with Frozen Image Encoders and Large Language Models", 2023). The caption of a shot is the text on which
most of its pictures agree, weighted by confidence. A picture that is unlike the model's training data keeps its row,
without a text.

A caption describes one picture. It does not cover motion, order or sound. Things that appear between the chosen
pictures are missed.
"""

import polars as pl

from resources.tasks.captions import CAPTIONS, PROMPTS, CaptionModel
from vid_assets.contract import Analyzer, Answer, Column, Config, Frames, Undefined, Video, setting
from vid_assets.drawing import Picture, contact_sheet
from vid_assets.measures.shots import rows_within, shot_spans, subsample

TABLE = {
    "level": Column(
        pl.String, "text", "frame: caption of one picture; shot: text on which the pictures of a shot agree."
    ),
    "shot": Column(pl.Int64, "1", "Number of the shot, from 0.", ge=0),
    "start_s": Column(pl.Float64, "s", "Time of the picture, or start of the shot."),
    "end_s": Column(pl.Float64, "s", "Time of the picture, or end of the shot."),
    "frame_index": Column(pl.Int64, "1", "Frame number in the video; null for shots.", ge=0, nullable=True),
    "prompt": Column(pl.String, "text", "Name of the question: scene, objects, actions or setting, unless configured."),
    "text": Column(pl.String, "text", "The answer; null if the picture is unlike the training data.", nullable=True),
    "confidence": Column(
        pl.Float64, "1", "Geometric mean probability of the answer's tokens; for shots, of the agreeing answers.", 0, 1
    ),
}


class Settings(Config):
    """Questions to ask, and how often."""

    prompts: dict[str, str] = setting(PROMPTS, "text", "Name of each question, and its text for the model")
    picture_every_s: float = setting(2.0, "s", "Interval within a shot for which one picture is captioned", ge=0.5)


def run(
    video: Video,
    frames: Frames,
    cut_analysis: pl.DataFrame,
    model: CaptionModel,
    config: Settings = Settings(),
) -> Answer:
    """Rows by shot: the captions of its pictures, then those of the shot itself."""
    spans = shot_spans(cut_analysis, video.duration_s)
    chosen = {
        row: shot
        for shot, span in enumerate(spans)
        for row in subsample(rows_within(frames, span), max(1, round((span[1] - span[0]) / config.picture_every_s)))
    }
    if not chosen:
        return Undefined("no sampled picture lies within a shot")
    answers = model.caption(frames, list(chosen), config.prompts).with_columns(
        text=pl.when(~pl.col("refused")).then("text"), shot=pl.col("row").replace_strict(chosen, return_dtype=pl.Int64)
    )
    if answers["text"].null_count() == answers.height:
        return Undefined(f"none of the {len(chosen)} pictures is like what the model knows")
    times = pl.DataFrame({"row": range(len(frames)), "start_s": frames.times_s, "frame_index": frames.indices})
    pictures = answers.join(times, on="row", how="left").with_columns(level=pl.lit("frame"), end_s="start_s")
    starts, ends = zip(*spans, strict=True)
    shots = _agreed(answers).join(
        pl.DataFrame({"shot": range(len(spans)), "start_s": starts, "end_s": ends}), on="shot", how="left"
    )
    shots = shots.with_columns(level=pl.lit("shot"), frame_index=pl.lit(None, pl.Int64))
    table = pl.concat([part.select(list(TABLE)) for part in (pictures, shots)])
    return table.cast(ANALYZER.schema).sort("shot", "level", "start_s", "prompt")


def _agreed(answers: pl.DataFrame) -> pl.DataFrame:
    """One row per shot and prompt: the text with the highest total confidence."""
    return (
        answers.drop_nulls("text")
        .group_by("shot", "prompt", "text")
        .agg(support=pl.col("confidence").sum(), confidence=pl.col("confidence").mean())
        .sort("shot", "prompt", "support", "text", descending=[False, False, True, False])
        .unique(["shot", "prompt"], keep="first", maintain_order=True)
    )


def preview(table: pl.DataFrame, video: Video, frames: Frames, cut_analysis: pl.DataFrame) -> Picture | None:
    """The pictures with their scene captions."""
    asked = table["prompt"].unique().sort().to_list()
    prompt = "scene" if "scene" in asked else asked[0]
    shown = table.filter(pl.col("level") == "frame", pl.col("prompt") == prompt).sort("start_s").head(8)
    rows = [int((frames.indices == index).argmax()) for index in shown["frame_index"]]
    return contact_sheet(frames, rows, [text or "(unknown)" for text in shown["text"]]) if rows else None


ANALYZER = Analyzer(
    name="blip2",
    version="1",
    group="understanding",
    inputs=("video", "frames", "cut_analysis"),
    task=CAPTIONS,
    config=Settings,
    run=run,
    budget=0.015,
    preview=preview,
    table=TABLE,
)
