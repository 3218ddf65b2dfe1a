"""Work that ends cleanly when its process receives a signal.

The first SIGINT or SIGTERM asks the work to stop after the current step. The second asks it to stop at once. The
third ends the process immediately.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vid_assets.executor import Stop
from vid_assets.threads import raise_in

# After the second signal, work that does not check the flag is interrupted after this time.
GRACE_S = 5.0
POLL_S = 0.2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_stoppable(work: Callable[[Stop], int], tell: Callable[[str], None]) -> int:
    """Run the work on its own thread, while this one, the main thread, listens for signals.

    Args:
        work: Receives the `Stop` that asks it to end; returns an exit code.
        tell: Called with the meaning of each signal.

    Returns:
        The exit code: that of the work, or 128 plus the number of the first signal.
    """
    stop, got, outcome = Stop(), list[int](), _Outcome()
    thread = threading.Thread(target=outcome.of, args=(work, stop), name="stoppable", daemon=True)
    with _handled(got):
        thread.start()
        told, interrupt_at = 0, float("inf")
        while thread.is_alive():
            thread.join(POLL_S)
            if got and not told:
                stop.soon.set()
                tell(f"{signal.Signals(got[0]).name}: stopping after the running steps; a second signal stops at once")
            if len(got) > 1 and told < 2:
                stop.now.set()
                interrupt_at = time.monotonic() + GRACE_S
                tell("stopping at once")
            told = len(got)
            if time.monotonic() > interrupt_at and thread.ident is not None:
                raise_in(thread.ident, KeyboardInterrupt)
                interrupt_at = time.monotonic() + GRACE_S
    if outcome.error is not None and not (got and isinstance(outcome.error, KeyboardInterrupt)):
        raise outcome.error
    return 128 + got[0] if got else outcome.code


class _Outcome:
    """Result of the work."""

    def __init__(self) -> None:
        self.code = 0
        self.error: BaseException | None = None

    def of(self, work: Callable[[Stop], int], stop: Stop) -> None:
        try:
            self.code = work(stop)
        except BaseException as error:  # noqa: BLE001  # raised again on the main thread
            self.error = error


@contextmanager
def _handled(got: list[int]) -> Iterator[None]:
    """Collect the numbers of signals; from the second one on, they have their usual effect again."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def note(number: int, _frame: object) -> None:
        got.append(number)
        if len(got) > 1:
            for other in _SIGNALS:
                signal.signal(other, signal.SIG_DFL)

    for number in _SIGNALS:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
