"""Found objects as a data set in COCO's form: ``labels.json``, and the sampled pictures that show them in ``data``.

That is the layout which FiftyOne's ``COCODetectionDataset`` and Label Studio's converter read. One data set holds any
number of videos. Memory holds the labels of one video: the lists grow in files, which are joined at the end.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import polars as pl

from vid_assets.contract import Frames
from vid_assets.errors import MediaError
from vid_assets.export.formats import Written
from vid_assets.export.subject import Subject

LABELS, DATA = "labels.json", "data"
_TABLE = "object_detection"
_QUALITY = 90


@contextmanager
def coco(folder: Path) -> Iterator[Callable[[Subject], Written]]:
    """Write a data set; yields what adds a video to it.

    Args:
        folder: The folder of the data set. An earlier one there is replaced when this one is complete.
    """
    (folder / DATA).mkdir(parents=True, exist_ok=True)
    parts = {name: folder / f".{name}.part" for name in ("images", "annotations")}
    unfinished = folder / f".{LABELS}.part"
    try:
        with parts["images"].open("w+") as images, parts["annotations"].open("w+") as annotations:
            dataset = _Dataset(folder / DATA, images, annotations)
            yield dataset.add
            with unfinished.open("w") as file:
                dataset.join(file)
        unfinished.replace(folder / LABELS)
    finally:
        for part in (*parts.values(), unfinished):
            part.unlink(missing_ok=True)


@dataclass
class _Dataset:
    """A data set that grows.

    Attributes:
        folder: Where its pictures are.
        images: Its images, as JSON objects with commas between them.
        annotations: The same for its boxes.
        categories: Number of each label, from 1.
        counts: How many images and boxes there are.
    """

    folder: Path
    images: TextIO
    annotations: TextIO
    categories: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=lambda: {"images": 0, "annotations": 0})

    def add(self, subject: Subject) -> Written:
        """Add the pictures of a video that show objects.

        Raises:
            MediaError: There are no objects, or no pictures to show them on; the error gives the reason.
        """
        rows = subject.rows(_TABLE, "there are no objects to write").sort("frame", "track")
        if rows.is_empty():
            raise subject.nothing(_TABLE, "there are no objects to write")
        media = subject.streams()
        try:
            if media.frames is None:
                raise MediaError(subject.video_id, "it has no picture now", "analyse it again")
            return self._add(subject, rows, media.frames)
        finally:
            media.close()

    def _add(self, subject: Subject, rows: pl.DataFrame, frames: Frames) -> Written:
        height, width = frames.array.shape[1:3]
        places = {int(frame): place for place, frame in enumerate(frames.indices)}
        lost = count = 0
        for (frame,), boxes in rows.partition_by("frame", as_dict=True, maintain_order=True).items():
            place = places.get(int(frame))  # pyright: ignore[reportArgumentType]
            if place is None:
                lost += 1
                continue
            count += 1
            name = f"{subject.video_id}-{frame:07d}.jpg"
            _save(np.asarray(frames.array[place]), self.folder / name)
            found = {"video_id": subject.video_id, "frame": frame, "time_s": boxes["time_s"][0]}
            image = self._put("images", self.images, file_name=name, width=width, height=height, **found)
            for box in boxes.iter_rows(named=True):
                self._put("annotations", self.annotations, image_id=image, **self._box(box, width, height), **found)
        problem = f"{lost} pictures are not among those sampled now: frames_per_s has changed; analyse it again"
        return Written(count, missing=(problem,) if lost else ())

    def _box(self, row: Mapping[str, Any], width: int, height: int) -> dict[str, Any]:
        x, y = row["x0"] * width, row["y0"] * height
        wide, tall = (row["x1"] - row["x0"]) * width, (row["y1"] - row["y0"]) * height
        return {
            "category_id": self.categories.setdefault(row["label"], len(self.categories) + 1),
            "bbox": [round(value, 2) for value in (x, y, wide, tall)],
            "area": round(wide * tall, 2),
            "iscrowd": 0,
            "score": round(row["score"], 6),
            "track_id": row["track"],
        }

    def _put(self, name: str, file: TextIO, **values: Any) -> int:
        """Append one object to a list; return its number."""
        separator = ",\n" if self.counts[name] else ""
        self.counts[name] += 1
        file.write(separator + json.dumps({"id": self.counts[name], **values}, ensure_ascii=False))
        return self.counts[name]

    def join(self, file: TextIO) -> None:
        """Write the whole data set as one JSON object."""
        file.write('{"info": {"description": "Objects found by vid_assets"},\n"licenses": [],\n"categories": ')
        labels = [{"id": number, "name": label, "supercategory": ""} for label, number in self.categories.items()]
        json.dump(labels, file, ensure_ascii=False)
        for name, part in (("images", self.images), ("annotations", self.annotations)):
            file.write(f',\n"{name}": [\n')
            part.seek(0)
            while block := part.read(1 << 20):
                file.write(block)
            file.write("]")
        file.write("}\n")


def _save(picture: np.ndarray, path: Path) -> None:
    from PIL import Image

    Image.fromarray(picture).save(path, quality=_QUALITY)
