"""Starts and stops host processes, within the budget of the machine."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from resources.catalog.store import locate
from resources.errors import HostLost, to_exception
from resources.hosting import rundir
from resources.hosting.calls import Calls
from resources.hosting.hosts import Deployment
from resources.hosting.identity import Identity
from resources.hosting.local import budget
from resources.hosting.local.link import Link
from resources.hosting.rundir import Record
from resources.settings import settings

START_S = 30.0
LEAVE_S = 5.0
# A failed load is not tried again at once: every step of a run would pay for it again.
FAILED_S = 30.0


class Starter:
    """Starts hosts in one folder.

    Args:
        folder: The private folder of `rundir.hosts_folder`.
        facts: Asks a living host for its figures; None if it does not answer.
    """

    def __init__(self, folder: Path, facts: Callable[[Record], dict[str, Any] | None]) -> None:
        self.folder = folder
        self._facts = facts
        self._started: set[int] = set()
        self._why: dict[str, str] = {}

    def start(self, deployment: Deployment, identity: Identity, calls: Calls, *, ahead: bool) -> bool:
        """Start a host, unless another process has just started it, or there is no room now.

        Args:
            deployment: The model to load.
            identity: Name of the host.
            calls: The calls to serve. After they are cancelled, nothing is started.
            ahead: Whether nothing waits for it yet. If so, it pushes out no host that waits for its first call.

        Returns:
            Whether it was started; if not, try again a little later.

        Raises:
            ModelUnavailable: Weights are missing or altered.
            ModelError: The model is larger than the budget, or its load has just failed.
            ModelCancelled: The calls were cancelled.
        """
        spec = deployment.spec
        locate(spec, deployment.models)
        budget.check_fits(spec)
        self._refuse_what_just_failed(identity)
        with rundir.locked(self.folder / "budget.lock", START_S):
            calls.check()
            lock = rundir.try_lock(self.folder / f"{identity.stem}.lock")
            if lock is None:
                return False
            try:
                if not self._make_room(deployment, identity, ahead=ahead):
                    return False
                rundir.clear(self.folder, identity.stem, "sock", "json", "log")
                self._spawn(deployment, identity, lock)
            finally:
                os.close(lock)
        return True

    def claim_load(self, pid: int) -> bool:
        """Whether this process started that host and has not reported it yet, so that its load counts once."""
        if pid in self._started:
            self._started.discard(pid)
            return True
        return False

    def why(self, identity: Identity) -> str:
        """Return why a host is not ready yet."""
        return self._why.get(identity.stem, "it does not answer")

    def stop_all(self) -> None:
        """Stop every host, remove all their files, then remove the folder."""
        if not self.folder.exists():
            return
        with rundir.locked(self.folder / "budget.lock", START_S):
            records = rundir.living(self.folder)
            for record in records:
                if not self._ask_to_leave(record, only_idle=False):
                    budget.kill(self.folder, record, signal.SIGTERM)
            for record in records:
                budget.end(self.folder, record, LEAVE_S)
            for path in self.folder.iterdir():
                path.unlink(missing_ok=True)
        self.folder.rmdir()

    def _refuse_what_just_failed(self, identity: Identity) -> None:
        record = rundir.read_record(self.folder, identity.stem)
        if record is None or record.error is None or record.ended is None:
            return
        if time.time() - record.ended < FAILED_S:
            raise to_exception(record.error)

    def _make_room(self, deployment: Deployment, identity: Identity, *, ahead: bool) -> bool:
        living = [record for record in rundir.living(self.folder) if record.stem != identity.stem]
        for record in living:
            if record.model == deployment.spec.name and record.code != identity.code:
                # It was started from outdated code. A caller that still uses it keeps it busy.
                self._send_away(record)
        living = [record for record in living if rundir.is_held(self.folder / f"{record.stem}.lock")]
        standings = [budget.standing(record, self._facts) for record in living]
        leaving = budget.who_leaves(deployment.spec, standings, spare_expected=ahead)
        if leaving is None:
            names = ", ".join(record.model for record in living)
            self._why[identity.stem] = f"no memory beside {names} in {budget.memory_budget_mb():.0f} MB"
            return False
        return all(self._send_away(record) for record in leaving)

    def _send_away(self, record: Record) -> bool:
        """End a host if it is idle. Return whether it is gone."""
        if not self._ask_to_leave(record, only_idle=True):
            return False
        budget.end(self.folder, record, LEAVE_S)
        return True

    def _ask_to_leave(self, record: Record, *, only_idle: bool) -> bool:
        link = Link(self.folder, record)
        try:
            return link.stop(only_idle=only_idle)
        finally:
            link.close()

    def _spawn(self, deployment: Deployment, identity: Identity, lock: int) -> None:
        spec = deployment.spec
        record = {
            "model": spec.name,
            "stem": identity.stem,
            "code": identity.code,
            "memory_mb": spec.memory_mb,
            "gpu_share": spec.gpu_share,
        }
        order = {
            "record": record,
            "spec": asdict(spec),
            "options": dict(deployment.options),
            "models": str(deployment.models),
            "folder": str(self.folder),
            "lock": lock,
            "idle_s": settings().model_idle_s,
        }
        log = self.folder / f"{identity.stem}.log"
        with log.open("wb") as sink:
            try:
                subprocess.run(
                    [sys.executable, "-P", "-m", "resources.hosting.server.process"],
                    input=json.dumps(order).encode(),
                    stdout=sink,
                    stderr=sink,
                    pass_fds=(lock,),
                    start_new_session=True,
                    env=_environment(),
                    cwd="/",
                    timeout=START_S,
                    check=True,
                )
            except subprocess.SubprocessError as error:
                raise HostLost(spec.name, f"its host did not start ({error})", f"see {log}") from error
        started = rundir.read_record(self.folder, identity.stem)
        if started is None:
            raise HostLost(spec.name, "its host ended while it started", f"see {log}")
        self._started.add(started.pid)


def _environment() -> dict[str, str]:
    """Return this process's environment with the host's share of cores, without network, and with our import path."""
    threads = str(budget.threads())
    counts = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS")
    return {
        **os.environ,
        **dict.fromkeys(counts, threads),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path),
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_OFFLINE": "1",
    }
