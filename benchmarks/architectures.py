"""The second of two videos: the replaced architecture over ours, with the same clips, models and results."""

import json
from pathlib import Path
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from benchmarks.blip2_load import checkpoint
from benchmarks.clips import make_clips
from benchmarks.kit import Home, child, median
from benchmarks.pipeline import CHANGES
from benchmarks.plan import Plan
from resources.tasks.captions import CAPTIONS
from resources.warehouse.resource import Warehouse


def measure(home: Home, plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """Alternates the two, each with two videos that it has not seen, one after the other in one process.

    Returns:
        ``baseline_architecture_ratio``: wall time of the second video, theirs over ours, medians; and the raw seconds.

    Raises:
        AssertionError: The results differ.
    """
    folder = checkpoint(home, plan)
    models = home.root / "blip2-models"
    changes = {"blip2": str(folder), "blip2_models": str(models)}
    plan.note("quantizing once, ahead")
    variables = home.variables(**{CHANGES: json.dumps(changes)})
    child("pipeline", {"prewarm": [CAPTIONS.key]}, variables)
    home.stop_hosts()
    # Settings of the host, such as the precision, are the same; the module is the one that quantizes at load.
    replaced = home.variables(**{CHANGES: json.dumps({**changes, "quantize_at_load": True})})
    seconds: dict[str, list[list[float]]] = {"ours": [], "baseline": []}
    done: dict[str, dict[str, Any]] = {}
    names: list[str] = []
    for number in range(plan.repeats):
        files = make_clips(home.root / "clips", 2, 2.0 if plan.rehearse else 10.0, first_seed=400 + 2 * number)
        out = home.root / f"baseline-{number}"
        for side in ("ours", "baseline") if number % 2 == 0 else ("baseline", "ours"):
            plan.note(f"two videos, {side}, {number + 1} of {plan.repeats}")
            if side == "ours":
                done[side] = child("pipeline", {"files": files}, variables)
                home.stop_hosts()
            else:
                done[side] = child("baseline", {"files": files, "out": str(out)}, replaced)
            seconds[side].append([video["wall_s"] for video in done[side]["videos"]])
        _compare(done["ours"], done["baseline"], files, out, Warehouse(path=variables["VID_WAREHOUSE"]))
        names = sorted(done["ours"]["videos"][-1]["analyzers"])
    second = {side: median(walls[1] for walls in runs) for side, runs in seconds.items()}
    first = {side: median(walls[0] for walls in runs) for side, runs in seconds.items()}
    raw = {"wall_s": seconds, "first_video_ratio": first["baseline"] / first["ours"], "analyzers": names}
    return {"baseline_architecture_ratio": second["baseline"] / second["ours"]}, raw


def _compare(ours: dict[str, Any], theirs: dict[str, Any], files: list[str], out: Path, warehouse: Warehouse) -> None:
    """Both must have answered alike; numbers may differ by what another number of threads does to rounding."""
    for file, left, right in zip(files, ours["videos"], theirs["videos"], strict=True):
        assert left["success"], left
        answered = {name for name, record in left["analyzers"].items() if record["status"] == "value"}
        assert answered == set(right["tables"]), (answered ^ set(right["tables"]), right["reasons"])
        for name in answered:
            table = warehouse.read_partition(name, left["video_id"])
            assert table is not None
            expected = pl.read_parquet(out / Path(file).stem / f"{name}.parquet")
            assert_frame_equal(table.drop("video_id"), expected, rel_tol=1e-3, abs_tol=1e-3)
