"""Five runs in five processes, one after another, that need the same model: who waits, and how often it is loaded."""

import json
from typing import Any

from benchmarks.clips import make_clips
from benchmarks.kit import Home, child
from benchmarks.pipeline import CHANGES, loads
from benchmarks.plan import Plan
from resources.catalog.rows import find
from resources.tasks.text import TEXT
from resources.warehouse.resource import Warehouse

RUNS = 5
LOAD_S = 5.0


def measure(home: Home, plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """Starts the runs; the first one finds no host.

    Returns:
        ``reuse_wait_s``: what runs 2 to 5 waited for the model, in the executor and in the call together; ``loads``:
        rows of ``model_loads`` that are real loads; and the raw figures of all five.
    """
    files = make_clips(home.root / "clips", RUNS, 1.0 if plan.rehearse else 4.0, first_seed=100)
    changes = {"only": ["text_overlay"], "reader_load_s": 1.0 if plan.rehearse else LOAD_S}
    variables = home.variables("warehouse-reuse", **{CHANGES: json.dumps(changes)})
    waits, runs = [], []
    for number, file in enumerate(files):
        plan.note(f"run {number + 1} of {RUNS} with a shared model")
        (video,) = child("pipeline", {"files": [file]}, variables)["videos"]
        assert video["analyzers"]["text_overlay"]["status"] == "value", video
        record = video["analyzers"]["text_overlay"]
        gate_s, call_s = video["waited_s"][TEXT.key], record["load_s"]
        waits.append(gate_s + call_s)
        # The queue bounds the wait from above: it counts from when the step's inputs are there, whatever is in the way.
        runs.append({"gate_s": gate_s, "call_s": call_s, "queue_s": record["queue_s"], "wall_s": video["wall_s"]})
    home.stop_hosts()
    rows = loads(Warehouse(path=variables["VID_WAREHOUSE"]), find(TEXT.name, "offline").name)
    assert len(rows) == RUNS, rows
    real = [row for row in rows if row["kind"] != "hit"]
    figures = {"reuse_wait_s": waits[1:], "loads": len(real)}
    return figures, {"first_wait_s": waits[0], "load_s": real[0]["load_s"], "runs": runs}
