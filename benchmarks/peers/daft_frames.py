"""Daft: a data frame of videos that becomes one of pictures, with one instance a model, the pictures streaming."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.peers.tasks import PICTURE_TASKS, Sample, cuts, look, samples, words

BATCH = 16


def answer(files: Sequence[str]) -> dict[str, Any]:
    """Work on all files in three data frames at once; see `plain.answer`."""
    import daft  # pyright: ignore[reportMissingImports]
    from daft import DataType, col  # pyright: ignore[reportMissingImports]

    @daft.func(
        return_dtype=DataType.struct({"number": DataType.int64(), "picture": DataType.tensor(DataType.uint8())}),
    )
    def decoded(file: str) -> Iterator[dict[str, Any]]:
        for sample in samples(file):
            yield {"number": sample.number, "picture": sample.picture}

    @daft.cls(max_concurrency=1, use_process=False)
    class Look:
        def __init__(self, task: str) -> None:
            self.task = task

        @daft.method.batch(return_dtype=DataType.int64(), batch_size=BATCH)
        def found(self, file: daft.Series, sample: daft.Series) -> list[int]:
            names, rows = file.to_pylist(), [Sample(**row) for row in sample.to_pylist()]
            counts = [0] * len(rows)
            for name in set(names):
                places = [place for place, other in enumerate(names) if other == name]
                counts[places[0]] = look(self.task, [rows[place] for place in places])
            return counts

    hear = daft.func(words, return_dtype=DataType.int64())
    cut = daft.func(cuts, return_dtype=DataType.int64())
    began = time.perf_counter()
    done: dict[str, float] = dict.fromkeys(files, 0.0)
    found: dict[str, Counter[str]] = {file: Counter() for file in files}
    videos = daft.from_pydict({"file": list(files)})
    sample: Any = decoded(col("file"))
    pictures = videos.select(col("file"), sample.alias("sample"))
    for task in PICTURE_TASKS:
        pictures = pictures.with_column(task, Look(task).found(col("file"), col("sample")))

    def drain(frame: Any, tasks: Sequence[str]) -> None:
        for row in frame.select("file", *tasks).iter_rows():
            found[row["file"]].update({task: row[task] for task in tasks})
            done[row["file"]] = max(done[row["file"]], time.perf_counter() - began)

    heard = videos.with_column("words", hear(col("file")))
    seen = videos.with_column("cuts", cut(col("file")))
    with ThreadPoolExecutor() as pool:
        parts = ((pictures, tuple(PICTURE_TASKS)), (heard, ("words",)), (seen, ("cuts",)))
        for future in [pool.submit(drain, frame, tasks) for frame, tasks in parts]:
            future.result()
    return {"done_s": [done[file] for file in files], "found": [dict(found[file]) for file in files]}
