"""Text in pictures: PP-OCR detection and recognition on ONNX Runtime, by RapidOCR (Apache-2.0, weights too).

Method: DB text detection (Liao et al., "Real-time Scene Text Detection with Differentiable Binarization", 2020) and the
PP-OCR recogniser (Cui et al., "PaddleOCR 3.0 Technical Report", 2025).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from resources.hosting.host import Host, Request, served
from resources.tasks.text import TEXT

SCHEMA = TEXT.schema
# The detector enlarges pictures whose shorter side is below this. RapidOCR's own 736 takes five times as long on
# pictures of 640 x 360 px and reads nothing more in them: lines 10 px high are read at their own size.
SMALLEST_SIDE = 352


class TextReaderHost(Host):
    """The detector, the direction classifier and the recogniser."""

    def load(self) -> None:
        """Loads all three; the first picture would otherwise."""
        from rapidocr import RapidOCR

        self._reader = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.model_root_dir": str(self.folder),
                "Det.limit_type": "min",
                "Det.limit_side_len": SMALLEST_SIDE,
                "EngineConfig.onnxruntime.intra_op_num_threads": self.threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        self._read(0, np.full((64, 64, 3), 255, np.uint8))

    @served
    def read_text(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """The lines of text in each request's rows of ``frames``."""
        answers = []
        for request in requests:
            pictures = request.arrays["frames"]
            lines = [line for row in request.rows("frames") for line in self._read(row, pictures[row])]
            answers.append(pl.DataFrame(lines, SCHEMA, orient="row"))
        return answers

    def _read(self, row: int, picture: np.ndarray) -> list[tuple[int, str, float, float, float, float, float]]:
        height, width = picture.shape[:2]
        # RapidOCR takes pictures as OpenCV reads them: blue first.
        found = self._reader(np.ascontiguousarray(picture[:, :, ::-1]))
        texts, boxes, scores = (getattr(found, name, None) for name in ("txts", "boxes", "scores"))
        if texts is None or boxes is None or scores is None:
            return []
        size = np.array([width, height], np.float64)
        lines = []
        for text, box, score in zip(texts, boxes, scores, strict=True):
            corners = np.clip(np.asarray(box, np.float64) / size, 0.0, 1.0)
            (x0, y0), (x1, y1) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
            lines.append((row, str(text), float(score), x0, y0, x1, y1))
        return lines
