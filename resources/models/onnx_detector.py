"""Any object detector in an ONNX file: its catalogue row defines the format of pictures and boxes.

Options of the row, with their defaults if they have one:

- ``file``: name of the ONNX file.
- ``labels``: list of class names, in the order of the classes; ``["coco"]`` means COCO's eighty.
- ``height``, ``width``: size of the input in px (640).
- ``layout``: ``NCHW`` or ``NHWC`` (``NCHW``); ``channels``: ``RGB`` or ``BGR`` (``RGB``).
- ``divide``, ``mean``, ``std``: the input value is ``(pixel / divide - mean) / std``, for each channel (255, 0, 1).
- ``fit``: ``letterbox`` keeps the aspect ratio, with grey bars; ``stretch`` does not (``letterbox``).
- ``decoder``: format of the outputs:

  - ``boxes6``: [1, n, 6] or [n, 6]: x0 y0 x1 y1 in px of the input, score, class.
  - ``yolo``: [1, 4 + classes, n] or [1, n, 4 + classes]: centre, size in px, and the score of each class (YOLOv8 on).
  - ``yolo5``: [1, n, 5 + classes]: the same with an objectness that multiplies the scores (YOLOv5, v7).
  - ``detr``: logits [1, n, classes] and boxes [1, n, 4] as centre and size in shares (DETR, RT-DETR).

- ``activation``: of ``detr``'s logits, ``sigmoid``, or ``softmax`` with a last class for nothing (``sigmoid``).
- ``least_score``: boxes below it are dropped (0.2).
- ``overlap``: intersection over union from which two boxes of one class are the same object; 1 keeps all (0.5).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.errors import ModelUnavailable
from resources.hosting.host import Request, served
from resources.models.boxes import Found, intersection_over_union, strongest, table_of
from resources.models.detectors import COCO
from resources.models.runtimes import OnnxHost

Array = NDArray[np.float64]
DEFAULTS: Mapping[str, Any] = {
    "height": 640, "width": 640, "layout": "NCHW", "channels": "RGB", "divide": 255.0, "mean": [0.0], "std": [1.0],
    "fit": "letterbox", "activation": "sigmoid", "least_score": 0.2, "overlap": 0.5,
}  # fmt: skip
CHOICES: Mapping[str, tuple[str, ...]] = {
    "layout": ("NCHW", "NHWC"), "channels": ("RGB", "BGR"), "fit": ("letterbox", "stretch"),
    "activation": ("sigmoid", "softmax"), "decoder": ("boxes6", "yolo", "yolo5", "detr"),
}  # fmt: skip
GREY = 114  # of the bars, as in YOLO's own letterbox


@dataclass(frozen=True, slots=True)
class Boxes:
    """Result of a decoder: corners x0 y0 x1 y1 in px of the input [n, 4], scores [n], class numbers [n]."""

    corners: Array
    scores: Array
    classes: NDArray[np.int64]


class OnnxDetectorHost(OnnxHost):
    """The network, and the layout that its row declares."""

    def load(self) -> None:
        """Check the options, load the network, and run it on a grey picture."""
        self._layout = checked(self.options, self.spec.name)
        self._labels = _labels(self._layout)
        self._session = self.session(self._layout["file"])
        self._input = self._session.get_inputs()[0].name
        self._look(np.full((32, 32, 3), GREY, np.uint8))

    @served
    def detect(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the objects in each request's rows of ``frames``."""
        return [table_of(request, self._look) for request in requests]

    def _look(self, picture: NDArray[np.uint8]) -> list[Found]:
        square, offset, scale = fitted(picture, self._layout)
        outputs = self._session.run(None, {self._input: tensor(square, self._layout)})
        found = DECODERS[self._layout["decoder"]]([np.asarray(each, np.float64) for each in outputs], self._layout)
        return self._kept(found, offset, scale, picture.shape[:2])

    def _kept(self, found: Boxes, offset: Array, scale: Array, size: tuple[int, ...]) -> list[Found]:
        """Return the good boxes, in shares of the picture."""
        good = found.scores >= self._layout["least_score"]
        corners = (found.corners[good].reshape(-1, 2, 2) - offset) / scale / np.array([size[1], size[0]])
        boxes = corners.clip(0, 1).reshape(-1, 4).tolist()
        rows: list[Found] = [
            (self._label(number), min(float(score), 1.0), *box)
            for number, score, box in zip(found.classes[good].tolist(), found.scores[good], boxes, strict=True)
            if box[2] > box[0] and box[3] > box[1]
        ]
        least = self._layout["overlap"]
        return strongest(
            rows,
            lambda row: row[1],
            lambda one, two: one[0] == two[0] and intersection_over_union(one[2:], two[2:]) >= least and least < 1,
        )

    def _label(self, number: int) -> str:
        if not 0 <= number < len(self._labels):
            problem = f"class {number} has no label, the row names {len(self._labels)}"
            raise ModelUnavailable(self.spec.name, problem, "name all classes in options.labels, in their order")
        return self._labels[number]


