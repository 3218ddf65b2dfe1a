"""How far runs are: the answers given of those planned, weighed by what each of them takes."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping

# Receives the share of the work that is done, the answers given, and the answers planned.
Advance = Callable[[float, int, int], None]


class Progress:
    """Counts answers as they come. Steps give them on several threads.

    Args:
        planned: The answers that each asset will give.
        costs: Seconds that an asset takes for a second of video.
        advance: Called after each answer.
    """

    def __init__(self, planned: Mapping[str, int], costs: Mapping[str, float], advance: Advance) -> None:
        self._planned, self._advance = Counter(planned), advance
        self._costs = {asset: costs.get(asset, 0.0) for asset in planned}
        self._given: Counter[str] = Counter()
        self._over: Counter[str] = Counter()
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Tell that no answer has been given yet."""
        with self._lock:
            self._tell()

    def answered(self, asset: str) -> None:
        """Count one answer."""
        with self._lock:
            # not more than planned: a run works off all videos of a bucket if its settings are its own
            if self._given[asset] < self._planned[asset]:
                self._given[asset] += 1
                self._tell()

    def over(self, answers: Mapping[str, int]) -> None:
        """Count the answers of a run that has ended, whether it gave them or not."""
        with self._lock:
            self._over.update(answers)
            self._given |= self._over & self._planned
            self._tell()

    def _tell(self) -> None:
        whole = sum(self._costs[asset] * count for asset, count in self._planned.items())
        done = sum(self._costs[asset] * count for asset, count in self._given.items())
        self._advance(done / whole if whole else 1.0, self._given.total(), self._planned.total())
