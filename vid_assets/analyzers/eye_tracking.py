"""Faces and gaze in the sampled pictures: box, track, eye openness, iris position, gaze and head pose.

- Openness is the eye aspect ratio (Soukupova & Cech, "Real-Time Eye Blink Detection using Facial Landmarks", 2016):
  height over width of the eye's outline. As in that paper, an eye below 0.2 counts as closed.
- Iris position is the position of the iris's centre between the corners of the eye: 0 at the corner on the picture's
  left, 1 on its right. The vertical position is in widths of the eye, downwards.
- Head pose uses the depth of the face mesh: yaw and roll from the line between the outer corners of the eyes, pitch
  from the line between forehead and chin.
- Gaze is the head's direction plus the direction of the eyes relative to it. The iris lies on a ball of 12 mm behind an
  eye 30 mm wide (a model eye, as in Hansen & Ji, "In the Eye of the Beholder", 2010). The result is the mean of the
  open eyes.

Angles are in degrees: yaw to the picture's right, pitch down, roll clockwise. They are 0 for a face that looks straight
into the camera. A video without faces gives an empty table.

Two pictures per second show closed eyes, but not the blink rate. Faces below about a tenth of the picture's height, in
profile or half hidden are missed. On small faces the irises and the gaze are off by 10 degrees and more. Reflecting
glasses hide the irises, and the table does not mark this. Drawn faces and animals count if they look enough like human
faces. Few do at the default score: below 0.8, all boxes on labelled footage but one are no faces.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.tasks.faces import FACES, FaceModel
from vid_assets.contract import Analyzer, Column, Config, Frames, setting
from vid_assets.drawing import contact_sheet
from vid_assets.measures.tracking import Tracker, colour_histogram

Array = NDArray[np.float64]

CLOSED = 0.2
EYE_MM, BALL_MM = 30.0, 12.0
STRAIGHT_Y = -0.05  # the corners of an eye are slightly below the iris for a straight gaze
BOX = ("x0", "y0", "x1", "y1")


class Eye(NamedTuple):
    """Points of the mesh around one eye: its corners on the picture's left and right, and pairs above and below."""

    left: int
    right: int
    pairs: tuple[tuple[int, int], ...]


# The person's right eye (on the picture's left), then the left one.
EYES = (Eye(33, 133, ((160, 144), (158, 153))), Eye(362, 263, ((385, 380), (387, 373))))
OUTER, FOREHEAD, CHIN = (33, 263), 10, 152


def openness(mesh: Array, eye: Eye) -> float:
    """Eye aspect ratio of a mesh [468, 3], in three dimensions, so that it also works for turned heads."""
    height = float(np.mean([float(np.linalg.norm(mesh[above] - mesh[below])) for above, below in eye.pairs]))
    return float(height / max(float(np.linalg.norm(mesh[eye.left] - mesh[eye.right])), 1e-9))


def iris_place(mesh: Array, eye: Eye, centre: Array) -> tuple[float, float]:
    """Iris position: 0 to 1 between the corners, and distance below the line between them in eye widths."""
    across = mesh[eye.right, :2] - mesh[eye.left, :2]
    width = max(float(across @ across), 1e-9)
    offset = centre - mesh[eye.left, :2]
    return float(offset @ across / width), float((across[0] * offset[1] - across[1] * offset[0]) / width)


def head_pose(mesh: Array) -> tuple[float, float, float]:
    """Yaw, pitch and roll of the head in degrees, of a mesh [468, 3]: turned first, then bent, then leaned."""
    across, down = mesh[OUTER[1]] - mesh[OUTER[0]], mesh[CHIN] - mesh[FOREHEAD]
    roll = np.arctan2(across[1], across[0])
    cos, sin = np.cos(roll), np.sin(roll)
    yaw = np.arctan2(across[2], across[0] * cos + across[1] * sin)
    pitch = np.arctan2(down[2], (down[1] * cos - down[0] * sin) * np.cos(yaw))
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))


def eye_angles(places: list[tuple[float, float]]) -> tuple[float, float]:
    """Mean yaw and pitch of the eyes in the head, in degrees, from their iris positions."""
    x, y = np.mean(places, axis=0)
    turned, bent = (x - 0.5) * EYE_MM / BALL_MM, (y - STRAIGHT_Y) * EYE_MM / BALL_MM
    return float(np.degrees(np.arcsin(np.clip(turned, -1, 1)))), float(np.degrees(np.arcsin(np.clip(bent, -1, 1))))


def read_face(mesh: Array, irises: Array) -> dict[str, float | bool | None]:
    """The columns of `TABLE` that describe one face.

    Args:
        mesh: Points in px, [468, 3]; z has the scale of x and is negative towards the camera.
        irises: Five points of the right and of the left iris in px, the centre first, [2, 5, 2].
    """
    yaw, pitch, roll = head_pose(mesh)
    right, left = (openness(mesh, eye) for eye in EYES)
    places = [iris_place(mesh, eye, iris[0]) for eye, iris in zip(EYES, irises, strict=True)]
    seen = [place for place, share in zip(places, (right, left), strict=True) if share >= CLOSED]
    turned, bent = eye_angles(seen) if seen else (None, None)
    return {
        "openness_right": right,
        "openness_left": left,
        "closed": not seen,
        "iris_right_x": places[0][0],
        "iris_right_y": places[0][1],
        "iris_left_x": places[1][0],
        "iris_left_y": places[1][1],
        "gaze_yaw_deg": None if turned is None else yaw + turned,
        "gaze_pitch_deg": None if bent is None else pitch + bent,
        "head_yaw_deg": yaw,
        "head_pitch_deg": pitch,
        "head_roll_deg": roll,
    }


