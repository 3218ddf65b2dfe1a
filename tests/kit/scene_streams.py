"""Generated clips as the streams that the analyzers get, without a file in between."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from vid_assets.analyzers import cut_analysis
from vid_assets.contract import Analyzer, Frames, Video
from vid_assets.pipeline.checks import check_table
from vid_assets.synthetic.clips import Clip, frames, truth
from vid_assets.synthetic.truth import Truth


@dataclass(frozen=True)
class Streams:
    """One video in memory."""

    video: Video
    thumbs: Frames
    frames: Frames

    @property
    def cuts(self) -> pl.DataFrame:
        """Its table of `cut_analysis`."""
        return cut_analysis.run(self.thumbs)


def streams(pictures: Iterable[np.ndarray], fps: float = 25.0, times_s: np.ndarray | None = None) -> Streams:
    """The streams of some pictures, uint8 RGB [height, width, 3]; the last one shows for one frame."""
    import cv2

    thumbs, sampled, places, count = [], [], [], 0
    height = width = 0
    for picture in pictures:
        height, width = picture.shape[:2]
        time = count / fps if times_s is None else times_s[count]
        if time >= len(sampled) / 2 - 1e-9:
            sampled.append(picture)
            places.append(count)
        thumbs.append(cv2.resize(picture, (48, 27), interpolation=cv2.INTER_AREA))
        count += 1
    times = np.arange(count) / fps if times_s is None else np.asarray(times_s, float)
    video = Video("clip", float(times[-1] + 1 / fps), width, height, fps, count, True, False)
    small = Frames(np.stack(thumbs), times, np.arange(count))
    large = Frames(np.stack(sampled), times[places], np.array(places, np.int64))
    return Streams(video, small, large)


def of_clip(clip: Clip) -> tuple[Streams, Truth]:
    """A clip's streams and what is true of it."""
    return streams(frames(clip), float(clip.fps)), truth(clip)


def first(source: Frames, count: int) -> Frames:
    """The first pictures only."""
    return Frames(source.array[:count], source.times_s[:count], source.indices[:count])


def checked(analyzer: Analyzer, table: pl.DataFrame, video: Video) -> pl.DataFrame:
    """The table, after all the checks that the pipeline makes."""
    problems = [problem for check in check_table(analyzer, table, video) for problem in check.problems]
    assert not problems
    return table


def answered(analyzer: Analyzer, made: Streams) -> pl.DataFrame:
    """The checked table of an analyzer of video, pictures and cuts."""
    return checked(analyzer, analyzer.run(made.video, made.thumbs, made.cuts), made.video)


def still(*pictures: np.ndarray) -> Frames:
    """Pictures as the stream that analyzers get, two per second."""
    array = np.stack(pictures).astype(np.uint8)
    return Frames(array, np.arange(len(array)) / 2, np.arange(len(array)))
