"""Pictures, and rows of shots."""

import numpy as np
import polars as pl

from vid_assets.indexes import shots


def painted(seed, height=90, width=160):
    """A picture of random blobs."""
    import cv2

    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def shots_of(rows, video_id):
    """Rows of ``shots``; columns that are not given are null."""
    schema = shots.ANALYZER.schema
    frame = pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=schema)
    return frame.select(pl.lit(video_id).alias("video_id"), pl.all())
