"""What happens in the whole video, in one text by Video-LLaVA, from eight pictures spread over it.

Lin et al., "Video-LLaVA: Learning United Visual Representation by Alignment Before Projection", 2023. The pictures are
those at which eight equal parts of the video begin and end, so the text names what they show, in their order.

What happens between the pictures, in the sound, and who people are is beyond it; in a long video most of it is. A video
that is unlike what the model knows gets no text, and the answer is undefined.
"""

import numpy as np
import polars as pl

from resources.tasks.descriptions import DESCRIPTIONS, PROMPT, VideoModel
from vid_assets.contract import Analyzer, Answer, Column, Config, Frames, Undefined, Video, setting
from vid_assets.drawing import Picture, contact_sheet, timeline

SHOWN = 8

TABLE = {
    "start_s": Column(pl.Float64, "s", "Time of the first picture.", ge=0),
    "end_s": Column(pl.Float64, "s", "Time of the last picture.", ge=0),
    "text": Column(pl.String, "text", "What happens."),
    "confidence": Column(pl.Float64, "1", "Geometric mean probability of the text's tokens.", 0, 1),
}


class Settings(Config):
    """What is asked."""

    prompt: str = setting(PROMPT, "text", "What the model is asked about the video")


def run(
    video: Video,
    frames: Frames,
    model: VideoModel,
    config: Settings = Settings(),
) -> Answer:
    """One row: the text of the whole video."""
    if not len(frames):
        return Undefined("there are no pictures to describe")
    said = model.describe(frames, [range(len(frames))], config.prompt).row(0, named=True)
    if said["refused"]:
        return Undefined("the video is unlike what the model knows")
    times = frames.times_s
    row = {
        "start_s": float(times[0]),
        "end_s": float(times[-1]),
        "text": said["text"],
        "confidence": said["confidence"],
    }
    return pl.DataFrame([row], schema=ANALYZER.schema)


def preview(table: pl.DataFrame, video: Video, frames: Frames) -> Picture | None:
    """Pictures spread over the video, the text under them."""
    if not table.height:
        return None
    rows = np.unique(np.linspace(0, len(frames) - 1, SHOWN).round().astype(int)).tolist()
    lane = [(start_s, end_s, text) for start_s, end_s, text, _ in table.iter_rows()]
    return np.vstack([contact_sheet(frames, rows), timeline({"what happens": lane}, video.duration_s)])


ANALYZER = Analyzer(
    name="video_llava",
    version="1",
    group="understanding",
    inputs=("video", "frames"),
    task=DESCRIPTIONS,
    config=Settings,
    run=run,
    preview=preview,
    table=TABLE,
)
