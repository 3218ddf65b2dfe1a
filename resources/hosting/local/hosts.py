"""Model hosts as processes of this machine: found, started under a lock, called, and started again when they die."""

import functools
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from resources.errors import HostLost, ModelCancelled, ModelDeadline, ModelError, NoHost, ResourceError, to_exception
from resources.hosting import rundir, wire
from resources.hosting.calls import Calls
from resources.hosting.hosts import Deployment, ModelHosts, ModelStatus
from resources.hosting.identity import Identity, identify
from resources.hosting.local import budget
from resources.hosting.local.link import Link
from resources.hosting.local.starter import Starter
from resources.hosting.messages import Stream
from resources.hosting.rundir import Record
from resources.hosting.usage import LoadRecord, Usage, report

if TYPE_CHECKING:
    import grpc

POLL_S = 0.02
# What a call may take beyond its deadline, which the host itself keeps: then the process does not answer at all.
GRACE_S = 5.0
# A broken call is a death if the process is gone so soon after it.
GONE_S = 2.0
# A process that lives and does not answer a health check for so long is not loading: it hangs.
UNANSWERED_S = 60.0


def local_hosts(scratch: Path) -> "LocalHosts":
    """The one `LocalHosts` of this process for a scratch folder."""
    # gRPC connections do not survive a fork, so a forked child gets its own.
    return _local_hosts(scratch, os.getpid())


@functools.cache
def _local_hosts(scratch: Path, _pid: int) -> "LocalHosts":
    return LocalHosts(scratch)


@dataclass(slots=True)
class _Ahead:
    """A prewarm of this process: since when, how it failed, and who does it."""

    since: float
    error: ResourceError | OSError | None = None
    thread: threading.Thread | None = None


