"""Budget of memory, GPU and threads for all hosts on one machine, and which hosts make room."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.catalog.spec import ModelSpec
from resources.errors import ModelError
from resources.hosting import rundir
from resources.hosting.rundir import Record
from resources.settings import settings

MEMORY_SHARE = 0.7
# A host that was loaded ahead of a run is about to be used: for this time another prewarm must not push it out.
EXPECTED_S = 120.0


@dataclass(frozen=True, slots=True)
class Standing:
    """State of a living host, and whether it can leave.

    Attributes:
        record: Its record.
        idle: Whether it is warm and nothing computes or waits in it.
        idle_s: How long it has been idle.
        calls: Calls answered since its start.
    """

    record: Record
    idle: bool
    idle_s: float
    calls: int

    @property
    def expected(self) -> bool:
        """Whether it was loaded ahead and has had no call yet."""
        return self.calls == 0 and self.idle_s < EXPECTED_S


def memory_budget_mb() -> float:
    """Return ``VID_HOST_MEMORY_MB``, else 70% of this machine's memory or of the control group's limit, in MB."""
    named = settings().host_memory_mb
    if named is not None:
        return named
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        path = Path(file)
        if path.is_file() and (text := path.read_text().strip()) != "max":
            limits.append(int(text))
    return MEMORY_SHARE * min(limits) / 1e6


def threads() -> int:
    """Return ``VID_HOST_THREADS``, else half of the cores. A run needs some too, and rarely over two models compute."""
    return settings().host_threads or max(1, len(os.sched_getaffinity(0)) // 2)


def check_fits(spec: ModelSpec) -> None:
    """Refuse a model that does not fit into an empty machine.

    Raises:
        ModelError: It needs more than the whole budget.
    """
    budget = memory_budget_mb()
    if spec.memory_mb > budget:
        problem = f"needs {spec.memory_mb} MB, the limit for all model hosts together is {budget:.0f} MB"
        raise ModelError(spec.name, problem, "raise VID_HOST_MEMORY_MB, or choose a smaller profile with VID_PROFILE")


def who_leaves(spec: ModelSpec, standings: Sequence[Standing], *, spare_expected: bool) -> list[Record] | None:
    """Return the idle hosts that must leave so that the model fits, least recently used first.

    Args:
        spec: The model that needs room.
        standings: All living hosts.
        spare_expected: Whether hosts that were loaded ahead and have had no call yet must stay.

    Returns:
        An empty list if there is room; None if even all idle hosts do not make enough room.
    """
    memory = memory_budget_mb() - spec.memory_mb - sum(standing.record.memory_mb for standing in standings)
    share = 1.0 - spec.gpu_share - sum(standing.record.gpu_share for standing in standings)
    idle = [standing for standing in standings if standing.idle and not (spare_expected and standing.expected)]
    leaving: list[Record] = []
    for standing in sorted(idle, key=lambda standing: (standing.expected, -standing.idle_s)):
        if memory >= 0 and share >= -1e-9:
            break
        helps = (memory < 0 and standing.record.memory_mb) or (share < 0 and standing.record.gpu_share)
        if helps:
            leaving.append(standing.record)
            memory += standing.record.memory_mb
            share += standing.record.gpu_share
    return leaving if memory >= 0 and share >= -1e-9 else None


def end(folder: Path, record: Record, seconds: float) -> None:
    """Wait for a host that was asked to leave, and kill it if it has not left after `seconds`. Its lock shows this."""
    lock = folder / f"{record.stem}.lock"
    give_up = time.monotonic() + seconds
    while rundir.is_held(lock):
        if time.monotonic() > give_up:
            kill(folder, record)
            give_up = float("inf")
        time.sleep(rundir.RETRY_S)


def kill(folder: Path, record: Record, sign: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a host if it is still the process in the record."""
    current = rundir.live_record(folder, record.stem)
    if current is not None and (current.pid, current.started) == (record.pid, record.started):
        os.kill(record.pid, sign)


def standing(record: Record, status: Callable[[Record], dict[str, Any] | None]) -> Standing:
    """Return the state of a host. A host that gives no figures is starting or busy, so it is not idle."""
    facts = status(record)
    if facts is None:
        return Standing(record, idle=False, idle_s=0.0, calls=0)
    return Standing(record, facts["idle"], facts["idle_s"], facts["calls"])
