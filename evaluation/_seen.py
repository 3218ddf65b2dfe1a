"""What is seen in real clips: objects, goods, their brands, faces and ages, against labels made by hand.

One answer is one track, since that is what a user sees. It is right if a label allows it in most of its pictures, and
does not count where the labels leave it open.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import polars as pl

from evaluation._footage import Area, Clip, clips_with
from evaluation._models import model
from evaluation._reading import alike
from evaluation._real_text import lines_of
from evaluation.figure import Calibration, Figure
from resources.tasks.ages import AGES
from resources.tasks.faces import FACES
from resources.tasks.objects import OBJECTS
from resources.tasks.products import PRODUCTS
from vid_assets.analyzers import (
    age_estimation,
    cut_analysis,
    eye_tracking,
    object_detection,
    product_detection,
)
from vid_assets.contract import Frames, Video

LEAST_PRECISION = 0.9
LONG, STRIDE = 30, 4
# The small detector's scores are far below the share of its answers that is right.
CAUTIOUS = 0.6


@dataclass(frozen=True, slots=True)
class Seen:
    """The answers for one clip, with what they are judged by."""

    clip: Clip
    video: Video
    frames: Frames
    cuts: pl.DataFrame
    objects: pl.DataFrame
    faces: pl.DataFrame


@cache
def seen() -> tuple[Seen, ...]:
    """Objects and faces of all clips with labelled pictures; computed once."""
    found: list[Seen] = []
    for clip, media in clips_with("objects"):
        assert media.frames is not None
        assert media.thumbs is not None
        cuts, frames = cut_analysis.run(media.thumbs), thinned(media.frames)
        objects = object_detection.run(frames, cuts, model(OBJECTS))
        faces = eye_tracking.run(frames, cuts, model(FACES))
        found.append(Seen(clip, media.video, frames, cuts, objects, faces))
    return tuple(found)


def thinned(frames: Frames) -> Frames:
    """Every fourth picture of a clip of more than `LONG` pictures, which shows the same things over and over."""
    if len(frames) <= LONG:
        return frames
    return Frames(frames.array[::STRIDE], frames.times_s[::STRIDE], frames.indices[::STRIDE])


def classes_at(clip: Clip, time_s: float) -> frozenset[str] | None:
    """COCO's classes that are there at a time; None if nobody labelled it."""
    return next((names for start, end, names in clip.objects or () if start <= time_s < end), None)


def judged(clip: Clip, label: str, times_s: Iterable[float]) -> bool | None:
    """Whether a thing of this class is there in most of these pictures; None if the labels leave it open."""
    there = [names for time_s in times_s if (names := classes_at(clip, time_s)) is not None]
    if not there or label in clip.perhaps:
        return None
    return 2 * sum(label in names for names in there) > len(there)


def tracks(table: pl.DataFrame) -> Iterable[tuple[pl.DataFrame, float]]:
    """The rows of each track, and their mean score."""
    for part in table.partition_by("track", maintain_order=True):
        yield part, float(part["score"].to_numpy().mean())


def of_objects() -> list[Figure | Calibration]:
    """Objects that are there, classes that are found, and what a score is worth."""
    answers: list[tuple[float, bool]] = []
    there = found = 0
    for one in seen():
        for part, score in tracks(one.objects):
            right = judged(one.clip, part["label"][0], part["time_s"])
            if right is not None:
                answers.append((score, right))
        for start, end, names in one.clip.objects or ():
            inside = one.objects.filter(pl.col("time_s").is_between(start, end, closed="left"))
            there += len(names)
            found += len(names & set(inside["label"]))
    return _figures("object_detection", "objects", answers, found, there, "classes of labelled spans", 0.55, CAUTIOUS)


def _figures(
    analyzer: str,
    what: str,
    answers: list[tuple[float, bool]],
    found: int,
    there: int,
    asked: str,
    recall: float,
    calibrated: float = 0.15,
) -> list[Figure | Calibration]:
    right = sum(one for _, one in answers)
    calibration = Calibration(analyzer, what, tuple(answers))
    return [
        Figure(analyzer=analyzer, what=f"footage: {what} that are there (precision)", value=right / len(answers),
               unit="1", cases=len(answers), at_least=LEAST_PRECISION),
        Figure(analyzer=analyzer, what=f"footage: {asked} found (recall)", value=found / there, unit="1", cases=there,
               at_least=recall),
        calibration.figure(calibrated),
        calibration,
    ]  # fmt: skip


