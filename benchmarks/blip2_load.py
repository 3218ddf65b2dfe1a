"""A true-size BLIP-2 until its first caption is out, less a steady caption: quantized at load over ours, mapped."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kit import Home, cached_share, child, drop_from_page_cache, median, read_into_page_cache
from benchmarks.plan import Plan

HOSTS = {"ours": "benchmarks.blip2_hosts:MappedHost", "quantizing": "benchmarks.blip2_hosts:QuantizingHost"}
STEADY_CALLS = 3


def checkpoint(home: Home, plan: Plan) -> Path:
    """The folder of the random BLIP-2 of true size, written unless it is there; a rehearsal's is small."""
    folder = home.root / "blip2-random"
    if not folder.exists():
        plan.note("writing a BLIP-2 of true size with random weights")
        child("blip2_load", {"write": str(folder), "small": plan.rehearse}, home.variables())
    return folder


def measure(home: Home, plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """Alternates both hosts, with the weights out of the page cache and in it.

    Returns:
        ``blip2_cold_ratio`` and ``blip2_warm_ratio``: seconds from the start of the load until the first caption is
        out, less a steady caption, theirs over ours, medians; and the raw seconds.
    """
    folder = checkpoint(home, plan)
    models = home.root / "blip2-models"
    plan.note("quantizing once, as the first load does")
    first = _caption(home, folder, models, "ours")
    files = {"quantizing": sorted(folder.glob("*")), "ours": sorted(models.glob("quantized/*/*"))}
    runs: dict[str, list[dict[str, Any]]] = {}
    for number in range(plan.repeats):
        for cache in ("cold", "warm"):
            for side in ("ours", "quantizing") if number % 2 == 0 else ("quantizing", "ours"):
                plan.note(f"BLIP-2, {side}, page cache {cache}, {number + 1} of {plan.repeats}")
                share = _prepare(files, side, cache)
                took = _caption(home, folder, models, side)
                runs.setdefault(f"{side}_{cache}", []).append({**took, "cached_share_before": share})
    texts = {took["text"] for takes in runs.values() for took in takes}
    figures = {f"blip2_{cache}_ratio": _ratio(runs, cache, "until_first_s") for cache in ("cold", "warm")}
    from_call = {f"{cache}_ratio_from_call": _ratio(runs, cache, "from_call_s") for cache in ("cold", "warm")}
    load = {f"{cache}_ratio_of_load_alone": _ratio(runs, cache, "load_s") for cache in ("cold", "warm")}
    size = {side: sum(path.stat().st_size for path in files[side]) for side in files}
    return figures, {**from_call, **load, "first_ever": first, "same_text": len(texts) == 1, "bytes": size, **runs}


def _ratio(runs: dict[str, list[dict[str, Any]]], cache: str, key: str) -> float:
    theirs, ours = (median(took[key] for took in runs[f"{side}_{cache}"]) for side in ("quantizing", "ours"))
    return theirs / ours


def _prepare(files: dict[str, list[Path]], side: str, cache: str) -> float:
    """Puts the page cache into the wanted state for one side; the other side's files leave it, to make room."""
    for path in files.values():
        drop_from_page_cache(path)
    if cache == "cold":
        return cached_share(files[side])
    return read_into_page_cache(files[side])


def _caption(home: Home, folder: Path, models: Path, side: str) -> dict[str, Any]:
    try:
        return child("blip2_load", {"side": side, "folder": str(folder), "models": str(models)}, home.variables())
    finally:
        home.stop_hosts()


def answer(**arguments: Any) -> Any:
    """In a process of its own: write the checkpoint, or time one load."""
    if "write" in arguments:
        return write(Path(arguments["write"]), small=arguments["small"])
    return time_one(**arguments)


def write(folder: Path, *, small: bool) -> int:
    """Writes the checkpoint, through a temporary name. Returns its bytes."""
    from benchmarks.true_size_blip2 import opt_2_7b, write_random

    config = opt_2_7b()
    if small:
        parts: list[Any] = [config.vision_config, config.text_config, config.qformer_config]
        for part in parts:
            part.num_hidden_layers = 2
    part = folder.with_name(f".{folder.name}.part")
    size = write_random(config, part)
    part.rename(folder)
    return size


def time_one(side: str, folder: str, models: str) -> dict[str, Any]:
    """Starts the host through the handle, as an analyzer would, and times its captions.

    Returns:
        ``until_first_s``: from the start of the load until the first caption was here, less ``steady_s``;
        ``from_call_s``: the same from the call on, with the start of the process and the imports; ``load_s``: the load
        alone; and the text.
    """
    from benchmarks.blip2_hosts import BenchmarkBlip2
    from benchmarks.kit import pss_mb
    from benchmarks.one_caption import ONE_PROMPT
    from resources.hosting.handle import ModelHostsResource
    from vid_assets.contract import Frames
    from vid_assets.synthetic.clips import Clip, Mover, Shape, Shot, frames

    scene = Clip(shots=(Shot(0.04, shapes=(Mover(Shape("circle", "red", 0.5, 0.5, 0.3)),)),))
    picture = Frames(next(iter(frames(scene)))[None], np.zeros(1), np.zeros(1, np.int64), video_id="benchmark")
    handle = BenchmarkBlip2(hosts=ModelHostsResource(models=models), repo=folder, host=HOSTS[side], deadline_s=1200)
    called = time.monotonic()
    row = handle.caption(picture, [0], ONE_PROMPT).row(0, named=True)
    first = time.monotonic()
    steady = []
    for _ in range(STEADY_CALLS):
        began = time.monotonic()
        text = handle.caption(picture, [0], ONE_PROMPT)["text"].item()
        steady.append(time.monotonic() - began)
        assert text == row["text"]
    steady_s = median(steady)
    return {
        "until_first_s": first - row["load_began"] - steady_s,
        "from_call_s": first - called - steady_s,
        "load_s": row["load_ended"] - row["load_began"],
        "first_caption_s": first - row["load_ended"],
        "steady_s": steady_s,
        "pss_mb": pss_mb(row["pid"]),
        "text": row["text"],
    }
