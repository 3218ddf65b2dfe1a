"""What an executor adds to a run of 27 steps: Dagster's default multiprocess executor over ours, on SQLite."""

from typing import Any

from benchmarks.kit import Home, child, median
from benchmarks.plan import Plan

STEPS_S = (0.0, 0.05)


def measure(home: Home, plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """Alternates runs of both executors, each in a new process, on one instance.

    Returns:
        ``overhead_ratio``: wall time of a run whose steps do nothing, theirs over ours, medians; and the raw seconds,
        with those of a run whose steps sleep 0.05 s, a part of which no executor can save.
    """
    seconds: dict[str, list[float]] = {}
    for step_s in STEPS_S:
        for number in range(plan.repeats):
            order = ("warm", "multiprocess") if number % 2 == 0 else ("multiprocess", "warm")
            for executor in order:
                plan.note(f"27 steps of {step_s} s, {executor}, {number + 1} of {plan.repeats}")
                took = child("trivial", {"executor": executor, "step_s": step_s}, home.variables())
                seconds.setdefault(f"{executor}_{step_s:g}s", []).append(took["wall_s"])
    ratios = {
        step_s: median(seconds[f"multiprocess_{step_s:g}s"]) / median(seconds[f"warm_{step_s:g}s"])
        for step_s in STEPS_S
    }
    return {"overhead_ratio": ratios[0.0]}, {"wall_s": seconds, "ratio_steps_of_0.05s": ratios[0.05]}
