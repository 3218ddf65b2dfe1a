"""The host process: ``python -m resources.hosting.server.process``. Only `local.LocalHosts` starts it.

It reads its order (JSON) from standard input, detaches, and answers gRPC on a unix socket until it is stopped or has
been idle for a long time. The lock from its start stays open, and so locked, until the process ends.
"""

import asyncio
import faulthandler
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import grpc.aio

    from resources.hosting.host import Host
    from resources.hosting.rundir import Record
    from resources.hosting.server.batching import Ticket

STUCK_EXIT = 70


def main() -> None:
    """Read the order, start a detached child that serves, and return once the child's record exists."""
    from resources.hosting.rundir import Record, write_record

    order = json.load(sys.stdin)
    os.umask(0o077)
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        os.read(reading, 1)
        return
    os.close(reading)
    # Only this process is the host: programs that it starts must not keep its lock.
    os.set_inheritable(order["lock"], False)
    record = Record(pid=os.getpid(), started=time.time(), **order["record"])
    write_record(Path(order["folder"]), record)
    os.close(writing)
    faulthandler.enable()
    asyncio.run(_Server(order, record).serve())
    sys.stdout.flush()
    sys.stderr.flush()
    # A computing thread that never returns must not keep the process alive.
    os._exit(0)


class _Server:
    """Serves one host: its gRPC interface and its status."""

    def __init__(self, order: Mapping[str, Any], record: "Record") -> None:
        from resources.catalog.spec import ModelSpec
        from resources.hosting.server.batching import Batcher

        values: dict[str, Any] = order["spec"]
        self.spec = ModelSpec(
            **{**values, "profiles": tuple(values["profiles"]), "patterns": tuple(values["patterns"])}
        )
        self.record = record
        self.folder = Path(order["folder"])
        self.models = Path(order["models"])
        self.options: Mapping[str, Any] = order["options"]
        self.idle_s = float(order["idle_s"])
        self.log = self.folder / f"{record.stem}.log"
        self.began = time.monotonic()
        self.warm_since: float | None = None
        self.load: dict[str, Any] = {}
        self.revision = self.spec.revision
        self.stopping = asyncio.Event()
        self.batcher = Batcher(self._make, self.spec.batch, self.spec.window_ms / 1000)

    async def serve(self) -> None:
        """Open the socket, load, answer, and clean up."""
        from grpc_health.v1 import health_pb2, health_pb2_grpc
        from grpc_health.v1._async import HealthServicer

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stopping.set)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        server = self._open()
        checks = HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(checks, server)
        await server.start()
        self._path("sock").chmod(0o600)
        await checks.set("model", health_pb2.HealthCheckResponse.NOT_SERVING)
        loading = asyncio.create_task(self._load())
        stopped = asyncio.create_task(self.stopping.wait())
        await asyncio.wait([loading, stopped], return_when=asyncio.FIRST_COMPLETED)
        if self.warm_since is not None:
            await checks.set("model", health_pb2.HealthCheckResponse.SERVING)
            computing = asyncio.create_task(self.batcher.run())
            await self._until_idle_or_stopped()
            computing.cancel()
        await server.stop(0.5)
        self._leave()

    def _open(self) -> "grpc.aio.Server":
        import grpc
        import grpc.aio

        from resources.hosting.messages import SERVICE

        methods = {"Call": self.call, "Status": self.status, "Stop": self.stop}
        handlers = {name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()}
        server = grpc.aio.server(
            options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        server.add_insecure_port(f"unix:{self._path('sock')}")
        return server

    def _make(self) -> "Host":
        """Verify the weights, create the host, load it, and measure this. Runs in the computing thread."""
        from resources.catalog.store import locate
        from resources.hosting.host import make_host

        began, read = time.monotonic(), _bytes_from_storage()
        weights = locate(self.spec, self.models)
        host = make_host(self.spec, weights.folder, self.options, self.models)
        host.load()
        cold = _bytes_from_storage() - read >= weights.bytes / 2
        self.revision = self.batcher.revision = weights.revision
        self.load = {
            "kind": "cold" if cold else "warm_disk",
            "load_s": time.monotonic() - began,
            "bytes": weights.bytes,
        }
        return host

    async def _load(self) -> None:
        from resources.errors import to_error
        from resources.hosting.rundir import write_record

        error = await self.batcher.load()
        if error is None:
            self.warm_since = time.monotonic()
            return
        told = to_error(error, self.spec.name, self.log)
        write_record(self.folder, replace(self.record, error=told, ended=time.time()))
        self.batcher.fail(error)
        # The answers must be sent before the socket closes.
        await asyncio.sleep(0.1)

    async def _until_idle_or_stopped(self) -> None:
        while not self.stopping.is_set():
            left = self.batcher.last_used + self.idle_s - time.monotonic()
            if left <= 0 and self.batcher.is_idle():
                self.stopping.set()
                return
            try:
                await asyncio.wait_for(self.stopping.wait(), max(left, 0.1))
            except TimeoutError:
                continue

    async def call(self, payload: bytes, context: "grpc.aio.ServicerContext") -> bytes:
        """Answer one request, or return the error. Waits until the model is warm."""
        import grpc

        from resources.errors import to_error
        from resources.hosting.wire import Answer, to_bytes

        if self.stopping.is_set():
            await context.abort(grpc.StatusCode.ABORTED, "stopping")
        order = json.loads(payload)
        arrived = time.monotonic()
        ticket = self.batcher.submit(order)
        try:
            in_time = await self._answered(ticket, order["deadline_s"])
        finally:
            ticket.done.cancel()
        error = ticket.done.exception() if in_time else self._late(ticket, order)
        if error is not None:
            return to_bytes(Answer({}, error=to_error(error, self.spec.name, self.log)))
        assert self.warm_since is not None
        frame, figures = ticket.done.result()
        wait_s = max(0.0, self.warm_since - arrived)
        return to_bytes(Answer({**figures, "wait_s": wait_s, **self._facts()}, frame))

    async def _answered(self, ticket: "Ticket", seconds: float) -> bool:
        """Wait for the ticket's answer and return whether it is in time. The time starts when the model is warm."""
        while not ticket.done.done():
            left = ticket.since + seconds - time.monotonic()
            if self.warm_since is None:
                left = max(left, 0.05)
            if left <= 0:
                return False
            await asyncio.wait([ticket.done], timeout=left)
        return True

    def _late(self, ticket: "Ticket", order: Mapping[str, Any]) -> Exception:
        """Return the error of a late call, and end the process if it hangs in this call."""
        from resources.errors import ModelDeadline

        where = "waiting for its turn"
        if ticket.started is not None:
            where = "computing"
            # Native code cannot be interrupted: the process must end, and the next call starts another.
            asyncio.get_running_loop().call_later(0.1, os._exit, STUCK_EXIT)
        problem = f"{order['method']} was not answered within {order['deadline_s']:.1f} s ({where})"
        return ModelDeadline(self.spec.name, problem, f"raise deadline_s, or see {self.log}")

    async def status(self, _payload: bytes, _context: "grpc.aio.ServicerContext") -> bytes:
        """Return the figures of the host as JSON."""
        import psutil

        since = self.began if self.warm_since is None else self.warm_since
        facts = {
            **self._facts(),
            "state": "loading" if self.warm_since is None else "warm",
            "seconds": time.monotonic() - since,
            "memory_mb": psutil.Process().memory_info().rss / 1e6,
            "calls": self.batcher.calls,
            "p50_ms": self.batcher.p50_ms(),
            "busy_s": self.batcher.busy_s(),
            "idle": self.warm_since is not None and self.batcher.is_idle(),
            "idle_s": time.monotonic() - self.batcher.last_used,
        }
        return json.dumps(facts).encode()

    async def stop(self, payload: bytes, _context: "grpc.aio.ServicerContext") -> bytes:
        """Stop the host; with ``only_idle``, only if nothing computes, waits or loads. Return whether it stops."""
        busy = self.warm_since is None or not self.batcher.is_idle()
        if not (json.loads(payload).get("only_idle") and busy):
            self.stopping.set()
        return json.dumps({"stopping": self.stopping.is_set()}).encode()

    def _facts(self) -> dict[str, Any]:
        host = self.batcher.host
        return {
            "model": self.spec.name,
            "revision": self.revision,
            "source": self.spec.source,
            "precision": host.precision if host else self.spec.precision,
            "device": host.device if host else None,
            "pid": self.record.pid,
            "load": self.load,
        }

    def _path(self, ending: str) -> Path:
        return self.folder / f"{self.record.stem}.{ending}"

    def _leave(self) -> None:
        """Remove the host's files. After a failed load its record and log stay for reading."""
        self._path("sock").unlink(missing_ok=True)
        if self.stopping.is_set():
            for ending in ("json", "log", "lock"):
                self._path(ending).unlink(missing_ok=True)


def _bytes_from_storage() -> int:
    """Return the bytes that this process has read from storage, not from the page cache, as counted by Linux."""
    counters = Path("/proc/self/io")
    values = dict(line.split(": ") for line in counters.read_text().splitlines())
    return int(values["read_bytes"])


if __name__ == "__main__":
    main()