def checked(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the options with their defaults.

    Raises:
        ModelUnavailable: An option is missing, unknown or invalid.
    """
    known = {*DEFAULTS, *CHOICES, "file", "labels"}
    if strange := sorted(set(options) - known):
        raise ModelUnavailable(name, f"options {strange} are unknown", f"use some of {', '.join(sorted(known))}")
    if missing := sorted({"file", "labels", "decoder"} - set(options)):
        raise ModelUnavailable(name, f"options {missing} are missing", "add them to the row")
    layout = {**DEFAULTS, **options}
    for option, choices in CHOICES.items():
        if layout[option] not in choices:
            problem = f"option {option} = {layout[option]!r} is unknown"
            raise ModelUnavailable(name, problem, f"use one of {', '.join(choices)}")
    return layout


def fitted(picture: NDArray[np.uint8], layout: Mapping[str, Any]) -> tuple[NDArray[np.uint8], Array, Array]:
    """Return the picture at the size of the input.

    Returns:
        uint8 [height, width, 3], and the offset (x, y) in px and the scale (x, y) of the picture's px in it.
    """
    import cv2

    height, width = picture.shape[:2]
    target = np.array([layout["width"], layout["height"]])
    scale = target / [width, height]
    if layout["fit"] == "letterbox":
        scale[:] = scale.min()
    wide, tall = np.maximum(1, np.rint(scale * [width, height])).astype(int).tolist()
    method = cv2.INTER_AREA if scale.min() < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(picture, (wide, tall), interpolation=method)
    left, top = (target - [wide, tall]) // 2
    square = np.full((layout["height"], layout["width"], 3), GREY, np.uint8)
    square[top : top + tall, left : left + wide] = resized
    return square, np.array([left, top], np.float64), np.array([wide / width, tall / height])


def tensor(square: NDArray[np.uint8], layout: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return the input of the network, [1, 3, height, width] or [1, height, width, 3]."""
    values = square[..., ::-1] if layout["channels"] == "BGR" else square
    mean, std = np.asarray(layout["mean"], np.float32), np.asarray(layout["std"], np.float32)
    scaled = (values.astype(np.float32) / np.float32(layout["divide"]) - mean) / std
    return np.ascontiguousarray(scaled.transpose(2, 0, 1) if layout["layout"] == "NCHW" else scaled)[None]


def _boxes6(outputs: Sequence[Array], _layout: Mapping[str, Any]) -> Boxes:
    rows = outputs[0].reshape(-1, 6)
    return Boxes(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64))


def _yolo(outputs: Sequence[Array], layout: Mapping[str, Any]) -> Boxes:
    rows = outputs[0][0]
    columns = 4 + len(_labels(layout))
    rows = rows if rows.shape[1] == columns else rows.T
    return _best(_corners(rows[:, :4]), rows[:, 4:])


def _yolo5(outputs: Sequence[Array], _layout: Mapping[str, Any]) -> Boxes:
    rows = outputs[0].reshape(-1, outputs[0].shape[-1])
    return _best(_corners(rows[:, :4]), rows[:, 4:5] * rows[:, 5:])


def _detr(outputs: Sequence[Array], layout: Mapping[str, Any]) -> Boxes:
    place = max(number for number, output in enumerate(outputs[:2]) if output.shape[-1] == 4)
    boxes, logits = outputs[place][0], outputs[1 - place][0]
    size = np.array([layout["width"], layout["height"]] * 2)
    if layout["activation"] == "sigmoid":
        return _best(_corners(boxes) * size, 1 / (1 + np.exp(-logits)))
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return _best(_corners(boxes) * size, (shares / shares.sum(axis=-1, keepdims=True))[:, :-1])


DECODERS: Mapping[str, Callable[[Sequence[Array], Mapping[str, Any]], Boxes]] = {
    "boxes6": _boxes6, "yolo": _yolo, "yolo5": _yolo5, "detr": _detr,
}  # fmt: skip


def _labels(layout: Mapping[str, Any]) -> tuple[str, ...]:
    labels = tuple(layout["labels"])
    return COCO if labels == ("coco",) else labels


def _corners(middles: Array) -> Array:
    """Return x0 y0 x1 y1 of boxes given as centre and size, [n, 4]."""
    half = middles[:, 2:] / 2
    return np.concatenate([middles[:, :2] - half, middles[:, :2] + half], axis=1)


def _best(corners: Array, scores: Array) -> Boxes:
    """Return each box with its best class."""
    classes = scores.argmax(axis=1)
    return Boxes(corners, scores[np.arange(len(scores)), classes], classes.astype(np.int64))
