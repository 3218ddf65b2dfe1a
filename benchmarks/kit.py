"""What the measurements share: a temporary home, processes that answer in JSON, the page cache, and memory."""

import ctypes
import json
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ANSWER = "benchmark-answer: "
CHILD_S = 3600.0


class ChildFailed(Exception):
    """A measuring process ended without an answer; the message has the end of what it said."""


@dataclass(frozen=True, slots=True)
class Home:
    """Folders of one measurement, all under one temporary folder.

    Attributes:
        root: The temporary folder.
        models: Fetched weights: the project's own, so that nothing is fetched twice.
    """

    root: Path
    models: Path

    @property
    def scratch(self) -> Path:
        """Decoded streams, and the hosts' folder."""
        return self.root / "scratch"

    def variables(self, warehouse: str = "warehouse", **more: str) -> dict[str, str]:
        """The environment of a process that works in here."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("VID_", "DAGSTER_"))}
        return {
            **kept,
            "DAGSTER_HOME": str(self.root / "dagster"),
            "VID_WAREHOUSE": str(self.root / warehouse),
            "VID_SCRATCH": str(self.scratch),
            "VID_REPORTS": str(self.root / "reports"),
            "VID_MODELS": str(self.models),
            "VID_PROFILE": "offline",
            "VID_MODEL_IDLE_S": "3600",
            "PYTHONPATH": str(ROOT),
            **more,
        }

    def stop_hosts(self) -> None:
        """Ends every model host that was started from here."""
        from resources.hosting.local.hosts import LocalHosts

        LocalHosts(self.scratch).stop()

    def forget(self) -> None:
        """Ends the hosts and removes what was decoded, so that the next run starts from nothing."""
        self.stop_hosts()
        shutil.rmtree(self.scratch, ignore_errors=True)


@contextmanager
def temporary_home() -> Iterator[Home]:
    """A `Home` with the project's Dagster settings and SQLite storage; its hosts end and its files go afterwards."""
    models = Path(os.environ.get("VID_MODELS") or ROOT / "data" / "models").absolute()
    root = Path(tempfile.mkdtemp(prefix="vid-bench-"))
    home = Home(root, models)
    try:
        (root / "dagster").mkdir()
        shutil.copy(ROOT / "dagster_home" / "dagster.yaml", root / "dagster")
        _make_storage(root / "dagster")
        yield home
    finally:
        home.stop_hosts()
        shutil.rmtree(root, ignore_errors=True)


def _make_storage(folder: Path) -> None:
    """Makes Dagster's databases: processes that find none and make them at once trip over each other."""
    import dagster as dg

    with dg.DagsterInstance.from_config(str(folder)) as instance:
        instance.get_runs(limit=1)
        instance.get_dynamic_partitions("none")


def child(module: str, arguments: Mapping[str, Any], variables: Mapping[str, str]) -> Any:
    """Runs ``benchmarks.<module>``'s ``answer(**arguments)`` in a process of its own.

    Returns:
        What it returned, with ``process_s``, the seconds from the start of the process to its end, if it is a mapping.

    Raises:
        ChildFailed: It ended with an error.
    """
    code = f"from benchmarks.kit import answer_with; from benchmarks.{module} import answer; answer_with(answer)"
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(dict(arguments)),
        env=dict(variables),
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=CHILD_S,
        check=False,
    )
    process_s = time.perf_counter() - began
    lines = [line for line in done.stdout.splitlines() if line.startswith(ANSWER)]
    if done.returncode or not lines:
        raise ChildFailed(f"{module} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    value = json.loads(lines[-1].removeprefix(ANSWER))
    return {**value, "process_s": process_s} if isinstance(value, dict) else value


def answer_with(function: Any) -> None:
    """The other end of `child`."""
    value = function(**json.load(sys.stdin))
    print(ANSWER + json.dumps(value), flush=True)


def median(values: Iterable[float]) -> float:
    """The middle value; of an even number, the mean of the two in the middle."""
    import statistics

    return statistics.median(values)


def drop_from_page_cache(files: Sequence[Path]) -> float:
    """Has the kernel forget the files' contents.

    Returns:
        The share of their pages that is still in memory.
    """
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return cached_share(files)


def read_into_page_cache(files: Sequence[Path]) -> float:
    """Reads the files once.

    Returns:
        The share of their pages that is in memory afterwards.
    """
    for path in files:
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 24):
                pass
    return cached_share(files)


def cached_share(files: Sequence[Path]) -> float:
    """The share of the files' pages that is in the page cache, as ``mincore`` tells."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    pages = held = 0
    for path in files:
        size = path.stat().st_size
        if not size:
            continue
        with path.open("rb") as file:
            place = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), 0)
        if place in (None, ctypes.c_void_p(-1).value):
            raise OSError(ctypes.get_errno(), "mmap")
        count = -(-size // mmap.PAGESIZE)
        vector = ctypes.create_string_buffer(count)
        failed = libc.mincore(place, size, vector)
        libc.munmap(place, size)
        if failed:
            raise OSError(ctypes.get_errno(), "mincore")
        pages += count
        held += sum(byte & 1 for byte in vector.raw)
    return held / pages if pages else 0.0


def pss_mb(pid: int) -> float:
    """Memory of a process in MB; of what it shares with others, its part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000
