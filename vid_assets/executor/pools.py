"""Slots in the pools of the Dagster instance, which runs share."""

import time
from contextlib import ExitStack
from typing import Any

import dagster as dg

from vid_assets.executor import _dagster as inside
from vid_assets.executor.order import step_priority

BLOCKED_AGAIN_S = 300.0
POOL_TAG = "dagster/concurrency_key"


class Pools:
    """Claims on the instance's concurrency pools, freed on every path out of the run.

    Dagster's claims wait between two checks of a full pool: one second at first, fifteen in the end. Here each step has
    its own claims. Dropping them lets the step ask at once; its place in the pool's queue is a row of the event log and
    remains.

    Args:
        job: The run.
    """

    def __init__(self, job: "inside.PlanExecutionContext") -> None:
        self._job = job
        self._open = ExitStack()
        self._claims: dict[str, inside.InstanceConcurrencyContext] = {}
        self._held: dict[str, str] = {}
        self._waiting: dict[str, str] = {}
        self._told: dict[str, float] = {}

    def __enter__(self) -> "Pools":
        return self

    def __exit__(self, *exc_info: Any) -> None:
        for step_key in list(self._held):
            self.free(step_key)
        self._open.close()

    def claim(self, step: "inside.ExecutionStep") -> bool:
        """Claim a slot in the step's pool; False if none is free, or if it is too early to ask again."""
        pool = step.pool or step.tags.get(POOL_TAG)
        if not pool:
            return True
        if self._claims_of(step.key).claim(pool, step.key, step_priority(step.key, step.tags)):
            self._held[step.key] = pool
            self._waiting.pop(step.key, None)
            return True
        self._waiting[step.key] = pool
        return False

    def free(self, step_key: str) -> None:
        """Free the step's slot, if it has one. Steps of this run that wait for the same pool may ask at once."""
        freed = self._held.pop(step_key, None)
        if freed is None:
            return
        self._claims.pop(step_key).free_step(step_key)
        for waiting, pool in self._waiting.items():
            if pool == freed:
                self._claims.pop(waiting, None)

    def blocked_event(self, step: "inside.ExecutionStep") -> dg.DagsterEvent | None:
        """Return an event that a step waits for its pool: the first time, and every five minutes after that."""
        last = self._told.get(step.key)
        if step.key not in self._waiting or (last is not None and time.monotonic() - last < BLOCKED_AGAIN_S):
            return None
        self._told[step.key] = time.monotonic()
        return dg.DagsterEvent.step_concurrency_blocked(
            self._job.for_step(step), self._waiting[step.key], initial=last is None
        )

    def _claims_of(self, step_key: str) -> inside.InstanceConcurrencyContext:
        if step_key not in self._claims:
            claims = inside.InstanceConcurrencyContext(self._job.instance, self._job.dagster_run)
            self._claims[step_key] = self._open.enter_context(claims)
        return self._claims[step_key]
