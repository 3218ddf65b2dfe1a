"""Mean luma of each sampled picture, BT.709, 0 (black) to 1 (white).

It says nothing about contrast: a grey picture and one that is half black and half white have the same mean.
"""

import numpy as np
import polars as pl

from vid_assets.contract import Analyzer, Column, Config, Frames, setting

WEIGHTS = np.array([0.2126, 0.7152, 0.0722])


class Settings(Config):
    """Which part of the picture counts."""

    margin: float = setting(0.0, "1", "Share of the width and height that is left out at each edge", ge=0, le=0.45)


def run(frames: Frames, config: Settings = Settings()) -> pl.DataFrame:
    """One row for each sampled picture."""
    height, width = frames.array.shape[1:3]
    top, left = round(config.margin * height), round(config.margin * width)
    inner = frames.array[:, top : height - top, left : width - left]
    luma = (inner @ WEIGHTS).mean(axis=(1, 2)) / 255
    return pl.DataFrame({"time_s": frames.times_s, "luma": luma.clip(0, 1)})


ANALYZER = Analyzer(
    name="mean_luma",
    version="1",
    group="picture",
    inputs=("frames",),
    config=Settings,
    run=run,
    table={
        "time_s": Column(pl.Float64, "s", "Time of the picture."),
        "luma": Column(pl.Float64, "1", "Mean luma.", ge=0, le=1),
    },
)
