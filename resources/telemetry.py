"""Libraries that report to their makers are told not to: nothing opens a connection that nobody asked for.

`opt_out` runs when `resources` or `vid_assets` is imported, which is before any library is, in every process of the
pipeline: the command line, the code location, runs, model hosts, and decoders. Children inherit what it sets.
"""

import os

# onnxruntime resolves names, connects to its maker, and leaves a device id in the user's cache, at each start.
OPT_OUT = {
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def opt_out() -> None:
    """Sets the variables of `OPT_OUT`; one that the user has set already stays."""
    for name, value in OPT_OUT.items():
        os.environ.setdefault(name, value)
