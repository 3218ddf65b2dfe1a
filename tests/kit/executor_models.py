"""A stand-in for a model's resource: it loads in the background for as long as a test wants."""

import threading
import time
from dataclasses import dataclass, field
from typing import Literal

import dagster as dg


@dataclass
class Status:
    state: Literal["absent", "loading", "warm", "failed"]
    seconds: float = 0.0
    error: str | None = None


@dataclass
class FakeModel:
    """Warm `load_s` seconds after it was asked for, or failed with `error`; `calls` block until they are cancelled."""

    load_s: float = 0.0
    error: str | None = None
    warm: bool = False
    asked: int = 0
    looked: int = 0
    asked_at: float = 0.0
    go: threading.Event | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def prewarm(self) -> None:
        self.asked += 1
        self.asked_at = self.asked_at or time.monotonic()

    def status(self) -> Status:
        self.looked += 1
        if self.warm:
            return Status("warm")
        if not self.asked:
            return Status("absent")
        seconds = time.monotonic() - self.asked_at
        loaded = self.go.is_set() if self.go else seconds >= self.load_s
        if not loaded:
            return Status("loading", seconds)
        return Status("failed" if self.error else "warm", seconds, self.error)

    def cancel(self) -> None:
        self.stop.set()

    def call(self) -> None:
        """Answers never; ends with an error when it is cancelled."""
        self.stop.wait(60)
        raise ConnectionAbortedError("call cancelled")


class NoRoom(FakeModel):
    """Never loads by itself: the hosts' budget is full until somebody calls it."""

    def status(self) -> Status:
        self.looked += 1
        return Status("absent")


class Stuck(FakeModel):
    """A host that does not answer at all."""

    def status(self) -> Status:
        self.stop.wait(60)
        return Status("absent")


class Unreachable(FakeModel):
    """A handle that cannot ask."""

    def prewarm(self) -> None:
        raise ConnectionRefusedError("no host")


class ModelHandle(dg.ConfigurableResource):
    """The same as a Dagster resource with config, the form that the project's handles have."""

    load_s: float = 0.0

    def prewarm(self) -> None:
        self._asked().prewarm()

    def status(self) -> Status:
        return self._asked().status()

    def cancel(self) -> None:
        self._asked().cancel()

    def _asked(self) -> FakeModel:
        return _handles.setdefault(self.load_s, FakeModel(self.load_s))


_handles: dict[float, FakeModel] = {}
