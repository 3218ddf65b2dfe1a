"""One request to a model's host: find or start the host, send the request, and send it once more if the host dies.

::

    connect <------------------------------------------+
       |                                               |
       |   a record and a live lock?                   |
       |     it answers the health check: a link       |
       |     it does not yet: wait (hung: kill it)     |
       |   a live lock alone: wait, it is starting     |
       |   neither: start one (exited twice: HostLost) |
       |   patience over: NoHost                       |
       v                                               |
      send --- LEAVING --------------------------------+
       |------ BROKE, for the first time --------------+
       |------ BROKE again --> ModelError if the host crashed, HostLost if it was killed
       |------ HUNG ---------> killed, ModelDeadline
       |------ FAILED -------> ModelError
       |------ late, and the host goes on: it waited for its turn; at most `TURNS` times ---+ (send)
       v
    the answer

A leaving host has not started the request. So asking again is always safe and does not count as an attempt. A host
that broke may have died because of the request. After two such hosts the request is not sent to a third.
"""

import time
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

from resources.errors import HostLost, ModelCancelled, ModelDeadline, ModelError, NoHost, ResourceError
from resources.hosting import rundir, wire
from resources.hosting.calls import Calls
from resources.hosting.hosts import Deployment
from resources.hosting.identity import Identity
from resources.hosting.local import budget
from resources.hosting.local.link import Link, Links
from resources.hosting.local.starter import Starter
from resources.hosting.rundir import Record

if TYPE_CHECKING:
    import grpc

POLL_S = 0.02
# A broken call counts as a death if the process is gone within this time.
GONE_S = 2.0
# A call may wait for its turn this many times as long as it may compute. A host that hangs in another ends by its
# limit.
TURNS = 10
# A living process that does not answer a health check for this long is not loading: it hangs.
UNANSWERED_S = 60.0


class Outcome(Enum):
    """Why a request got no answer."""

    LEAVING = auto()  # the host was leaving and refused the request
    BROKE = auto()  # the process or the connection to it died
    HUNG = auto()  # the process is alive and gave no answer until long after the deadline
    FAILED = auto()  # the process is alive and gRPC failed in another way


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A request without an answer: the outcome, the link, gRPC's error, and its status in words."""

    outcome: Outcome
    link: Link
    error: "grpc.RpcError"
    status: str


class Patience:
    """Time limit of one connection, and the deaths it has seen so far.

    It uses two clocks. The monotonic clock measures the wait of this process. A host's record has wall time, the only
    clock that processes share.

    Args:
        seconds: Length of the limit.
        began: Start on the monotonic clock; now by default.
    """

    def __init__(self, seconds: float, began: float | None = None) -> None:
        self.seconds = seconds
        self._began = time.monotonic() if began is None else began
        self._since = time.time()
        self._dead = set[int]()

    @property
    def spent_s(self) -> float:
        """Return the seconds since it began."""
        return time.monotonic() - self._began

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return self.spent_s > self.seconds

    def is_hung(self, record: Record) -> bool:
        """Whether a living process that does not answer has had enough time, by its own age and by this wait."""
        return time.time() - record.started > UNANSWERED_S and self.spent_s > UNANSWERED_S

    def is_second_death(self, left: Record | None) -> bool:
        """Count a dead process. Return whether two have died since this wait began.

        Args:
            left: The record without a living process. A process that ends normally removes its record, or writes the
                reason in it.
        """
        if left is not None and left.error is None and left.started > self._since:
            self._dead.add(left.pid)
        return len(self._dead) > 1


