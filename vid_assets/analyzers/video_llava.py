"""One description of the whole clip by a video language model, from pictures spread evenly over it.

The model is Video-LLaVA (Lin et al., "Video-LLaVA: Learning United Visual Representation by Alignment Before
Projection", 2023) or LLaVA-NeXT-Video, by profile. It sees at least 8 pictures, in order.

What happens between the pictures is lost on it, so the longer the video, the coarser the description; ``vid2seq``
describes each shot and scene for itself. It does not hear.
"""

import numpy as np
import polars as pl

from vid_assets.contract import Analyzer, Answer, Column, Frames, Undefined, Video, VideoModel
from vid_assets.drawing import Picture, contact_sheet
from vid_assets.shots import spread

TABLE = {
    "start_s": Column(pl.Float64, "s", "Start of what is described: the video's."),
    "end_s": Column(pl.Float64, "s", "End of what is described: the video's."),
    "text": Column(pl.String, "text", "The description."),
    "confidence": Column(pl.Float64, "1", "Geometric mean probability of its tokens.", 0, 1),
}


def run(video: Video, frames: Frames, model: VideoModel) -> Answer:
    """One row."""
    if not len(frames):
        return Undefined("no picture was sampled")
    answer = model.describe(frames, [range(len(frames))]).row(0, named=True)
    if answer["refused"]:
        return Undefined(f"the clip is unlike what the model knows (confidence {answer['confidence']:.2f})")
    row = {
        "start_s": 0.0,
        "end_s": video.duration_s,
        "text": answer["text"],
        "confidence": answer["confidence"],
    }
    return pl.DataFrame([row], schema=ANALYZER.schema)


def preview(table: pl.DataFrame, video: Video, frames: Frames) -> Picture:
    """Pictures spread over what is described."""
    return contact_sheet(frames, spread(np.arange(len(frames)), 8))


ANALYZER = Analyzer(
    name="video_llava",
    version="1",
    group="understanding",
    inputs=("video", "frames"),
    model="video_llava",
    run=run,
    preview=preview,
    table=TABLE,
)
