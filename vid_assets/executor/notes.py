"""Notes on models for the run log: which were warm, which loaded, and how much work was done meanwhile."""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from vid_assets.executor.loading import Model, Models


@dataclass(frozen=True, slots=True)
class Note:
    """One entry for the run log.

    Attributes:
        text: For people.
        metadata: The same as values, for queries.
    """

    text: str
    metadata: dict[str, Any]


@dataclass(slots=True)
class ModelReport:
    """Turns the states of the models into notes, each of them once.

    Attributes:
        models: The run's models.
    """

    models: Models
    _opened: bool = False
    _told: set[str] = field(default_factory=set)

    def notes(self, spans: Collection[tuple[float, float]], at_end: bool = False) -> Iterator[Note]:
        """Yield what is new since the last call.

        Args:
            spans: Start and end of all step work so far, on the monotonic clock.
            at_end: Whether the run is over: then report also the models that no step waited for.

        Yields:
            The first note, once every model has answered; then one note per finished load.
        """
        models = list(self.models.all.values())
        if not models or (not at_end and any(model.state == "asked" for model in models)):
            return
        if not self._opened:
            self._opened = True
            yield _opening(models)
        for model in models:
            if model.was_warm or model.name in self._told:
                continue
            if model.ended_at is not None or at_end or self.models.overdue(model):
                self._told.add(model.name)
                yield _ending(model, spans)


def _opening(models: Collection[Model]) -> Note:
    warm = [model.name for model in models if model.was_warm]
    cold = [model.name for model in models if not model.was_warm]
    return Note(
        f"Models warm at the start: {', '.join(warm) or 'none'}; loading: {', '.join(cold) or 'none'}",
        {"models_warm": ", ".join(warm), "models_loading": ", ".join(cold)},
    )


def _ending(model: Model, spans: Collection[tuple[float, float]]) -> Note:
    ended_at = model.ended_at or time.monotonic()
    waited_s = ended_at - model.asked_at
    steps = sum(1 for start, end in spans if end > model.asked_at and start < ended_at)
    work_s = overlap_s(spans, model.asked_at, ended_at)
    outcome = {
        "warm": f"is warm after {waited_s:.1f} s (its load took {model.load_s:.1f} s)",
        "failed": f"failed to load after {waited_s:.1f} s: {model.error}; its steps start anyway",
    }.get(model.state, f"is still {model.state} after {waited_s:.1f} s; no step waits for it any longer")
    return Note(
        f"Model {model.name} {outcome}; meanwhile {work_s:.1f} s of work in {steps} steps",
        {
            "model": model.name,
            "state": model.state,
            "waited_s": round(waited_s, 3),
            "load_s": round(model.load_s, 3),
            "overlap_s": round(work_s, 3),
            "steps_meanwhile": steps,
        },
    )


def overlap_s(spans: Collection[tuple[float, float]], start: float, end: float) -> float:
    """Return the seconds of step work within a time span; each of several concurrent steps counts.

    Args:
        spans: Start and end of each step's work.
        start: Start of the span, on the same clock.
        end: End of the span.
    """
    return sum(max(0.0, min(span_end, end) - max(span_start, start)) for span_start, span_end in spans)