@dataclass(frozen=True, slots=True)
class Exchange:
    """Reaches the host of one deployment.

    Attributes:
        folder: The hosts' folder.
        starter: Starts a host in that folder.
        links: The connections of this process.
        deployment: The model and its options.
        identity: The name of its host.
        calls: The calls to serve. After they are cancelled, nothing waits.
    """

    folder: Path
    starter: Starter
    links: Links
    deployment: Deployment
    identity: Identity
    calls: Calls

    def ask(self, payload: bytes, seconds: float) -> tuple[wire.Answer, float]:
        """Send a request, once more if the host dies during it, and again while it waits for its turn.

        Args:
            payload: The request.
            seconds: Time after which a warm host counts as hung; a loading host gets its load time in addition.

        Returns:
            The answer, and the number of seconds without a host to ask.

        Raises:
            ResourceError: No host started, or it gave no answer, or the calls were cancelled.
        """
        broken, waited_s, turns = False, 0.0, 1
        while True:
            patience = Patience(self.deployment.spec.load_deadline_s)
            link = self.connect(patience)
            waited_s += patience.spent_s
            allowed_s = seconds + (0.0 if link.warm else self.deployment.spec.load_deadline_s)
            sent = self._send(link, payload, allowed_s)
            if isinstance(sent, wire.Answer):
                if turns < TURNS and self._waited(sent, link):
                    turns += 1
                    continue
                link.warm = sent.error is None
                return sent, waited_s
            match sent.outcome:
                case Outcome.LEAVING:
                    pass
                case Outcome.BROKE if not broken:
                    broken = True
                case _:
                    raise self._error(sent, allowed_s) from sent.error

    def connect(self, patience: Patience, *, ahead: bool = False) -> Link:
        """Return a link to the living host. Start the host if there is none.

        Args:
            patience: How long to try.
            ahead: Whether nothing waits for the host yet.

        Raises:
            ResourceError: It cannot be started, had no room in time, or exited twice before it answered.
        """
        while True:
            self.calls.check()
            link = self._look(patience, ahead=ahead)
            if link is not None:
                return link
            if patience.is_over:
                problem = f"no host within {patience.seconds:.0f} s ({self.starter.why(self.identity)})"
                raise NoHost(self.deployment.spec.name, problem, "see vid-assets models")
            time.sleep(POLL_S)

    @property
    def _log(self) -> Path:
        return self.folder / f"{self.identity.stem}.log"

    def _look(self, patience: Patience, *, ahead: bool) -> Link | None:
        """Check the host once and take the next step towards it. Return the link if it is ready."""
        record = rundir.live_record(self.folder, self.identity.stem)
        if record is not None:
            link = self.links.to(record)
            if link is None and patience.is_hung(record):
                budget.kill(self.folder, record)
            return link
        if not rundir.is_held(self.folder / f"{self.identity.stem}.lock"):
            if patience.is_second_death(rundir.read_record(self.folder, self.identity.stem)):
                problem = "its host exited twice while it started"
                raise HostLost(self.deployment.spec.name, problem, f"see {self._log}")
            self.starter.start(self.deployment, self.identity, self.calls, ahead=ahead)
        return None

    def _send(self, link: Link, payload: bytes, seconds: float) -> wire.Answer | Unanswered:
        import grpc

        sent = link.call(payload, seconds)
        try:
            with self.calls.running(sent):
                return wire.from_bytes(sent.result())
        except grpc.FutureCancelledError:
            raise ModelCancelled(self.deployment.spec.name, "the run was cancelled", "run it again") from None
        except grpc.RpcError as error:
            self.calls.check()
            self.links.forget(link)
            call: grpc.Call = error  # pyright: ignore[reportAssignmentType]
            status = f"{call.code().name} {call.details()}"
            return Unanswered(self._outcome(call.code(), link), link, error, status)

    def _waited(self, answer: wire.Answer, link: Link) -> bool:
        """Whether a call was late only because the host computed others: one that is late itself ends the process."""
        return answer.error is not None and answer.error[0] == ModelDeadline.__name__ and not self._is_gone(link)

    def _outcome(self, code: "grpc.StatusCode", link: Link) -> Outcome:
        import grpc

        if code == grpc.StatusCode.ABORTED:
            return Outcome.LEAVING
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            return Outcome.HUNG
        # A broken connection is mostly UNAVAILABLE, but also UNKNOWN ("Stream removed", gRPC's issue 34076), or
        # CANCELLED by a server that ends (41785). What counts is whether the process still exists. A dying process must
        # not be used again, so this waits for its end whatever the code.
        if self._is_gone(link) or code == grpc.StatusCode.UNAVAILABLE:
            return Outcome.BROKE
        return Outcome.FAILED

    def _is_gone(self, link: Link) -> bool:
        """Whether the process of a link has ended, or ends within a moment."""
        give_up = time.monotonic() + GONE_S
        while (record := rundir.live_record(self.folder, link.record.stem)) is not None and link.leads_to(record):
            if time.monotonic() > give_up:
                return False
            time.sleep(POLL_S)
        return True

    def _error(self, sent: Unanswered, seconds: float) -> ResourceError:
        """Return the error for a request that is not sent again. A hung host is killed first."""
        name = self.deployment.spec.name
        match sent.outcome:
            case Outcome.BROKE:
                kind = ModelError if rundir.crashed(self._log) else HostLost
                return kind(name, "its host exited twice during the call", f"see {self._log}")
            case Outcome.HUNG:
                budget.kill(self.folder, sent.link.record)
                problem = f"its host (pid {sent.link.record.pid}) did not answer within {seconds:.0f} s and was killed"
                return ModelDeadline(name, problem, f"see {self._log}")
            case _:
                return ModelError(name, f"the call failed: {sent.status}", "report it")