def goods(one: Seen, lines: pl.DataFrame | None) -> pl.DataFrame:
    """The products of one clip, and the text on them if lines are given."""
    return product_detection.run(one.video, one.frames, one.cuts, one.objects, lines, model(PRODUCTS))


def of_products() -> list[Figure | Calibration]:
    """Goods that are there, goods that are found, brands, and what a score is worth."""
    answers: list[tuple[float, bool]] = []
    there = found = branded = right_brands = 0
    for one in seen():
        table = goods(one, None)
        if table.height:  # reading costs more than looking, and brands are on goods alone
            table = goods(one, lines_of(one.clip.path))
        for row in table.iter_rows(named=True):
            right = judged(one.clip, row["label"], [row["time_s"]])
            if right is not None:
                answers.append((row["score"], right))
            if row["brand"] is not None:
                branded += 1
                right_brands += any(label == row["label"] and alike(row["brand"], text)
                                    for label, text in one.clip.brands)  # fmt: skip
        there_are = {name for _, _, names in one.clip.objects or () for name in names & set(product_detection.GOODS)}
        there += len(there_are)
        found += len(there_are & set(table["label"]))
    figures = _figures(
        "product_detection", "products", answers, found, there, "kinds of goods in a clip", 0.3, CAUTIOUS
    )
    figures.append(
        Figure(analyzer="product_detection", what="footage: brands that are no text on that thing",
               value=branded - right_brands, unit="in as many clips as cases", cases=len(seen()), at_most=1)
    )  # fmt: skip
    return figures


def within(area: Area, time_s: float, row: dict[str, float]) -> bool:
    """Whether the middle of a box lies in an area at a time."""
    start, end, x0, y0, x1, y1 = area
    x, y = (row["x0"] + row["x1"]) / 2, (row["y0"] + row["y1"]) / 2
    return start <= time_s < end and x0 <= x <= x1 and y0 <= y <= y1


def face_right(clip: Clip, row: dict[str, float]) -> bool | None:
    """Whether a person's face is there; None if the labels leave it open."""
    if any(within(area, row["time_s"], row) for area in clip.faces or ()):
        return True
    return None if any(within(area, row["time_s"], row) for area in clip.maybe_faces) else False


def _track_right(clip: Clip, part: pl.DataFrame) -> bool | None:
    verdicts = [verdict for row in part.iter_rows(named=True) if (verdict := face_right(clip, row)) is not None]
    return 2 * sum(verdicts) > len(verdicts) if verdicts else None


def of_faces() -> list[Figure | Calibration]:
    """Faces that are there, faces that are found in a picture, and what a score is worth."""
    answers: list[tuple[float, bool]] = []
    there = found = 0
    for one in seen():
        if one.clip.faces is None:
            continue
        for part, score in tracks(one.faces):
            right = _track_right(one.clip, part)
            if right is not None:
                answers.append((score, right))
        rows = list(one.faces.iter_rows(named=True))
        for time_s in one.frames.times_s.tolist():
            for area in one.clip.faces:
                if area[0] <= time_s < area[1]:
                    there += 1
                    found += any(row["time_s"] == time_s and within(area, time_s, row) for row in rows)
    return _figures("eye_tracking", "faces", answers, found, there, "faces, picture by picture", 0.8)


def of_ages() -> list[Figure]:
    """Ages on what is no person's face."""
    wrong = told = 0
    for one in seen():
        if one.clip.faces is None:
            continue
        ages = age_estimation.run(one.frames, one.faces, model(AGES))
        for track in ages["track"]:
            right = _track_right(one.clip, one.faces.filter(pl.col("track") == track))
            told += right is not None
            wrong += right is False
    named = {"analyzer": "age_estimation", "unit": "1"}
    return [Figure(what="footage: ages that are of a person's face (precision)", value=1 - wrong / told, cases=told,
                   at_least=0.95, **named)]  # fmt: skip
