"""The replaced architecture: three spawned workers for each video, models in each worker, every analyzer decoding.

Written to its advantage where there was a choice: the longest analyzers start first, a worker loads only the models
that its analyzers need and only once, nothing is decoded that an analyzer does not ask for, and neither a sandbox nor
Dagster's event log costs anything.
"""

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.baseline_worker import work
from benchmarks.pipeline import analyzers

WORKERS = 3
# The heavy ones first, as a schedule that knows its analyzers would.
FIRST = ("one_caption", "cut_analysis", "speech_transcription", "text_overlay")


def answer(files: Sequence[str], out: str) -> dict[str, Any]:
    """Analyses files one after another.

    Args:
        files: The videos.
        out: Folder of the results: a Parquet file per video and analyzer.

    Returns:
        ``videos``: a mapping each, with ``wall_s`` and ``reasons`` by analyzer without a table.
    """
    return {"videos": [analyse(Path(file), Path(out)) for file in files]}


def analyse(file: Path, out: Path) -> dict[str, Any]:
    """One video, by workers of its own."""
    began = time.perf_counter()
    waiting = sorted(analyzers(), key=lambda item: FIRST.index(item.name) if item.name in FIRST else len(FIRST))
    tables: dict[str, pl.DataFrame] = {}
    reasons: dict[str, str] = {}
    running: dict[Future, str] = {}
    folder = out / file.stem
    folder.mkdir(parents=True)
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn")) as pool:
        while waiting or running:
            for analyzer in list(waiting):
                if all(name in tables or name in reasons for name in analyzer.upstream):
                    waiting.remove(analyzer)
                    upstream = {name: tables[name] for name in analyzer.upstream if name in tables}
                    running[pool.submit(work, analyzer.name, str(file), upstream)] = analyzer.name
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name, result = running.pop(future), future.result()
                if isinstance(result, str):
                    reasons[name] = result
                else:
                    tables[name] = result
                    result.write_parquet(folder / f"{name}.parquet")
    return {"wall_s": time.perf_counter() - began, "reasons": reasons, "tables": sorted(tables)}
