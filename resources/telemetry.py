"""Turns off the telemetry of libraries, so that nothing opens an unrequested connection.

`opt_out` runs when `resources` or `vid_assets` is imported, before any library is imported. This applies to every
process of the pipeline: the command line, the code location, runs, model hosts, and decoders. Child processes inherit
the variables.
"""

import os

# At each start, onnxruntime resolves names, connects to its maker, and writes a device id to the user's cache.
OPT_OUT = {
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def opt_out() -> None:
    """Set the variables of `OPT_OUT`. A variable that you have already set stays unchanged."""
    for name, value in OPT_OUT.items():
        os.environ.setdefault(name, value)
