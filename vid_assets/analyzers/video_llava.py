"""One text about the whole video by Video-LLaVA, from eight pictures spread over it.

Lin et al., "Video-LLaVA: Learning United Visual Representation by Alignment Before Projection", 2023. The pictures are
those at which eight equal parts of the video begin and end. The text describes their content in order.

The text does not cover events between the pictures, the sound, or the identity of people. In a long video, this is most
of the content. A video that is unlike the model's training data gets no text, and the answer is undefined.
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
    "text": Column(pl.String, "text", "Description of the video."),
    "confidence": Column(pl.Float64, "1", "Geometric mean probability of the text's tokens.", 0, 1),
}


class Settings(Config):
    """The question for the model."""

    prompt: str = setting(PROMPT, "text", "Question for the model about the video")


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
    """Pictures spread over the video, with the text under them."""
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
