"""Products in the video: name, time, place, and the text on them.

A product is a thing that shops sell and people carry or use: bags, clothing accessories, tableware and bottles,
electronics, household devices, sports gear, books, toys. Vehicles, furniture, food on plates, animals and people do not
count, even if they are advertised. The analyzer combines two sources: the tracks of `object_detection` with such a
class, and the results of the product finder in one picture per four seconds. A find inside a track's box, or within a
second of it while the track lasts, belongs to that track and gives it the finder's name. Other finds are joined as in
`measures.tracking`, within a shot. A track seen in only one picture counts only if the finder also saw it. What fills
the whole picture does not count.

Brand is the text of `text_overlay` lines that stay on the product: at least six tenths of the line lie on its box in
three quarters of its pictures that show the line, and the product is there for at least half of the line's time. So a
caption that a product passes below is no brand. What a screen or a clock shows is none either, and a line needs two
letters. Text is not checked against brand names: a price on a product counts, and a logo without letters does not.

The finder misses things that appear between its pictures and whose class `object_detection` does not know. In profile
``offline`` both use the same small network. It knows three dozen kinds of goods, but no packages or cosmetics. It finds
about half of the cups that are half as tall as the picture, and few of those a fifth as tall.
"""

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.tasks.products import PRODUCTS, ProductModel
from vid_assets.contract import Analyzer, Column, Config, Frames, Video, setting
from vid_assets.drawing import Box, contact_sheet
from vid_assets.measures.tracking import SURE, Tracker, colour_histogram

