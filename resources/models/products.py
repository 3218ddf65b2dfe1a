"""Products in pictures: boxes of goods as sold in shops.

Profile ``offline`` has no weights that know products by name. Its small CenterNet looks at enlarged, overlapping parts
of the picture, where it finds goods that are too small in the whole picture. Its classes that are goods count. The
other profiles ask OWLv2 (Minderer et al., "Scaling Open-Vocabulary Object Detection", 2023) for each of `PROMPTS`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import polars as pl

from resources.hosting.host import Request, served
from resources.models.boxes import Found, table_of
from resources.models.detectors import EDGE, CenterNetHost, without_doubles
from resources.models.looking import View
from resources.models.runtimes import TransformersHost

Part = tuple[int, int, int]  # top, left and side of a square, in px
GOODS = frozenset({
    "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle", "wine glass", "cup", "bowl",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "refrigerator", "book",
    "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
})  # fmt: skip
# COCO's names if it has one, so that both models use the same name for a thing.
PROMPTS = (
    "bottle", "drink can", "cup", "wine glass", "jar", "food package", "cereal box", "bag of snacks", "milk carton",
    "cosmetics tube", "perfume bottle", "lipstick", "spray can", "shoe", "hat", "sunglasses", "watch", "jewellery",
    "handbag", "backpack", "suitcase", "umbrella", "tie", "cell phone", "laptop", "tablet computer", "camera",
    "headphones", "loudspeaker", "tv", "game controller", "keyboard", "mouse", "remote", "book", "magazine", "toy",
    "teddy bear", "sports ball", "tennis racket", "skateboard", "helmet", "coffee machine", "microwave", "toaster",
    "hair drier", "toothbrush", "clock", "vase",
)  # fmt: skip
# In enlarged parts, detections on labelled footage below this were wrong, but for ties: of these all were right.
LEAST_TILE_SCORE, LEAST_TILE_TIE = 0.65, 0.35
LEAST_OWL_SCORE = 0.2
TILE = 2 / 3  # side of a part, as a share of the picture's shorter side


class TiledCenterNetHost(CenterNetHost):
    """The small CenterNet on enlarged parts of the picture. It looks again only at parts that have changed."""

    @served
    def detect(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the products in each request's rows of ``frames``: `GOODS`, or the prompts that are COCO classes."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> pl.DataFrame:
        names = frozenset(request.args.get("prompts") or GOODS)
        views: defaultdict[Part, View[list[Found]]] = defaultdict(lambda: View(self._look))
        return table_of(request, partial(self._find_of, names, views))

    def _find_of(
        self, names: frozenset[str], views: Mapping[Part, View[list[Found]]], picture: np.ndarray
    ) -> list[Found]:
        height, width = picture.shape[:2]
        found: list[Found] = []
        for top, left, side in tiles(height, width):
            for label, score, *box in views[top, left, side].see(picture[top : top + side, left : left + side]):
                if label in names and score >= (LEAST_TILE_TIE if label == "tie" else LEAST_TILE_SCORE):
                    x0, x1 = ((left + side * x) / width for x in box[::2])
                    y0, y1 = ((top + side * y) / height for y in box[1::2])
                    if not _cut_off(box, top, left, side, height, width):
                        found.append((label, score, x0, y0, x1, y1))
        return without_doubles(found, across=True)


class Owlv2Host(TransformersHost):
    """OWLv2 of the transformers library, asked for `PROMPTS`."""

    def load(self) -> None:
        """Load the model and the processor."""
        from transformers import AutoProcessor, Owlv2ForObjectDetection

        self._model, self._processor = self.open(Owlv2ForObjectDetection, AutoProcessor)

    @served
    def detect(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the products in each request's rows of ``frames``: those of its prompts, or `PROMPTS`."""
        return [
            table_of(request, partial(self._find, tuple(request.args.get("prompts") or PROMPTS)))
            for request in requests
        ]

    def _find(self, prompts: tuple[str, ...], picture: np.ndarray) -> list[Found]:
        import torch

        height, width = picture.shape[:2]
        words = [f"a photo of a {prompt}" for prompt in prompts]
        inputs = self._processor(text=[words], images=[picture], return_tensors="pt").to(self.device)
        with torch.inference_mode():
            outputs = self._model(**inputs)
        (answer,) = self._processor.post_process_grounded_object_detection(
            outputs, threshold=LEAST_OWL_SCORE, target_sizes=[(height, width)]
        )
        boxes = (answer["boxes"].cpu().numpy() / [width, height, width, height]).clip(0, 1)
        found = [
            (prompts[int(label)], float(score), *box)
            for label, score, box in zip(answer["labels"], answer["scores"], boxes.tolist(), strict=True)
            if box[2] > box[0] and box[3] > box[1]
        ]
        return without_doubles(found, across=True)


def tiles(height: int, width: int) -> list[Part]:
    """Return top, left and side of overlapping squares that cover a picture: two across its shorter side."""
    short = min(height, width)
    side = max(1, round(TILE * short))
    downs, rights = ([0, *_steps(length, side)] for length in (height, width))
    return [(top, left, side) for top in downs for left in rights]


def _steps(length: int, side: int) -> list[int]:
    count = int(np.ceil((length - side) / side)) if length > side else 0
    return [round((length - side) * at / count) for at in range(1, count + 1)]


def _cut_off(box: Sequence[float], top: int, left: int, side: int, height: int, width: int) -> bool:
    """Whether an edge of the part cuts off the box while the picture continues."""
    x0, y0, x1, y1 = box
    return bool(
        (x0 < EDGE and left > 0)
        or (y0 < EDGE and top > 0)
        or (x1 > 1 - EDGE and left + side < width)
        or (y1 > 1 - EDGE and top + side < height)
    )
