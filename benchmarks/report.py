"""The files of figures: written anew, whole, after every measurement."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.targets import TARGETS, as_text, met
from resources.fs import write_atomically

_YES_NO = ("**no**", "yes")
LIBRARIES = ("dagster", "torch", "transformers", "bitsandbytes", "onnxruntime", "faster-whisper", "polars", "grpcio")


class Report:
    """Figures by name; those of earlier runs stay until they are measured again.

    Args:
        path: The JSON file. A page with the same figures for people lies beside it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def put(self, part: str, figures: dict[str, Any], raw: dict[str, Any]) -> None:
        """Adds one measurement's figures and what they come from."""
        self.values |= figures
        facts = {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "load_average": os.getloadavg()[0]}
        self.values["machine"] = machine()
        raws = self.values.pop("raw", {})
        self.values["raw"] = {**raws, part: {**facts, **raw}}
        self._write()

    def _write(self) -> None:
        write_atomically(self.path, json.dumps(_rounded(self.values), indent=2) + "\n")
        write_atomically(self.path.with_suffix(".md"), page(self.values))


def page(values: dict[str, Any]) -> str:
    """Return the figures, their targets and the machine in Markdown."""
    facts = [f"- {name}: {value}" for name, value in _rounded(values["machine"]).items()]
    rows = [
        f"| `{name}` | {as_text(values[name])} | {direction} {target:g} | {_YES_NO[met(name, values[name])]} |"
        for name, (direction, target) in TARGETS.items()
        if name in values
    ]
    parts = [
        f"- {name}: {raw['measured_at']}, load {raw['load_average']:.1f}" for name, raw in sorted(values["raw"].items())
    ]
    return "\n".join([
        "# Figures",
        "",
        "Made by `make bench`; [README.md](README.md) says what each figure means. `results.json` has the seconds.",
        "",
        "| figure | value | target | met |",
        "| --- | --- | --- | --- |",
        *rows,
        "",
        "The machine of the last run:",
        "",
        *facts,
        "",
        "When each part was measured, and how busy the machine was then:",
        "",
        *parts,
        "",
    ])  # fmt: skip


def machine() -> dict[str, Any]:
    """What the figures depend on: cores, memory, versions."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        "processor": _processor(),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value