EVERY_S = 4.0
SAME = 0.5  # overlap from which two boxes show one thing
NEAR_ROWS = 2
WHOLE = 0.95
ON_BOX, STAYS, COMMON_TIME = 0.6, 0.75, 0.5
LEAST_LETTERS = 2
# Their text is what they show, not what they are.
SHOW_TEXT = frozenset({"tv", "laptop", "cell phone", "clock"})
BOX = ("x0", "y0", "x1", "y1")
GOODS = (
    "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle", "wine glass", "cup", "bowl",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "refrigerator", "book",
    "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sighting:
    """One product in one picture; `row` is the index of the sampled picture."""

    row: int
    label: str
    score: float
    box: Box


@dataclass(slots=True)
class Product:
    """Sightings of one product; `track` is its number in `object_detection`, if it has one."""

    track: int | None
    seen: list[Sighting] = field(default_factory=list[Sighting])
    found: list[Sighting] = field(default_factory=list[Sighting])

    @property
    def best(self) -> Sighting:
        """The best sighting by score; one of the finder if it has any."""
        return max(self.found or self.seen, key=lambda sighting: (sighting.score, -sighting.row))

    @property
    def sightings(self) -> list[Sighting]:
        """All sightings, ordered by time."""
        return sorted([*self.seen, *self.found], key=lambda sighting: sighting.row)


class Settings(Config):
    """Selects the products to look for."""

    prompts: list[str] = setting([], "text", "Names of the products to look for; empty for the model's own list")
    min_score: float = setting(0.0, "1", "Minimum score of a product's best sighting", ge=0, le=1)


def run(
    video: Video,
    frames: Frames,
    cut_analysis: pl.DataFrame,
    object_detection: pl.DataFrame,
    text_overlay: pl.DataFrame | None,
    model: ProductModel,
    config: Settings = Settings(),
) -> pl.DataFrame:
    """One row per product, ordered by time; none if there are none.

    Args:
        video: Its duration ends the last sighting.
        frames: Sampled pictures, [n, height, width, 3].
        cut_analysis: Shot boundaries.
        object_detection: Objects and their tracks.
        text_overlay: Lines of text; None if unknown.
        model: The product finder.
        config: The settings.
    """
    products = _tracked(object_detection, frames)
    looks = rows_to_look_at(frames.times_s)
    rest = _confirm(products, _sightings(model.detect(frames, looks, config.prompts), "row"))
    products = [product for product in products if product.found or len(product.seen) > 1]
    products += _joined(rest, looks, frames, cut_analysis)
    products = [one for one in products if one.best.score >= config.min_score and not _fills(one.best.box)]
    products.sort(key=lambda product: (product.sightings[0].row, -product.best.score, product.best.box))
    ends = np.append(frames.times_s[1:], max(video.duration_s, float(frames.times_s[-1]) if len(frames) else 0.0))
    rows: list[dict[str, object]] = []
    for number, product in enumerate(products):
        sightings, best = product.sightings, product.best
        lines = None if best.label in SHOW_TEXT else text_overlay
        # the finder's pictures are far apart: what it saw was there in between, too
        slack_s = EVERY_S / 2 if product.track is None else 0.0
        brand, confidence = _text_on(sightings, frames, ends, lines, slack_s)
        rows.append({
            "product": number, "track": product.track, "label": best.label, "score": best.score,
            "start_s": float(frames.times_s[sightings[0].row]), "end_s": float(ends[sightings[-1].row]),
            "sightings": len({sighting.row for sighting in sightings}), "time_s": float(frames.times_s[best.row]),
            "frame": int(frames.indices[best.row]), **dict(zip(BOX, best.box, strict=True)),
            "brand": brand, "brand_confidence": confidence,
        })  # fmt: skip
    return pl.DataFrame(rows, schema=ANALYZER.schema)


def _fills(box: Box) -> bool:
    """Whether a box is the whole picture: without surroundings, detectors name textures and discs."""
    return min(box[2] - box[0], box[3] - box[1]) >= WHOLE


def rows_to_look_at(times_s: NDArray[np.float64]) -> list[int]:
    """The picture in the middle of each `EVERY_S` seconds, ascending; at least one if pictures exist."""
    if not len(times_s):
        return []
    spans = ((times_s - times_s[0]) // EVERY_S).astype(int)
    return [int(np.median(np.flatnonzero(spans == span))) for span in np.unique(spans)]


def _sightings(table: pl.DataFrame, row: str) -> list[Sighting]:
    """The rows of a table of boxes, for each picture by descending score."""
    table = table.sort([row, "score", *BOX], descending=[False, True, *[False] * 4])
    return [
        Sighting(at, label, score, tuple(box))
        for at, label, score, *box in table.select(row, "label", "score", *BOX).rows()
    ]


def _tracked(object_detection: pl.DataFrame, frames: Frames) -> list[Product]:
    """A product for each track of goods."""
    goods = object_detection.filter(pl.col("label").is_in(GOODS))
    rows = pl.Series("row", np.searchsorted(frames.indices, goods["frame"].to_numpy()), dtype=pl.Int64)
    parts = goods.with_columns(rows).partition_by("track", as_dict=True, maintain_order=True)
    return [Product(int(track), seen=_sightings(part, "row")) for (track,), part in parts.items()]


def _confirm(products: list[Product], finds: list[Sighting]) -> list[Sighting]:
    """Add each find to the product whose box it overlaps most; returns the finds that overlap none."""
    rest: list[Sighting] = []
    for find in finds:
        candidates: list[tuple[float, Product]] = []
        for product in products:
            nearest = min(product.seen, key=lambda sighting: abs(sighting.row - find.row))
            # A detector sometimes misses things; a track continues over these pictures.
            lasts = min(one.row for one in product.seen) <= find.row <= max(one.row for one in product.seen)
            if lasts and abs(nearest.row - find.row) <= NEAR_ROWS:
                candidates.append((overlap(find.box, nearest.box), product))
        most, product = max(candidates, key=lambda item: item[0], default=(0.0, None))
        if product is not None and most >= SAME:
            product.found.append(find)
        else:
            rest.append(find)
    return rest


def _joined(finds: list[Sighting], looks: list[int], frames: Frames, cut_analysis: pl.DataFrame) -> list[Product]:
    """Finds without a track as products; finds of the same name are joined within a shot."""
    shots = np.searchsorted(cut_analysis["end_s"].sort().to_numpy(), frames.times_s, side="right")
    tracker = Tracker()
    products: dict[int, Product] = {}
    for place, row in enumerate(looks):
        if place and shots[row] != shots[looks[place - 1]]:
            tracker.cut()
        here = [find for find in finds if find.row == row]
        for label in sorted({*(find.label for find in here), *tracker.labels()}):
            same = [find for find in here if find.label == label]
            boxes = np.array([find.box for find in same]).reshape(-1, 4)
            colours = np.array([colour_histogram(frames.array[row], box) for box in boxes])
            # All count as certain: the finder has its own threshold.
            for find, number in zip(same, tracker.add(label, boxes, np.full(len(same), SURE), colours), strict=True):
                if number is not None:
                    products.setdefault(number, Product(None)).found.append(find)
    return list(products.values())


def _text_on(
    sightings: list[Sighting],
    frames: Frames,
    ends: NDArray[np.float64],
    text_overlay: pl.DataFrame | None,
    slack_s: float,
) -> tuple[str | None, float | None]:
    """The lines on the product in reading order, each text once, and the lowest confidence; or nothing.

    The product is there for up to `slack_s` before its first sighting and after its last.
    """
    if text_overlay is None:
        return None, None
    lines: dict[str, tuple[str, float]] = {}
    first_s = float(frames.times_s[sightings[0].row]) - slack_s
    last_s = float(ends[sightings[-1].row]) + slack_s
    for line in text_overlay.sort("y0", "x0", "start_s").iter_rows(named=True):
        box = line["x0"], line["y0"], line["x1"], line["y1"]
        area = (box[2] - box[0]) * (box[3] - box[1])
        shown = [one for one in sightings if line["start_s"] <= frames.times_s[one.row] < line["end_s"]]
        on = sum(_common(box, one.box) >= ON_BOX * area for one in shown)
        common_s = min(line["end_s"], last_s) - max(line["start_s"], first_s)
        stays = on >= STAYS * len(shown) and common_s >= COMMON_TIME * (line["end_s"] - line["start_s"])
        if on and stays and sum(map(str.isalpha, line["text"])) >= LEAST_LETTERS:
            lines.setdefault(line["text"].casefold(), (line["text"], line["confidence"]))
    if not lines:
        return None, None
    return " ".join(text for text, _ in lines.values()), min(confidence for _, confidence in lines.values())


def _common(one: Box, two: Box) -> float:
    """Area that two boxes share."""
    wide, tall = min(one[2], two[2]) - max(one[0], two[0]), min(one[3], two[3]) - max(one[1], two[1])
    return max(wide, 0.0) * max(tall, 0.0)


def overlap(one: Box, two: Box) -> float:
    """Intersection over union."""
    common = _common(one, two)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, two))
    return common / (areas - common) if common else 0.0


