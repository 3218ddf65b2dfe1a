"""Analyzers and videos made on the spot."""

import polars as pl

from vid_assets.contract import Analyzer, Column, Video


def make_analyzer(name: str = "example", **changes: object) -> Analyzer:
    """A small analyzer; `changes` replace its fields."""
    fields: dict = {
        "name": name,
        "version": "1",
        "group": "picture",
        "inputs": ("video",),
        "run": lambda video: pl.DataFrame({"time_s": [0.0], "share": [0.5]}),
        "table": {
            "time_s": Column(pl.Float64, "s", "When."),
            "share": Column(pl.Float64, "1", "How much.", ge=0, le=1, nullable=True),
        },
    }
    return Analyzer(**(fields | changes))


def make_video(video_id: str = "clip-0123456789ab", **changes: object) -> Video:
    """Facts of a video of ten seconds."""
    fields: dict = {
        "duration_s": 10.0,
        "width": 640,
        "height": 360,
        "fps": 25.0,
        "frame_count": 250,
        "has_picture": True,
        "has_audio": True,
    }
    return Video(video_id, **(fields | changes))
