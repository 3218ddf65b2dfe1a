"""Objects in pictures: boxes with COCO's eighty class names.

Profile ``offline`` uses a small CenterNet (Zhou et al., "Objects as Points", 2019). It looks at the whole picture and,
if the picture is wide, also at its two halves. The other profiles use RT-DETRv2 (Lv et al., "RT-DETRv2", 2024) from
the transformers library.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from resources.hosting.host import Request, served
from resources.models.boxes import Found, strongest, table_of
from resources.models.runtimes import OnnxHost, TransformersHost
from resources.tasks.objects import OBJECTS

SCHEMA = OBJECTS.schema
LEAST_SCORE = 0.2
# The small CenterNet takes any disc before a plain ground for these: planets, coins, eyes. It is sure of true ones.
ROUND, LEAST_ROUND = frozenset({"bowl", "umbrella", "frisbee", "sports ball"}), 0.6
SIDE = 512  # px, of CenterNet's input
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
        return [table_of(request, self._find) for request in requests]

    def _find(self, picture: np.ndarray) -> list[Found]:
        height, width = picture.shape[:2]
        found = self._look(picture)
        if width > WIDE * height:
            for left, inner in ((0, 1.0), (width - height, 0.0)):
                found += [
                    (label, score, (left + x0 * height) / width, y0, (left + x1 * height) / width, y1)
                    for label, score, x0, y0, x1, y1 in self._look(picture[:, left : left + height])
                    if (x1 < 1 - EDGE if inner else x0 > EDGE)
                ]
        return without_doubles(found)

    def _look(self, picture: np.ndarray) -> list[Found]:
        """Return the objects of one picture, in shares of it. It is fitted into a square without distortion."""
        import cv2

        height, width = picture.shape[:2]
        scale = SIDE / max(height, width)
        tall, wide = max(1, round(height * scale)), max(1, round(width * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        square = np.zeros((1, SIDE, SIDE, 3), np.float32)
        top, left = (SIDE - tall) // 2, (SIDE - wide) // 2
        square[0, top : top + tall, left : left + wide] = cv2.resize(picture, (wide, tall), interpolation=method)
        detections = self._session.run(["tower_0/detections:0"], {"tower_0/images:0": square})[0][0]
        kept = detections[detections[:, 4] >= LEAST_SCORE]
        boxes = np.clip((kept[:, :4] - [left, top, left, top]) / [wide, tall, wide, tall], 0, 1)
        return [
            (COCO[int(kind)], min(float(score), 1.0), *box)
            for box, score, kind in zip(boxes.tolist(), kept[:, 4], kept[:, 5], strict=True)
            if box[2] > box[0] and box[3] > box[1] and (COCO[int(kind)] not in ROUND or score >= LEAST_ROUND)
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

    def same(one: Found, two: Found) -> bool:
        return (across or one[0] == two[0]) and _overlap(one[2:], two[2:]) >= OVERLAP

    return strongest(found, lambda item: item[1], same)


def _overlap(one: tuple[float, ...], two: tuple[float, ...]) -> float:
    """Return intersection over union, or over the smaller box if it is almost completely inside the other."""
    wide = min(one[2], two[2]) - max(one[0], two[0])
    tall = min(one[3], two[3]) - max(one[1], two[1])
    if wide <= 0 or tall <= 0:
        return 0.0
    first, second = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, two))
    common = wide * tall
    return max(common / (first + second - common), common / min(first, second) - 0.35)
