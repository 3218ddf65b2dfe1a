"""Faces, head poses and gazes of drawn people whose angles are known, through the real networks."""

import numpy as np

from evaluation._heads import Person, direction, drawn, random_person
from evaluation._models import model
from evaluation._seen import of_faces
from evaluation.figure import Calibration, Figure
from resources.tasks.faces import FACES
from vid_assets.analyzers import cut_analysis
from vid_assets.analyzers.eye_tracking import run
from vid_assets.contract import Frames
from vid_assets.synthetic.clips import PALETTES, TEXTURES
from vid_assets.synthetic.textures import texture

PEOPLE, HEIGHT, WIDTH = 50, 360, 640
EMPTY = 20


def grounds(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Pictures without people, uint8 RGB [h, w, 3]."""
    kinds = [str(kind) for kind in rng.choice(TEXTURES, count)]
    return [
        texture(kind, WIDTH, HEIGHT, HEIGHT, int(rng.integers(len(PALETTES))), int(rng.integers(2**31)))
        for kind in kinds
    ]


def measure(seed: int) -> list[Figure | Calibration]:
    """Faces found and invented, and mean errors of roll, yaw and gaze."""
    rng = np.random.default_rng([seed, 61])
    people = [random_person(rng) for _ in range(PEOPLE)]
    pictures = [drawn(person, ground)[0] for person, ground in zip(people, grounds(rng, PEOPLE), strict=True)]
    pictures += grounds(rng, EMPTY)
    # A minute apart, so that no face is taken for the one before.
    frames = Frames(np.stack(pictures), 60.0 * np.arange(len(pictures)), np.arange(len(pictures)))
    table = run(frames, cut_analysis.ANALYZER.empty(), model(FACES))
    rolls, yaws, gazes, found, invented = [], [], [], 0, 0
    for row in table.iter_rows(named=True):
        person = people[row["frame"]] if row["frame"] < PEOPLE else None
        if person is None or not covers(row, person):
            invented += 1
            continue
        found += 1
        rolls.append(abs(row["head_roll_deg"] - person.roll))
        yaws.append(abs(row["head_yaw_deg"] - person.yaw))
        if row["gaze_yaw_deg"] is not None:
            seen = direction(row["gaze_yaw_deg"], row["gaze_pitch_deg"])
            gazes.append(float(np.degrees(np.arccos(np.clip(seen @ person.gaze, -1, 1)))))
    name = "eye_tracking"
    return [
        Figure(
            analyzer=name, what="faces of drawn people found", value=found / PEOPLE, unit="1", cases=PEOPLE,
            at_least=0.9,
        ),
        Figure(
            analyzer=name, what="faces invented, a picture", value=invented / len(pictures), unit="1",
            cases=len(pictures), at_most=0.05,
        ),
        Figure(
            analyzer=name, what="mean error of roll, drawn heads", value=float(np.mean(rolls)), unit="deg",
            cases=len(rolls), at_most=2,
        ),
        Figure(
            analyzer=name, what="mean error of yaw, drawn heads turned by up to 25 degrees", value=float(np.mean(yaws)),
            unit="deg", cases=len(yaws), at_most=6,
        ),
        Figure(
            analyzer=name, what="mean angle between gaze and truth, drawn faces 125 to 215 px high",
            value=float(np.mean(gazes)), unit="deg", cases=len(gazes), at_most=10,
        ),
        *of_faces(),
    ]  # fmt: skip


def covers(box: dict[str, float], person: Person) -> bool:
    """Whether the box lies over the middle of the person's face."""
    return box["x0"] < person.x < box["x1"] and box["y0"] < person.y + 0.1 * person.size < box["y1"]
