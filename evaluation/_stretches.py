"""Stretches of real clips in which one thing is so throughout, against labels made by hand."""

import numpy as np
import polars as pl

from evaluation._footage import clips_with
from evaluation._models import model
from evaluation.figure import Calibration, Figure
from resources.tasks.sounds import SOUNDS
from vid_assets.analyzers import audio_environment, camera_analysis, cut_analysis

STEP_S = 0.5


def told(table: pl.DataFrame, labels: list[tuple[float, float, str]]) -> list[tuple[dict[str, float], bool]]:
    """For each half second of the labels the row that covers it, and whether it names the same kind."""
    starts = table["start_s"].to_numpy()
    found: list[tuple[dict[str, float], bool]] = []
    for start, end, kind in labels:
        for moment in np.arange(start + STEP_S / 2, end, STEP_S):
            row = table.row(max(int(np.searchsorted(starts, moment, side="right")) - 1, 0), named=True)
            found.append((row, row["kind"] in kind.split(" or ")))
    return found


def of_sounds() -> list[Figure | Calibration]:
    """Time of labelled sound told as what it is, and what a confidence is worth."""
    answers: list[tuple[float, bool]] = []
    for clip, media in clips_with("sound"):
        assert media.audio is not None
        table = audio_environment.run(media.audio, model(SOUNDS))
        assert isinstance(table, pl.DataFrame)
        answers += [(row["confidence"], right) for row, right in told(table, clip.sound)]
    share = sum(right for _, right in answers) / len(answers)
    calibration = Calibration("audio_environment", "half seconds", tuple(answers))
    return [
        Figure(analyzer="audio_environment", what="footage: time told as what it is", value=share, unit="1",
               cases=len(answers), at_least=0.85),
        calibration.figure(),
        calibration,
    ]  # fmt: skip


def of_camera() -> list[Figure]:
    """Time of standing cameras told as such."""
    verdicts: list[bool] = []
    for clip, media in clips_with("camera"):
        assert media.thumbs is not None
        table = camera_analysis.run(media.video, media.thumbs, cut_analysis.run(media.thumbs))
        verdicts += [right or row["kind"] == "unclear" for row, right in told(table, clip.camera)]
    return [
        Figure(analyzer="camera_analysis", what="footage: time of standing cameras without a move", unit="1",
               value=sum(verdicts) / len(verdicts), cases=len(verdicts), at_least=0.4)
    ]  # fmt: skip
