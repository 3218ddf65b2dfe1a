"""Text in pictures: PP-OCR detection and recognition on ONNX Runtime, by RapidOCR (Apache-2.0, including the weights).

Method: DB text detection (Liao et al., "Real-time Scene Text Detection with Differentiable Binarization", 2020) and the
PP-OCR recogniser (Cui et al., "PaddleOCR 3.0 Technical Report", 2025).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from resources.hosting.host import Host, Request, served
from resources.tasks.text import TEXT

SCHEMA = TEXT.schema
# The detector enlarges pictures with a shorter side below this. RapidOCR's own 736 takes five times as long on pictures
# of 640 x 360 px and reads nothing more: it reads lines 10 px high at their own size.
SMALLEST_SIDE = 352

Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


class TextReaderHost(Host):
    """The detector, the direction classifier and the recogniser."""

    def load(self) -> None:
        """Load all three; otherwise the first picture would."""
        from rapidocr import RapidOCR

        self._reader = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.model_root_dir": str(self.folder),
                "Det.limit_type": "min",
                "Det.limit_side_len": 32,  # `_read` enlarges small pictures itself: parts must not grow more
                "EngineConfig.onnxruntime.intra_op_num_threads": self.threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        self._read(0, np.full((64, 64, 3), 255, np.uint8))

    @served
    def read_text(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the lines of text in each request's rows of ``frames``."""
        answers = []
        for request in requests:
            pictures, rows = request.arrays["frames"], request.rows("frames")
            boxes: Sequence[Box] = request.args.get("boxes") or [WHOLE] * len(rows)
            lines = [line for row, box in zip(rows, boxes, strict=True) for line in self._read(row, pictures[row], box)]
            answers.append(pl.DataFrame(lines, SCHEMA, orient="row"))
        return answers

    def _read(
        self, row: int, picture: np.ndarray, part: Box = WHOLE
    ) -> list[tuple[int, str, float, float, float, float, float]]:
        import cv2

        height, width = picture.shape[:2]
        left, top = int(part[0] * width), int(part[1] * height)
        right, bottom = max(int(np.ceil(part[2] * width)), left + 1), max(int(np.ceil(part[3] * height)), top + 1)
        # RapidOCR takes pictures in OpenCV's order: blue first.
        seen = np.ascontiguousarray(picture[top:bottom, left:right, ::-1])
        scale = max(SMALLEST_SIDE / min(height, width), 1.0)
        if scale > 1:
            seen = cv2.resize(seen, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        found = self._reader(seen)
        texts, boxes, scores = (getattr(found, name, None) for name in ("txts", "boxes", "scores"))
        if texts is None or boxes is None or scores is None:
            return []
        size = np.array([width, height], np.float64)
        lines = []
        for text, box, score in zip(texts, boxes, scores, strict=True):
            corners = np.clip((np.asarray(box, np.float64) / scale + [left, top]) / size, 0.0, 1.0)
            (x0, y0), (x1, y1) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
            lines.append((row, str(text), float(score), x0, y0, x1, y1))
        return lines
