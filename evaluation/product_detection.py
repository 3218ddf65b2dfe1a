"""Drawn clocks through the real networks, and simulated products with text on them through a noisy stand-in."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from evaluation._models import model
from evaluation._seen import of_products
from evaluation.eye_tracking import grounds
from evaluation.figure import Calibration, Figure
from resources.models.detectors import SCHEMA
from resources.tasks.objects import OBJECTS
from resources.tasks.products import PRODUCTS
from vid_assets.analyzers import cut_analysis, object_detection, text_overlay
from vid_assets.analyzers.product_detection import BOX, overlap, run
from vid_assets.contract import Frames, Video

CLOCKS, EMPTY, SHOWN = 12, 8, 4  # clips, clips, and pictures of one
VIDEOS, PICTURES = 40, 24
MISSED, NOISE = 0.2, 0.05  # of the boxes; of their size
LABELS = ("bottle", "cup", "suitcase", "handbag", "book")
BRANDS = ("ACME", "Nordwind", "Blue Cola", "Zephyr", "Kite & Co")
NO_CUTS = cut_analysis.ANALYZER.empty()

Box = tuple[float, float, float, float]


def video(seconds: float) -> Video:
    """Facts of a clip of two pictures per second."""
    return Video("clip", seconds, 640, 360, 25.0, round(25 * seconds), True, False)


def clock(picture: np.ndarray, x: float, y: float, radius: float, hours: float) -> None:
    """Draw a clock's face, in px, into the picture."""
    import cv2

    middle = round(x), round(y)
    cv2.circle(picture, middle, round(radius), (40, 40, 40), -1, cv2.LINE_AA)
    cv2.circle(picture, middle, round(0.91 * radius), (250, 250, 245), -1, cv2.LINE_AA)
    for hour in range(1, 13):
        turn = hour * np.pi / 6
        at = x + 0.77 * radius * np.sin(turn), y - 0.77 * radius * np.cos(turn)
        size, thick = radius / 170, max(round(radius / 60), 1)
        (wide, tall), _ = cv2.getTextSize(str(hour), cv2.FONT_HERSHEY_SIMPLEX, size, thick)
        corner = round(at[0] - wide / 2), round(at[1] + tall / 2)
        cv2.putText(picture, str(hour), corner, cv2.FONT_HERSHEY_SIMPLEX, size, (20, 20, 20), thick, cv2.LINE_AA)
    for turn, long in ((hours * np.pi / 6, 0.5), (hours * 2 * np.pi, 0.72)):
        tip = round(x + long * radius * np.sin(turn)), round(y - long * radius * np.cos(turn))
        cv2.line(picture, middle, tip, (10, 10, 10), max(round(radius / 22), 2), cv2.LINE_AA)


def clocks(rng: np.random.Generator) -> tuple[int, int, list[float]]:
    """Clips in which the one clock is found, clips in which something else is, and the overlap of the boxes."""
    detector, finder = model(OBJECTS), model(PRODUCTS)
    found, invented, overlaps = 0, 0, []
    for number, ground in enumerate(grounds(rng, CLOCKS + EMPTY)):
        array = np.repeat(ground[None], SHOWN, axis=0)
        radius = float(rng.uniform(50, 100))
        x, y, pace = float(rng.uniform(150, 450)), float(rng.uniform(110, 250)), float(rng.uniform(-8, 8))
        for at, picture in enumerate(array):
            if number < CLOCKS:
                clock(picture, x + pace * at, y, radius, 10.17 + at / 7200)
        frames = Frames(array, np.arange(SHOWN) / 2, np.arange(SHOWN) * 12)
        seen = object_detection.run(frames, NO_CUTS, detector)
        table = run(video(SHOWN / 2), frames, NO_CUTS, seen, None, finder)
        right = table.filter(pl.col("label") == "clock") if number < CLOCKS else table.clear()
        found += right.height > 0
        invented += table.height - min(right.height, 1)
        for row in right.head(1).iter_rows(named=True):
            middle = x + pace * row["frame"] / 12
            true = (middle - radius) / 640, (y - radius) / 360, (middle + radius) / 640, (y + radius) / 360
            overlaps.append(overlap(true, tuple(row[side] for side in BOX)))
    return found, invented, overlaps


