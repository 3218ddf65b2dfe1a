"""One caption of the picture in the middle of the video, by the true-size BLIP-2."""

import polars as pl

from resources.tasks.captions import CAPTIONS, CaptionModel
from vid_assets.contract import Analyzer, Column, Frames

ONE_PROMPT = {"scene": "a photo of"}

TABLE = {
    "time_s": Column(pl.Float64, "s", "Time of the picture."),
    "text": Column(pl.String, "text", "The caption; noise where the weights are random."),
    "confidence": Column(pl.Float64, "1", "Geometric mean probability of its tokens.", ge=0, le=1),
}


def run(frames: Frames, model: CaptionModel) -> pl.DataFrame:
    """One row."""
    middle = len(frames) // 2
    answer = model.caption(frames, [middle], ONE_PROMPT)
    return answer.select(pl.lit(float(frames.times_s[middle])).alias("time_s"), "text", "confidence")


ANALYZER = Analyzer(
    name="one_caption", version="1", group="understanding", inputs=("frames",), task=CAPTIONS, run=run, table=TABLE
)
