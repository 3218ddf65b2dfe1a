"""Ray Data: pictures stream from the decoder through one actor a model, beside tasks for cuts and words."""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.peers.tasks import PICTURE_TASKS, Sample, cuts, look, samples, words

BATCH = 16


class Look:
    """An actor with one model."""

    def __init__(self, task: str) -> None:
        self.task = task

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Count what is found in the pictures of one video."""
        rows = [Sample(*row) for row in zip(batch["number"].tolist(), batch["picture"], strict=True)]
        files = batch["file"].tolist()
        found = np.zeros(len(rows), np.int64)
        for file in set(files):
            places = [place for place, name in enumerate(files) if name == file]
            found[places[0]] += look(self.task, [rows[place] for place in places])
        return batch | {self.task: found}


class Hear:
    """An actor with the speech model."""

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Count words."""
        return row | {"words": words(row["file"])}


def answer(files: Sequence[str]) -> dict[str, Any]:
    """Work on all files in three data sets at once; see `plain.answer`."""
    import ray  # pyright: ignore[reportMissingImports]

    began = time.perf_counter()
    ray.init(include_dashboard=False, logging_level="ERROR", configure_logging=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    done: dict[str, float] = dict.fromkeys(files, 0.0)
    found: dict[str, Counter[str]] = {file: Counter() for file in files}
    videos = [{"file": file} for file in files]
    pictures = ray.data.from_items(videos, override_num_blocks=len(videos)).flat_map(_decoded, num_cpus=0.25)
    one = {"compute": ray.data.ActorPoolStrategy(size=1), "num_cpus": 0.25}
    for task in PICTURE_TASKS:
        pictures = pictures.map_batches(Look, fn_constructor_args=(task,), batch_size=BATCH, **one)
    heard = ray.data.from_items(videos).map(Hear, **one)
    seen = ray.data.from_items(videos, override_num_blocks=len(videos)).map(_cut, num_cpus=0.25)

    def drain(data: Any, tasks: Sequence[str]) -> None:
        for row in data.iter_rows():
            found[row["file"]].update({task: int(row[task]) for task in tasks})
            done[row["file"]] = max(done[row["file"]], time.perf_counter() - began)

    pictures = pictures.drop_columns(["picture"])
    with ThreadPoolExecutor() as pool:
        parts = ((pictures, tuple(PICTURE_TASKS)), (heard, ("words",)), (seen, ("cuts",)))
        for future in [pool.submit(drain, data, tasks) for data, tasks in parts]:
            future.result()
    ray.shutdown()
    return {"done_s": [done[file] for file in files], "found": [dict(found[file]) for file in files]}


def _decoded(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [row | {"number": sample.number, "picture": sample.picture} for sample in samples(row["file"])]


def _cut(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"cuts": cuts(row["file"])}