def preview(table: pl.DataFrame, video: Video, frames: Frames, *_: pl.DataFrame | None) -> NDArray[np.uint8] | None:
    """The best sightings of up to eight products, ordered by time."""
    if table.is_empty():
        return None
    shown = table.sort("score", "product", descending=[True, False]).head(8).sort("product")
    rows: list[int] = np.searchsorted(frames.indices, shown["frame"].to_numpy()).tolist()
    labels = [label + (f": {brand}" if brand else "") for label, brand in shown.select("label", "brand").rows()]
    return contact_sheet(frames, rows, labels, [[box] for box in shown.select(BOX).rows()])


TABLE = {
    "product": Column(pl.Int64, "1", "Number of the product in this video, from 0.", ge=0),
    "track": Column(pl.Int64, "1", "Track in object_detection; null if only the finder saw it.", 0, nullable=True),
    "label": Column(pl.String, "text", "Name of the product."),
    "score": Column(pl.Float64, "1", "Score of the best sighting.", ge=0, le=1),
    "start_s": Column(pl.Float64, "s", "Time of the first sampled picture that shows it.", ge=0),
    "end_s": Column(pl.Float64, "s", "Time of the next sampled picture after the last, or the end of the video.", ge=0),
    "sightings": Column(pl.Int64, "1", "Number of sampled pictures that show it.", ge=1),
    "time_s": Column(pl.Float64, "s", "Time of the best sighting.", ge=0),
    "frame": Column(pl.Int64, "frame", "Frame number of the best sighting in the video, from 0.", ge=0),
    "x0": Column(pl.Float64, "width", "Left edge there, share of the width.", ge=0, le=1),
    "y0": Column(pl.Float64, "height", "Upper edge there, share of the height.", ge=0, le=1),
    "x1": Column(pl.Float64, "width", "Right edge there, share of the width.", ge=0, le=1),
    "y1": Column(pl.Float64, "height", "Lower edge there, share of the height.", ge=0, le=1),
    "brand": Column(pl.String, "text", "Text on the product, from any sighting; null without text.", nullable=True),
    "brand_confidence": Column(pl.Float64, "1", "Lowest confidence among the lines.", 0, 1, nullable=True),
}

ANALYZER = Analyzer(
    name="product_detection",
    version="3",
    group="objects_and_scene",
    inputs=("video", "frames", "cut_analysis", "object_detection", "text_overlay"),
    optional=frozenset({"text_overlay"}),
    run=run,
    budget=0.065,
    table=TABLE,
    task=PRODUCTS,
    config=Settings,
    preview=preview,
)