class LocalHosts(ModelHosts):
    """The hosts under one scratch folder. Safe to use from several threads.

    Args:
        scratch: ``VID_SCRATCH``; sockets and locks lie in a private folder in it.

    Raises:
        HostsFolderError: That folder is not safely ours.
    """

    def __init__(self, scratch: Path) -> None:
        self.folder = rundir.hosts_folder(scratch)
        self._starter = Starter(self.folder, self._facts)
        self._links: dict[str, Link] = {}
        self._ahead: dict[str, _Ahead] = {}
        self._prewarms = Calls()
        self._lock = threading.Lock()

    def prewarm(self, deployment: Deployment) -> None:
        """Has the model loaded by a thread; returns at once. A failure shows in `status`."""
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
            answer, waited = self._exchange(deployment, identity, payload, deadline_s, calls)
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
        """All living hosts, oldest first."""
        return [self._told(record) for record in rundir.living(self.folder)]

    def stop(self) -> None:
        """Stops all hosts, of whatever code version, and removes their folder."""
        with self._lock:
            # A prewarm under way would start its host anew.
            self._prewarms.cancel()
            self._prewarms = Calls()
            threads = [ahead.thread for ahead in self._ahead.values() if ahead.thread is not None]
        for thread in threads:
            thread.join()
        self._starter.stop_all()
        with self._lock:
            for link in self._links.values():
                link.close()
            self._links.clear()
            self._ahead.clear()

    def _exchange(
        self, deployment: Deployment, identity: Identity, payload: bytes, deadline_s: float, calls: Calls
    ) -> tuple[wire.Answer, float]:
        """Sends the request, once more if the host dies over it. Also answers how long the host took to be there."""
        import grpc

        name = deployment.spec.name
        breaks, waited = 0, 0.0
        while True:
            began = time.monotonic()
            link = self._connect(deployment, identity, began, calls)
            waited += time.monotonic() - began
            seconds = deadline_s + GRACE_S + (0.0 if link.warm else deployment.spec.load_deadline_s)
            sent = link.call(payload, seconds)
            try:
                with calls.running(sent):
                    answer = wire.from_bytes(sent.result())
            except grpc.FutureCancelledError:
                raise ModelCancelled(name, "the run was cancelled", "run it again") from None
            except grpc.RpcError as error:
                calls.check()
                self._forget(identity.stem, link)
                breaks += self._after_failure(error, deployment, link, seconds)  # pyright: ignore[reportArgumentType]
                if breaks > 1:
                    log = self.folder / f"{identity.stem}.log"
                    kind = ModelError if rundir.crashed(log) else HostLost
                    raise kind(name, "its host exited twice during the call", f"see {log}") from error
                continue
            link.warm = answer.error is None
            self._done_ahead(identity)
            return answer, waited

    def _after_failure(self, error: "grpc.Call", deployment: Deployment, link: Link, seconds: float) -> int:
        """What a failed exchange means: 1 for a host that broke off, 0 for one that was leaving anyway."""
        import grpc

        name = deployment.spec.name
        code = error.code()
        if code == grpc.StatusCode.ABORTED:
            return 0
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            budget.kill(self.folder, link.record)
            problem = f"its host (pid {link.record.pid}) did not answer within {seconds:.0f} s and was killed"
            raise ModelDeadline(name, problem, f"see {self.folder / f'{link.record.stem}.log'}")
        # A connection that broke is mostly UNAVAILABLE, but also UNKNOWN ("Stream removed", gRPC's issue 34076), or
        # CANCELLED by a server that ends (41785): what counts is whether the process is still there. One that is just
        # dying must not be met again.
        if not self._is_gone(link) and code != grpc.StatusCode.UNAVAILABLE:
            raise ModelError(name, f"the call failed: {code.name} {error.details()}", "report it")
        return 1

    def _is_gone(self, link: Link) -> bool:
        """Whether the process behind a link has ended, or does so in a moment."""
        give_up = time.monotonic() + GONE_S
        while (record := rundir.live_record(self.folder, link.record.stem)) is not None and link.leads_to(record):
            if time.monotonic() > give_up:
                return False
            time.sleep(POLL_S)
        return True

    def _connect(
        self, deployment: Deployment, identity: Identity, began: float, calls: Calls, *, ahead: bool = False
    ) -> Link:
        """A link to the living host, which is started if there is none.

        Raises:
            ResourceError: It cannot be started, there was no room for it in time, or it died twice before it answered.
        """
        give_up = began + deployment.spec.load_deadline_s
        since, dead = time.time(), set[int]()
        while True:
            calls.check()
            record = rundir.live_record(self.folder, identity.stem)
            if record is not None:
                link = self._link(record)
                if link is not None:
                    return link
                if time.time() - record.started > UNANSWERED_S and time.monotonic() - began > UNANSWERED_S:
                    budget.kill(self.folder, record)
            elif not rundir.is_held(self.folder / f"{identity.stem}.lock"):
                left = rundir.read_record(self.folder, identity.stem)
                # One that ends in order takes its record along, or says in it why.
                if left is not None and left.error is None and left.started > since:
                    dead.add(left.pid)
                if len(dead) > 1:
                    log = self.folder / f"{identity.stem}.log"
                    raise HostLost(deployment.spec.name, "its host exited twice while it started", f"see {log}")
                self._starter.start(deployment, identity, calls, ahead=ahead)
            if time.monotonic() > give_up:
                problem = f"no host within {deployment.spec.load_deadline_s:.0f} s ({self._starter.why(identity)})"
                raise NoHost(deployment.spec.name, problem, "see vid-assets models")
            time.sleep(POLL_S)

    def _link(self, record: Record) -> Link | None:
        """The link to a living process, kept from one call to the next; None while it does not answer yet."""
        with self._lock:
            link = self._links.get(record.stem)
        if link is not None and link.leads_to(record):
            return link
        if not (self.folder / f"{record.stem}.sock").exists():
            return None
        link = Link(self.folder, record)
        if not link.is_up():
            link.close()
            return None
        with self._lock:
            # A link that others still call over is left to them; it closes with its last user.
            self._links[record.stem] = link
        return link

    def _forget(self, stem: str, link: Link) -> None:
        with self._lock:
            if self._links.get(stem) is link:
                del self._links[stem]

    def _bring_up(self, deployment: Deployment, identity: Identity, ahead: _Ahead, calls: Calls) -> None:
        """The prewarm thread: starts the host, which loads by itself."""
        try:
            self._connect(deployment, identity, ahead.since, calls, ahead=True)
        except (ResourceError, OSError) as error:
            ahead.error = error
            return
        self._done_ahead(identity)

    def _done_ahead(self, identity: Identity) -> None:
        with self._lock:
            self._ahead.pop(identity.stem, None)

    def _facts(self, record: Record) -> dict[str, Any] | None:
        link = self._link(record)
        return None if link is None else link.status()

    def _told(self, record: Record) -> ModelStatus:
        """What a living host says about itself; one that says nothing yet is loading."""
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
