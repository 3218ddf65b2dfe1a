"""The models of a run: requested at its start, watched in the background, with the work done while they load."""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

POLL_FIRST_S = 0.02
POLL_MOST_S = 0.25
ASK_AGAIN_S = 2.0
ABSENT_GRACE_S = 10.0


class ModelStatus(Protocol):
    """State of a model."""

    @property
    def state(self) -> Literal["absent", "loading", "warm", "failed"]:
        """``absent`` (no host holds it), ``loading``, ``warm``, or ``failed`` (the load ended with `error`)."""
        ...

    @property
    def seconds(self) -> float:
        """Seconds that the load has taken so far, or took."""
        ...

    @property
    def error(self) -> str | None:
        """Why the load failed, or None."""
        ...


@runtime_checkable
class Warmable(Protocol):
    """A resource whose model can be loaded ahead of its first call."""

    def prewarm(self) -> None:
        """Start loading, unless the model is loading or warm; returns at once."""
        ...

    def status(self) -> ModelStatus:
        """Return the current state. It must be cheap: it is called several times per second."""
        ...

    def cancel(self) -> None:
        """Abort this process's calls to the model, so that waiting steps get an error."""
        ...


@runtime_checkable
class Sparing(Protocol):
    """A resource that knows which steps do not use their models in this run."""

    def is_idle(self, step_key: str) -> bool:
        """Whether the step needs no model loaded."""
        ...


@dataclass(slots=True)
class Model:
    """One model of a run.

    Attributes:
        name: Resource key.
        handle: The resource.
        state: ``asked`` until the first answer, then as in `ModelStatus`.
        error: Why it failed, or None.
        asked_at: When the run requested it, on the monotonic clock.
        ended_at: When it was warm or failed, on the monotonic clock; None before that.
        was_warm: Whether it was warm at the request.
        load_s: Seconds that the load took, as the model reports them.
    """

    name: str
    handle: Warmable
    state: Literal["asked", "absent", "loading", "warm", "failed"] = "asked"
    error: str | None = None
    asked_at: float = field(default_factory=time.monotonic)
    ended_at: float | None = None
    was_warm: bool = False
    load_s: float = 0.0


class Models:
    """Requests all models at once and returns which are ready, without ever blocking the caller.

    Each model has its own thread, because a host that hangs must not delay the others' answers.

    Args:
        handles: Resource key to resource.
        notify: Called from the model's thread with a `Model` on its first answer, and when it is warm or failed.
        wait_s: Maximum seconds a step waits for its model. After that the step starts, and its call waits or fails.
    """

    def __init__(self, handles: Mapping[str, Warmable], notify: Callable[[Model], None], wait_s: float) -> None:
        self._notify = notify
        self._wait_s = wait_s
        self._stop = threading.Event()
        self.all = {name: Model(name, handle) for name, handle in handles.items()}

    def start(self) -> None:
        """Request every model; returns at once."""
        for model in self.all.values():
            threading.Thread(target=self._watch, args=(model,), daemon=True, name=f"model {model.name}").start()

    def stop(self) -> None:
        """Stop watching. Models continue to load in their hosts, for the next run."""
        self._stop.set()

    def cancel(self) -> None:
        """Abort this process's calls to all models; returns at once."""
        for model in self.all.values():
            threading.Thread(target=model.handle.cancel, daemon=True, name=f"cancel {model.name}").start()

    def ready(self, names: Collection[str]) -> bool:
        """Whether a step with these models may start: each is warm, has failed, or has been waited for long enough."""
        return all(self.all[name].ended_at is not None or self.overdue(self.all[name]) for name in names)

    def nobody_loads(self, names: Collection[str]) -> bool:
        """Whether the models that are not ready have been absent for a while: no room for them, or no answer.

        Start their steps if nothing else can start: the slot is free then, and the call creates the host.
        """
        waiting = [self.all[name] for name in names if not self.ready([name])]
        now = time.monotonic()
        return all(model.state == "absent" and now - model.asked_at > ABSENT_GRACE_S for model in waiting)

    def overdue(self, model: Model) -> bool:
        """Whether a model has used up its waiting time without becoming warm."""
        return model.ended_at is None and time.monotonic() - model.asked_at >= self._wait_s

    def _watch(self, model: Model) -> None:
        try:
            self._follow(model)
        except BaseException as problem:  # noqa: BLE001 - the model counts as failed, and the run log gives the reason
            model.state, model.error = "failed", f"{type(problem).__name__}: {problem}"
            model.ended_at = time.monotonic()
        self._notify(model)

    def _follow(self, model: Model) -> None:
        """Request the model, then poll it until it is warm or failed."""
        if model.handle.status().state == "warm":
            model.was_warm = True
            model.state, model.ended_at = "warm", time.monotonic()
            return
        model.state = "loading"
        self._notify(model)
        model.handle.prewarm()
        asked_at, pause = time.monotonic(), POLL_FIRST_S
        while not self._stop.is_set():
            status = model.handle.status()
            model.state, model.load_s = status.state, status.seconds
            if status.state in ("warm", "failed"):
                model.error, model.ended_at = status.error, time.monotonic()
                return
            if status.state == "absent" and time.monotonic() - asked_at > ASK_AGAIN_S:
                model.handle.prewarm()
                asked_at = time.monotonic()
            self._stop.wait(pause)
            pause = min(pause * 1.5, POLL_MOST_S)
