"""Model hosts as processes on this machine: the engine's methods, and the status of a living host.

`exchange` describes, with a diagram, how one call finds its host, starts it, and survives its death.
"""

import functools
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from resources.errors import ResourceError, to_exception
from resources.hosting import rundir, wire
from resources.hosting.calls import Calls
from resources.hosting.hosts import Deployment, ModelHosts, ModelStatus
from resources.hosting.identity import Identity, identify
from resources.hosting.local.exchange import Exchange, Patience
from resources.hosting.local.link import Links
from resources.hosting.local.starter import Starter
from resources.hosting.messages import Stream
from resources.hosting.rundir import Record
from resources.hosting.usage import LoadRecord, Usage, report

# Time that a call may take beyond its deadline, which the host itself keeps. After that, the process does not answer.
GRACE_S = 5.0


def local_hosts(scratch: Path) -> "LocalHosts":
    """Return the one `LocalHosts` of this process for a scratch folder."""
    # gRPC connections do not survive a fork, so a forked child gets its own.
    return _local_hosts(scratch, os.getpid())


@functools.cache
def _local_hosts(scratch: Path, _pid: int) -> "LocalHosts":
    return LocalHosts(scratch)


@dataclass(slots=True)
class _Ahead:
    """A prewarm of this process: its start, its failure, and its thread."""

    since: float
    error: ResourceError | OSError | None = None
    thread: threading.Thread | None = None


class LocalHosts(ModelHosts):
    """The hosts under one scratch folder. You can use it from several threads.

    Args:
        scratch: ``VID_SCRATCH``; sockets and locks are in a private folder in it.

    Raises:
        HostsFolderError: That folder is not private.
    """

    def __init__(self, scratch: Path) -> None:
        self.folder = rundir.hosts_folder(scratch)
        self._starter = Starter(self.folder, self._facts)
        self._links = Links(self.folder)
        self._ahead: dict[str, _Ahead] = {}
        self._prewarms = Calls()
        self._lock = threading.Lock()

    def prewarm(self, deployment: Deployment) -> None:
        """Load the model in a thread and return at once. A failure appears in `status`."""
        identity = identify(deployment.spec, deployment.options)
        with self._lock:
            ahead = self._ahead.get(identity.stem)
            if ahead is not None and ahead.error is None:
                return
            self._ahead[identity.stem] = ahead = _Ahead(time.monotonic())
            arguments = (deployment, identity, ahead, self._prewarms)
            ahead.thread = threading.Thread(target=self._bring_up, args=arguments, daemon=True, name="prewarm")
            ahead.thread.start()

    def call(
        self,
        deployment: Deployment,
        method: str,
        streams: Mapping[str, Stream],
        args: Mapping[str, Any],
        *,
        video_id: str = "",
        deadline_s: float,
        calls: Calls,
    ) -> pl.DataFrame:
        """See `ModelHosts.call`."""
        identity = identify(deployment.spec, deployment.options)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        with wire.packed(method, streams, args, video_id, deadline_s, self.folder) as payload:
            answer, waited = self._exchange(deployment, identity, calls).ask(payload, deadline_s + GRACE_S)
        self._done_ahead(identity)
        frame = wire.read_frame(answer, video_id)
        self._report(answer, waited)
        return frame

    def status(self, deployment: Deployment) -> ModelStatus:
        """See `ModelHosts.status`."""
        name = deployment.spec.name
        stem = identify(deployment.spec, deployment.options).stem
        record = rundir.live_record(self.folder, stem)
        if record is not None:
            return self._told(record)
        ahead = self._ahead.get(stem)
        if ahead is not None and ahead.error is not None:
            return ModelStatus("failed", time.monotonic() - ahead.since, str(ahead.error), model=name)
        record = rundir.read_record(self.folder, stem)
        if record is not None and record.error is not None and record.ended is not None:
            return ModelStatus("failed", time.time() - record.ended, str(to_exception(record.error)), model=name)
        if ahead is not None:
            return ModelStatus("loading", time.monotonic() - ahead.since, model=name)
        if rundir.is_held(self.folder / f"{stem}.lock"):
            return ModelStatus("loading", model=name)
        return ModelStatus("absent", model=name)

    def standing(self) -> list[ModelStatus]:
        """Return all living hosts, oldest first."""
        return [self._told(record) for record in rundir.living(self.folder)]

    def stop(self) -> None:
        """Stop all hosts, of any code version, and remove their folder."""
        with self._lock:
            # A running prewarm would start its host again.
            self._prewarms.cancel()
            self._prewarms = Calls()
            threads = [ahead.thread for ahead in self._ahead.values() if ahead.thread is not None]
        for thread in threads:
            thread.join()
        self._starter.stop_all()
        self._links.close()
        with self._lock:
            self._ahead.clear()

    def _exchange(self, deployment: Deployment, identity: Identity, calls: Calls) -> Exchange:
        return Exchange(self.folder, self._starter, self._links, deployment, identity, calls)

    def _bring_up(self, deployment: Deployment, identity: Identity, ahead: _Ahead, calls: Calls) -> None:
        """Run the prewarm thread: start the host, which loads by itself."""
        try:
            patience = Patience(deployment.spec.load_deadline_s, ahead.since)
            self._exchange(deployment, identity, calls).connect(patience, ahead=True)
        except (ResourceError, OSError) as error:
            ahead.error = error
            return
        self._done_ahead(identity)

    def _done_ahead(self, identity: Identity) -> None:
        with self._lock:
            self._ahead.pop(identity.stem, None)

    def _facts(self, record: Record) -> dict[str, Any] | None:
        link = self._links.to(record)
        return None if link is None else link.status()

    def _told(self, record: Record) -> ModelStatus:
        """Return the status of a living host. A host without a status yet is loading."""
        facts = self._facts(record)
        if facts is None:
            return ModelStatus("loading", time.time() - record.started, model=record.model, pid=record.pid)
        return ModelStatus(
            facts["state"],
            facts["seconds"],
            model=record.model,
            pid=record.pid,
            memory_mb=facts["memory_mb"],
            calls=facts["calls"],
            p50_ms=facts["p50_ms"],
            device=facts["device"],
            busy_s=facts["busy_s"],
        )

    def _report(self, answer: wire.Answer, waited: float) -> None:
        meta = answer.meta
        ours = self._starter.claim_load(meta["pid"])
        load = LoadRecord(**meta["load"]) if ours else LoadRecord("hit", 0.0, meta["load"]["bytes"])
        report(
            Usage(
                wait_s=waited + meta["wait_s"],
                queue_s=meta["queue_s"],
                compute_s=meta["compute_s"],
                calls=1,
                model=meta["model"],
                revision=meta["revision"],
                precision=meta["precision"],
                device=meta["device"],
                source=meta["source"],
                host_pid=meta["pid"],
                load=load,
            )
        )
