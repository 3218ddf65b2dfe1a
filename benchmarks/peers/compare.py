"""The peers over ours: the same two clips with picture, text and sound, each side in a new process."""

import json
from importlib.util import find_spec
from typing import Any

from benchmarks.clips import make_clips
from benchmarks.kit import Home, child, median
from benchmarks.pipeline import CHANGES
from benchmarks.plan import Plan

# What each needs beside the project's own packages: pip install -e ".[peers]"
PEERS = {"plain": "scenedetect", "ray_data": "ray", "daft_frames": "daft"}
# Ours for the same five tasks; everything else that the project does is left out.
SAME = ("cut_analysis", "speech_transcription", "text_overlay", "object_detection", "eye_tracking")
SECONDS, HD = 60.0, (1280, 720)


def measure(home: Home, plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """Alternates the sides, each with two videos that it has not seen.

    Returns:
        ``peers``: by name, their wall time for the second video over ours with the same five tasks, medians;
        ``peers_first``: the same for the first video, cold start included. The raw figures have the seconds of all, of
        ours with all 27 analyzers too, and how much each found.

    Raises:
        ModuleNotFoundError: The packages of the peers are not installed.
    """
    if missing := sorted(package for package in {"scenedetect", *PEERS.values()} if find_spec(package) is None):
        raise ModuleNotFoundError(f"{', '.join(missing)} is not installed; run pip install -e '.[peers]'")
    quiet = {"DAFT_ANALYTICS_ENABLED": "0", "DO_NOT_TRACK": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    sides: dict[str, tuple[str, dict[str, str]]] = {
        "ours": ("pipeline", {CHANGES: json.dumps({"only": SAME})}),
        "ours_all_27": ("pipeline", {}),
        **{name: (f"peers.{name}", quiet) for name in PEERS},
    }
    seconds: dict[str, list[list[float]]] = {name: [] for name in sides}
    found: dict[str, Any] = {}
    for number in range(plan.repeats):
        length = 4.0 if plan.rehearse else SECONDS
        files = make_clips(home.root / "clips", 2, length, first_seed=600 + 2 * number, size=HD)
        order = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for name in order:
            plan.note(f"two videos, {name}, {number + 1} of {plan.repeats}")
            module, more = sides[name]
            done = child(module, {"files": files}, home.variables(f"{name}-{number}", **more))
            home.forget()
            seconds[name].append(_by_video(done))
            found[name] = done.get("found")
    first, second = ({name: median(run[at] for run in runs) for name, runs in seconds.items()} for at in (0, 1))
    return (
        {
            "peers": {name: second[name] / second["ours"] for name in PEERS},
            "peers_first": {name: first[name] / first["ours"] for name in PEERS},
        },
        {
            "wall_s": seconds,
            "second_video_over_all_27": {name: second[name] / second["ours_all_27"] for name in PEERS},
            "found": found,
        },
    )


def _by_video(done: dict[str, Any]) -> list[float]:
    """Seconds of the first video, start of the process included, and of the second."""
    if "videos" in done:
        second = done["videos"][1]["wall_s"]
        return [done["process_s"] - second, second]
    one, two = sorted(done["done_s"])
    # what comes before and after the work belongs to the start
    return [done["process_s"] - (two - one), two - one]