class Settings(Config):
    """Defines which boxes count as faces."""

    min_score: float = setting(0.8, "1", "Score from which a box counts as a face", ge=0.5, le=1)


def run(
    frames: Frames,
    cut_analysis: pl.DataFrame,
    model: FaceModel,
    config: Settings = Settings(),
) -> pl.DataFrame:
    """One row per face and sampled picture, ordered by time; none if there is no face.

    Args:
        frames: Sampled pictures, [n, height, width, 3].
        cut_analysis: Shot boundaries, at which tracks end.
        model: Finds faces and their mesh.
        config: The settings.
    """
    found = model.faces(frames, range(len(frames))).filter(pl.col("score") >= config.min_score)
    shots = np.searchsorted(cut_analysis["end_s"].sort().to_numpy(), frames.times_s, side="right")
    tracker = Tracker()
    rows: list[dict[str, object]] = []
    for place in range(len(frames)):
        if place and shots[place] != shots[place - 1]:
            tracker.cut()
        part = found.filter(pl.col("row") == place).sort("score", descending=True)
        boxes, scores = part.select(BOX).to_numpy(), part["score"].to_numpy()
        colours = np.array([colour_histogram(frames.array[place], box) for box in boxes])
        tracks = tracker.add("face", boxes, scores, colours)
        for number, row in zip(tracks, part.iter_rows(named=True), strict=True):
            mesh, irises = np.reshape(row["mesh"], (-1, 3)), np.reshape(row["irises"], (2, 5, 2))
            rows.append({
                "time_s": float(frames.times_s[place]),
                "frame": int(frames.indices[place]),
                "track": number,
                "score": row["score"],
                **{name: row[name] for name in BOX},
                **read_face(mesh, irises),
            })  # fmt: skip
    return pl.DataFrame(rows, schema=ANALYZER.schema)


def preview(table: pl.DataFrame, frames: Frames, cut_analysis: pl.DataFrame) -> NDArray[np.uint8] | None:
    """Up to nine pictures with faces, with the gaze in degrees under each."""
    if table.is_empty():
        return None
    shown = table["frame"].unique().sort()
    shown = shown.gather(np.unique(np.linspace(0, len(shown) - 1, 9).round().astype(int)))
    rows: list[int] = np.searchsorted(frames.indices, shown.to_numpy()).tolist()
    parts = [table.filter(pl.col("frame") == frame) for frame in shown]
    boxes = [part.select(BOX).rows() for part in parts]
    tags = [[str(track) for track in part["track"]] for part in parts]
    return contact_sheet(frames, rows, [_label(part) for part in parts], boxes, 3, tags)


def _label(part: pl.DataFrame) -> str:
    texts: list[str] = []
    for track, yaw, pitch in part.select("track", "gaze_yaw_deg", "gaze_pitch_deg").iter_rows():
        if yaw is None:
            texts.append(f"face {track}: eyes closed")
            continue
        aside, along = "right" if yaw >= 0 else "left", "down" if pitch >= 0 else "up"
        texts.append(f"face {track}: looks {abs(yaw):.0f} {aside}, {abs(pitch):.0f} {along}")
    return "; ".join(texts)


def _angle(what: str) -> Column:
    return Column(pl.Float64, "deg", what, -180, 180)


TABLE = {
    "time_s": Column(pl.Float64, "s", "Presentation time of the picture.", ge=0),
    "frame": Column(pl.Int64, "frame", "Frame number of the picture in the video, from 0.", ge=0),
    "track": Column(pl.Int64, "1", "Track number, the same for one face in successive pictures, from 0.", ge=0),
    "score": Column(pl.Float64, "1", "Confidence of the detector.", ge=0, le=1),
    "x0": Column(pl.Float64, "width", "Left edge of the face's box, share of the width.", ge=0, le=1),
    "y0": Column(pl.Float64, "height", "Upper edge, share of the height.", ge=0, le=1),
    "x1": Column(pl.Float64, "width", "Right edge, share of the width.", ge=0, le=1),
    "y1": Column(pl.Float64, "height", "Lower edge, share of the height.", ge=0, le=1),
    "openness_right": Column(pl.Float64, "1", "Eye aspect ratio of the person's right eye.", ge=0),
    "openness_left": Column(pl.Float64, "1", "Eye aspect ratio of the person's left eye.", ge=0),
    "closed": Column(pl.Boolean, "1", "Whether both eyes are closed."),
    "iris_right_x": Column(pl.Float64, "1", "Position of the right iris between the corners of its eye, 0 to 1."),
    "iris_right_y": Column(pl.Float64, "1", "Right iris below the line between the corners, in eye widths."),
    "iris_left_x": Column(pl.Float64, "1", "Position of the left iris between the corners of its eye, 0 to 1."),
    "iris_left_y": Column(pl.Float64, "1", "Left iris below the line between the corners, in eye widths."),
    "gaze_yaw_deg": Column(
        pl.Float64, "deg", "Gaze to the picture's right; null with closed eyes.", -270, 270, nullable=True
    ),
    "gaze_pitch_deg": Column(pl.Float64, "deg", "Gaze down; null with closed eyes.", -270, 270, nullable=True),
    "head_yaw_deg": _angle("Head turned to the picture's right."),
    "head_pitch_deg": _angle("Head bent down."),
    "head_roll_deg": _angle("Head leaned clockwise."),
}

ANALYZER = Analyzer(
    name="eye_tracking",
    version="2",
    group="people",
    inputs=("frames", "cut_analysis"),
    run=run,
    budget=0.075,
    table=TABLE,
    task=FACES,
    config=Settings,
    preview=preview,
)
