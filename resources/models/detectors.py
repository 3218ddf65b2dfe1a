"""Objects in pictures: boxes with COCO's eighty class names.

Profile ``offline`` uses a small CenterNet (Zhou et al., "Objects as Points", 2019). It looks at the whole picture and,
if the picture is wide, also at its two halves, where small objects are larger. The other profiles use RT-DETRv2 (Lv et
al., "RT-DETRv2", 2024) from the transformers library.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np
import polars as pl

from resources.hosting.host import Request, served
from resources.models.boxes import Found, strongest, table_of
from resources.models.looking import View, closely
from resources.models.runtimes import OnnxHost, TransformersHost
from resources.tasks.objects import OBJECTS

SCHEMA = OBJECTS.schema
LEAST_SCORE = 0.2
# The small CenterNet takes any disc, spot or sign before a plain ground for these: planets, coins, eyes, logos. It is
# sure of true ones.
SPOTS, LEAST_SPOT = frozenset({"bowl", "clock", "umbrella", "frisbee", "kite", "sports ball", "stop sign"}), 0.6
SIDE = 512  # px, of CenterNet's input
STRIDE = 32  # px; the sides of its input are multiples
SURE = 0.38  # score from which an object counts by itself; the default of the analyzer
WIDE = 1.3  # aspect ratio from which the halves are used
OVERLAP = 0.5  # between boxes of one class, from which they are one object
EDGE = 0.01  # share of a half; an object whose box is this close to the inner edge is cut off
COCO = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip


class CenterNetHost(OnnxHost):
    """The small CenterNet."""

    def load(self) -> None:
        """Load the network and run it once."""
        self._session = self.session("centernet.onnx")
        self._look(np.zeros((SIDE, SIDE, 3), np.uint8))

    @served
    def detect(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the objects in each request's rows of ``frames``."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> pl.DataFrame:
        """Look at all pictures as a whole, at the halves of every second one, and beside those that need it."""
        rows = request.rows("frames")
        pictures = {row: np.asarray(request.arrays["frames"][row]) for row in sorted(set(rows))}
        whole = View(self._whole)
        found = {row: whole.see(picture) for row, picture in pictures.items()}
        close = closely(pictures)
        needed = self._add_halves(found, pictures, close)
        beside = {near for row in needed for near in (row - 1, row + 1)} & pictures.keys()
        self._add_halves(found, pictures, sorted(beside.difference(close)))
        return pl.DataFrame([(row, *item) for row in rows for item in found[row]], SCHEMA, orient="row")

    def _add_halves(
        self, found: dict[int, list[Found]], pictures: Mapping[int, np.ndarray], rows: Iterable[int]
    ) -> list[int]:
        """Add the objects in the halves of wide pictures; return the rows where the whole picture lacks one of them."""
        left, right = View(self._look), View(self._look)
        needed: list[int] = []
        for row in rows:
            height, width = pictures[row].shape[:2]
            if width <= WIDE * height:
                continue
            start, share = (width - height) / width, height / width
            halves = [
                *((*item[:2], share * item[2], item[3], share * item[4], item[5])
                  for item in left.see(pictures[row][:, :height]) if item[4] < 1 - EDGE),
                *((*item[:2], start + share * item[2], item[3], start + share * item[4], item[5])
                  for item in right.see(pictures[row][:, width - height :]) if item[2] > EDGE),
            ]  # fmt: skip
            if any(item[1] >= SURE and not any(_same(item, other) for other in found[row]) for item in halves):
                needed.append(row)
            found[row] = without_doubles(found[row] + halves)
        return needed

    def _whole(self, picture: np.ndarray) -> list[Found]:
        """Return the objects of one picture. A wide one, of which halves are looked at too, gets no black bars."""
        height, width = picture.shape[:2]
        if width <= WIDE * height:
            return without_doubles(self._look(picture))
        tall = math.ceil(max(1, round(SIDE * height / width)) / STRIDE) * STRIDE
        return without_doubles(self._look(picture, tall))

    def _look(self, picture: np.ndarray, tall: int = SIDE, wide: int = SIDE) -> list[Found]:
        """Return the objects of one picture, in shares of it.

        Args:
            picture: uint8 [height, width, 3].
            tall: Height of the input in px, a multiple of `STRIDE`; the picture is fitted into it without distortion.
            wide: Its width.
        """
        import cv2

        height, width = picture.shape[:2]
        scale = min(tall / height, wide / width)
        rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        given = np.zeros((1, tall, wide, 3), np.float32)
        top, left = (tall - rows) // 2, (wide - columns) // 2
        given[0, top : top + rows, left : left + columns] = cv2.resize(picture, (columns, rows), interpolation=method)
        detections = self._session.run(["tower_0/detections:0"], {"tower_0/images:0": given})[0][0]
        kept = detections[detections[:, 4] >= LEAST_SCORE]
        boxes = np.clip((kept[:, :4] - [left, top, left, top]) / [columns, rows, columns, rows], 0, 1)
        return [
            (COCO[int(kind)], min(float(score), 1.0), *box)
            for box, score, kind in zip(boxes.tolist(), kept[:, 4], kept[:, 5], strict=True)
            if box[2] > box[0] and box[3] > box[1] and (COCO[int(kind)] not in SPOTS or score >= LEAST_SPOT)
        ]


class RtDetrHost(TransformersHost):
    """Any transformers detector that returns COCO's classes."""

    def load(self) -> None:
        """Load the model and the image processor."""
        from transformers import AutoImageProcessor, AutoModelForObjectDetection

        self._model, self._processor = self.open(AutoModelForObjectDetection, AutoImageProcessor)

    @served
    def detect(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the objects in each request's rows of ``frames``."""
        return [table_of(request, self._find) for request in requests]

    def _find(self, picture: np.ndarray) -> list[Found]:
        import torch

        inputs = self._processor(images=[picture], return_tensors="pt").to(self.device)
        with torch.inference_mode():
            outputs = self._model(**inputs)
        # In shares: the library multiplies by the given size.
        (answer,) = self._processor.post_process_object_detection(
            outputs, threshold=LEAST_SCORE, target_sizes=torch.ones(1, 2)
        )
        names = self._model.config.id2label
        return [
            (names[int(label)], float(score), *box)
            for label, score, box in zip(
                answer["labels"], answer["scores"], answer["boxes"].clamp(0, 1).tolist(), strict=True
            )
        ]


def without_doubles(found: list[Found], across: bool = False) -> list[Found]:
    """Keep the best of the boxes of one class, or `across` the classes, that overlap."""
    return strongest(found, lambda item: item[1], partial(_same, across=across))


def _same(one: Found, two: Found, across: bool = False) -> bool:
    return (across or one[0] == two[0]) and _overlap(one[2:], two[2:]) >= OVERLAP


def _overlap(one: tuple[float, ...], two: tuple[float, ...]) -> float:
    """Return intersection over union, or over the smaller box if it is almost completely inside the other."""
    wide = min(one[2], two[2]) - max(one[0], two[0])
    tall = min(one[3], two[3]) - max(one[1], two[1])
    if wide <= 0 or tall <= 0:
        return 0.0
    first, second = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, two))
    common = wide * tall
    return max(common / (first + second - common), common / min(first, second) - 0.35)
