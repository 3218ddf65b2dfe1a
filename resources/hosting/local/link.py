"""A client's connections to host processes: gRPC on their unix sockets."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.hosting.rundir import Record

if TYPE_CHECKING:
    import grpc

OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # The process behind a socket may change at any moment, so connections share nothing.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)


class Link:
    """A connection to the host process of one record.

    Attributes:
        record: The process at the other end.
        warm: Whether a call has been answered, so that the next call cannot wait for a load.
    """

    def __init__(self, folder: Path, record: Record) -> None:
        import grpc

        self.record = record
        self.warm = False
        self._channel = grpc.insecure_channel(f"unix:{folder / f'{record.stem}.sock'}", options=OPTIONS)

    def leads_to(self, record: Record) -> bool:
        """Whether this is the process in the record."""
        return (self.record.pid, self.record.started) == (record.pid, record.started)

    def is_up(self, seconds: float = 1.0) -> bool:
        """Whether the process answers gRPC's health check."""
        import grpc
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        try:
            stub: Any = health_pb2_grpc.HealthStub(self._channel)
            reply = stub.Check(health_pb2.HealthCheckRequest(), timeout=seconds)
        except grpc.RpcError:
            return False
        return reply.status == health_pb2.HealthCheckResponse.SERVING

    def call(self, payload: bytes, seconds: float) -> "grpc.Future":
        """Send a request. The future has the answer's bytes."""
        return self._method("Call").future(payload, timeout=seconds)

    def status(self, seconds: float = 1.0) -> dict[str, Any] | None:
        """Return the host's figures; None if it does not answer in time."""
        return self._ask("Status", {}, seconds)

    def stop(self, *, only_idle: bool, seconds: float = 2.0) -> bool:
        """Ask the host to leave. Return whether it agrees."""
        reply = self._ask("Stop", {"only_idle": only_idle}, seconds)
        return bool(reply and reply["stopping"])

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _ask(self, method: str, order: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        import grpc

        try:
            return json.loads(self._method(method)(json.dumps(order).encode(), timeout=seconds))
        except grpc.RpcError:
            return None

    def _method(self, name: str) -> "grpc.UnaryUnaryMultiCallable":
        from resources.hosting.messages import SERVICE

        return self._channel.unary_unary(f"/{SERVICE}/{name}")


class Links:
    """The connections of this process, at most one per host, kept between calls. Threads can share it.

    Args:
        folder: The hosts' folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._links: dict[str, Link] = {}
        self._lock = threading.Lock()

    def to(self, record: Record) -> Link | None:
        """Return the link to a living process; None until it answers."""
        with self._lock:
            link = self._links.get(record.stem)
        if link is not None and link.leads_to(record):
            return link
        if not (self._folder / f"{record.stem}.sock").exists():
            return None
        link = Link(self._folder, record)
        if not link.is_up():
            link.close()
            return None
        with self._lock:
            # A link that other threads still use is left to them; it closes with its last user.
            self._links[record.stem] = link
        return link

    def forget(self, link: Link) -> None:
        """Let the next caller connect again, unless another thread already has."""
        with self._lock:
            if self._links.get(link.record.stem) is link:
                del self._links[link.record.stem]

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for link in self._links.values():
                link.close()
            self._links.clear()
