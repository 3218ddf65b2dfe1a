"""A host class: finds the largest red area of a picture. Import nothing heavy at module level."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from resources.hosting.host import Host, Request, served
from resources.models.boxes import Found, table_of


class RedBlobHost(Host):
    """The connected area of red pixels that is largest, if it is large enough."""

    def load(self) -> None:
        """Nothing to load: the rule has no weights."""

    @served
    def detect(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """The red things in each request's rows of ``frames``."""
        return [table_of(request, self._look) for request in requests]

    def _look(self, picture: np.ndarray) -> list[Found]:
        import cv2

        red, green, blue = (picture[:, :, channel].astype(np.int16) for channel in range(3))
        mask = (red - np.maximum(green, blue) > 100).astype(np.uint8)
        _, _, areas, _ = cv2.connectedComponentsWithStats(mask)
        if len(areas) < 2:
            return []
        x, y, wide, tall, pixels = max(areas[1:].tolist(), key=lambda area: area[4])
        height, width = mask.shape
        if pixels < self.options["least_share"] * mask.size:
            return []
        return [("red thing", pixels / (wide * tall), x / width, y / height, (x + wide) / width, (y + tall) / height)]
