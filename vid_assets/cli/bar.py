"""The bar over the answers of runs, with the time left. It disappears at the end; in a file or a pipe there is none."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from vid_assets.cli.console import one_line
from vid_assets.sql.progress import lasting

# Before so much is done, what it took says little about the rest.
TELLING = 0.02


def left_s(share: float, elapsed_s: float, since_s: float) -> float | None:
    """Return the seconds that the rest takes, if it goes on as before; None if it is too early to tell, or over.

    Args:
        share: The share that is done.
        elapsed_s: Seconds until it was done.
        since_s: Seconds since then.
    """
    if not TELLING <= share < 1:
        return None
    return max(elapsed_s * (1 - share) / share - since_s, 1.0)


class _Left(ProgressColumn):
    """The time left, counted down between two answers."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        at_s, now_s = task.fields["at_s"], task.elapsed or 0.0
        seconds = left_s(task.completed, at_s, now_s - at_s)
        return Text("" if seconds is None else f"about {lasting(seconds)} left", style="progress.remaining")


class AnswersBar:
    """The bar.

    Args:
        progress: The display.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress, self._lock = progress, threading.Lock()
        self._task: TaskID | None = None
        self._title = "answers"

    def name(self, title: str) -> None:
        """Show what is being worked on."""
        with self._lock:
            self._title = title
            if self._task is not None:
                self._progress.update(self._task, description=escape(one_line(title)))

    def advance(self, share: float, given: int, planned: int) -> None:
        """Show how far the runs are; the first call shows the bar. See `vid_assets.runs.progress`."""
        with self._lock:
            if self._task is None:
                self._progress.start()
                title = escape(one_line(self._title))
                self._task = self._progress.add_task(title, total=1.0, at_s=0.0, answers="")
            elapsed_s = self._progress.tasks[0].elapsed or 0.0
            answers = f"{given}/{planned} answers"
            self._progress.update(self._task, completed=share, at_s=elapsed_s, answers=answers)


@contextmanager
def answers_bar(console: Console) -> Iterator[AnswersBar]:
    """Yield a bar that the first answer, or its announcement, shows on a terminal until the block ends."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[answers]}"),
        TimeElapsedColumn(),
        _Left(),
    )
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    try:
        yield AnswersBar(progress)
    finally:
        progress.stop()
