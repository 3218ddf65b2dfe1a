"""Masks of drawn people before textures, and changes of their backgrounds."""

from dataclasses import replace

import numpy as np

from evaluation._heads import drawn, random_person
from evaluation._models import model
from evaluation.eye_tracking import grounds
from evaluation.figure import Figure
from resources.tasks.segmentation import SEGMENTATION
from vid_assets.analyzers import cut_analysis
from vid_assets.analyzers.background_segmentation import SIDE, decode, run
from vid_assets.contract import Frames
from vid_assets.measures.luma import WEIGHTS

PEOPLE = 30


def small(picture: np.ndarray) -> np.ndarray:
    """Squeezed to the size of masks, float64."""
    import cv2

    return cv2.resize(picture.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)


def measure(seed: int) -> list[Figure]:
    """Overlap of masks, error of shares, and of the change of the background between two pictures of each person."""
    rng = np.random.default_rng([seed, 71])
    pictures, masks = [], []
    for ground in grounds(rng, PEOPLE):
        person = random_person(rng, turned=0.5)
        changed = ground.copy()
        left, top = rng.integers(0, [ground.shape[1] // 2, ground.shape[0] // 2])
        changed[top : top + 150, left : left + 250] = rng.integers(0, 256, 3)
        for look, scene in ((person, ground), (replace(person, x=person.x + 0.02), changed)):
            picture, share = drawn(look, scene)
            pictures.append(picture)
            masks.append(small(share) >= 0.5)
    count = len(pictures)
    frames = Frames(np.stack(pictures), np.arange(count) / 2, np.arange(count) * 12)
    table = run(frames, cut_analysis.ANALYZER.empty(), model(SEGMENTATION))
    found = [decode(lengths, (SIDE, SIDE)) for lengths in table["mask"].to_list()]
    overlaps = [float((one & two).sum() / max((one | two).sum(), 1)) for one, two in zip(found, masks, strict=True)]
    shares = np.abs(table["foreground"].to_numpy() - [mask.mean() for mask in masks])
    lumas = [small(picture) @ WEIGHTS / 255 for picture in pictures]
    changes = []
    for at in range(1, count, 2):
        change = (lumas[at] - lumas[at - 1])[~(masks[at] | masks[at - 1])]
        said = table["background_change"][at]
        changes.append(abs((said or 0.0) - float(np.abs(change - np.median(change)).mean())))
    name = "background_segmentation"
    return [
        Figure(
            analyzer=name, what="mean overlap (IoU) with the masks of drawn people", value=float(np.mean(overlaps)),
            unit="1", cases=count, at_least=0.7,
        ),
        Figure(
            analyzer=name, what="mean error of the share of drawn people", value=float(shares.mean()), unit="1",
            cases=count, at_most=0.08,
        ),
        Figure(
            analyzer=name, what="mean error of the background's change", value=float(np.mean(changes)), unit="1",
            cases=len(changes), at_most=0.01,
        ),
    ]  # fmt: skip
