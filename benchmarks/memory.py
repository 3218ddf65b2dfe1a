"""What the model hosts hold in memory while they idle, all models of the profile ``offline`` warm."""

import time
from typing import Any

from benchmarks.clips import make_clips
from benchmarks.kit import Home, child, pss_mb
from benchmarks.plan import Plan
from resources.catalog.rows import catalogue
from vid_assets.registry import discover

SETTLE_S = 3.0


def measure(home: Home, plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """Loads every model, lets each work on a video, and looks when they idle again.

    Returns:
        ``idle_memory_mb``: the proportional set sizes of all hosts together, in MB; and each one's.
    """
    there = {spec.task for spec in catalogue() if "offline" in spec.profiles}
    names = sorted({item.task.key for item in discover() if item.task and item.task.name in there})
    files = make_clips(home.root / "clips", 1, 2.0 if plan.rehearse else 10.0, first_seed=300)
    plan.note("all offline models, warm")
    done = child("pipeline", {"files": files, "prewarm": names}, home.variables("warehouse-memory"))
    time.sleep(SETTLE_S)
    warm = {name: status for name, status in done["models"].items() if status["state"] == "warm"}
    sizes = {name: pss_mb(status["pid"]) for name, status in warm.items()}
    missing = {name: status["error"] for name, status in done["models"].items() if status["state"] != "warm"}
    home.stop_hosts()
    return {"idle_memory_mb": sum(sizes.values())}, {"pss_mb": sizes, "not_warm": missing}
