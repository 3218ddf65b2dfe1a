"""Whether a model that takes a minute to load holds up the analyzers that do not need it."""

import json
from typing import Any

from benchmarks.clips import make_clips
from benchmarks.kit import Home, child, median
from benchmarks.pipeline import CHANGES
from benchmarks.plan import Plan
from resources.catalog.rows import catalogue
from vid_assets.registry import discover

LOAD_S = 60.0
SLOW = "text_overlay"


def measure(home: Home, plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """Alternates runs with and without the step whose host takes a minute; all other models are warm in both.

    Returns:
        ``blocking_ratio``: when the last of the others finished, from the start of its run, with the slow one over
        without it, of the same video; the median over the videos, and the raw seconds.
    """
    load_s = 3.0 if plan.rehearse else LOAD_S
    files = make_clips(home.root / "clips", plan.repeats + 1, 2.0 if plan.rehearse else 20.0, first_seed=200)
    downstream = {SLOW}
    for analyzer in discover():
        if downstream & set(analyzer.upstream):
            downstream.add(analyzer.name)
    sides = {"with": {"without": sorted(downstream - {SLOW})}, "without": {"without": sorted(downstream)}}
    there = {spec.task for spec in catalogue() if "offline" in spec.profiles}
    tasks = {item.task for item in discover() if item.task and item.name not in downstream}
    models = sorted(task.key for task in tasks if task.name in there)
    ended: dict[str, list[float]] = {side: [] for side in sides}
    slow_ended: list[float] = []
    # The first video only warms the machine up.
    for number, file in enumerate(files):
        for side in ("with", "without") if number % 2 else ("without", "with"):
            if number == 0 and side == "with":
                continue
            home.forget()
            plan.note(f"run {side} a model that takes {load_s:.0f} s to load, {number} of {plan.repeats}")
            changes = json.dumps({**sides[side], "reader_load_s": load_s})
            variables = home.variables(f"warehouse-{side}", **{CHANGES: changes})
            (video,) = child("pipeline", {"files": [file], "prewarm": models}, variables)["videos"]
            assert video["success"], video
            ends = {name: record["ended_s"] for name, record in video["analyzers"].items()}
            if number:
                ended[side].append(max(seconds for name, seconds in ends.items() if name != SLOW))
                slow_ended += [ends[SLOW]] if side == "with" else []
    home.stop_hosts()
    assert min(slow_ended) > load_s
    ratios = [slow / free for slow, free in zip(ended["with"], ended["without"], strict=True)]
    raw = {"others_ended_s": ended, "slow_ended_s": slow_ended, "load_s": load_s, "ratios": ratios}
    return {"blocking_ratio": median(ratios)}, raw