class Boxes:
    """A finder that sees known boxes."""

    def __init__(self, rows: dict[int, list[tuple[str, float, Box]]]) -> None:
        self.rows = rows

    def detect(self, frames: Frames, rows: Sequence[int], prompts: Sequence[str] = ()) -> pl.DataFrame:
        """The boxes of these rows."""
        lines = [(row, label, score, *box) for row in rows for label, score, box in self.rows.get(row, ())]
        return pl.DataFrame(lines, SCHEMA, orient="row")


def simulated(rng: np.random.Generator) -> tuple[int, int, int, int]:
    """One video of two to four products: how many there are, come out once, come out in excess, get their brand."""
    count = int(rng.integers(2, 5))
    labels, brands = rng.choice(LABELS, count).tolist(), rng.choice(BRANDS, count, replace=False).tolist()
    rows: dict[int, list[tuple[str, float, Box]]] = {}
    objects, texts, spans = [], [], []
    for number in range(count):
        x0, y0 = (number + 0.1) / count, float(rng.uniform(0.1, 0.4))
        box = np.array([x0, y0, x0 + 0.7 / count, y0 + float(rng.uniform(0.3, 0.5))])
        first, size = int(rng.integers(0, 8)), np.tile(box[2:] - box[:2], 2)
        last = first + int(rng.integers(9, 15))
        spans.append((first, last))
        tracked = rng.random() < 0.7  # the rest is seen by the finder only
        for row in range(first, last + 1):
            noisy = tuple(np.clip(box + rng.normal(0, NOISE, 4) * size, 0, 1).tolist())
            if rng.random() >= MISSED / 2:
                rows.setdefault(row, []).append((labels[number], 0.6, noisy))
            if tracked and rng.random() >= MISSED:
                objects.append((row / 2, row * 12, number, labels[number], 0.7, *noisy))
        x0, y0, x1, y1 = (box + size * [0.2, 0.4, -0.2, -0.45]).tolist()
        texts.append((brands[number], first / 2, (last + 1) / 2, x0, y0, x1, y1, y1 - y0, "middle", 0.9, 2))
    texts.append(("A subtitle below it all", 0.0, 12.0, 0.1, 0.92, 0.9, 0.98, 0.06, "bottom", 0.9, 5))
    table = run(
        video(PICTURES / 2),
        Frames(np.full((PICTURES, 90, 160, 3), 90, np.uint8), np.arange(PICTURES) / 2, np.arange(PICTURES) * 12),
        NO_CUTS,
        pl.DataFrame(objects, schema=object_detection.ANALYZER.schema, orient="row"),
        pl.DataFrame(texts, schema=text_overlay.ANALYZER.schema, orient="row"),
        Boxes(rows),
    )
    out = [0] * count
    branded = 0
    for row in table.iter_rows(named=True):
        place = int((row["x0"] + row["x1"]) / 2 * count)
        out[place] += row["label"] == labels[place]
        branded += out[place] == 1 and row["brand"] == brands[place]
    return count, sum(times > 0 for times in out), table.height - sum(times > 0 for times in out), branded


def measure(seed: int) -> list[Figure | Calibration]:
    """Clocks found and invented goods; products, doubles and brands of simulated videos."""
    rng = np.random.default_rng([seed, 109])
    found, invented, overlaps = clocks(rng)
    there, once, more, branded = np.sum([simulated(rng) for _ in range(VIDEOS)], axis=0).tolist()
    named = {"analyzer": "product_detection", "unit": "1"}
    return [
        Figure(
            what="drawn clocks of 28 to 56 % of the height found", value=found / CLOCKS, cases=CLOCKS, at_least=0.7,
            **named,
        ),
        Figure(
            what="mean overlap (IoU) of their boxes", value=float(np.mean(overlaps)) if overlaps else 0.0,
            cases=len(overlaps) or CLOCKS, at_least=0.75, **named,
        ),
        Figure(
            what="products invented, a clip with and without a clock", value=invented / (CLOCKS + EMPTY),
            cases=CLOCKS + EMPTY, at_most=0.1, **named,
        ),
        Figure(
            what="simulated products that come out, boxes noisy and one in five missing", value=once / there,
            cases=there, at_least=0.9, **named,
        ),
        Figure(what="simulated products in excess, of the true ones", value=more / there, cases=there, at_most=0.15,
               **named),
        Figure(what="simulated products with the text on them as brand", value=branded / there, cases=there,
               at_least=0.85, **named),
        *of_products(),
    ]  # fmt: skip
