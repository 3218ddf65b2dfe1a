"""Output of the commands: one line per problem, one bar per long task."""

import os
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


def console(*, stderr: bool = False) -> "Console":
    """Return a console for the answer of a command, or for what is said beside it."""
    from rich.console import Console

    return Console(file=_own_copy(1 + stderr), stderr=stderr)


@cache
def _descriptor(number: int) -> TextIO:
    return os.fdopen(os.dup(number), "w", buffering=1, encoding="utf-8", errors="replace")


def _own_copy(number: int) -> TextIO | None:
    """Return a stream that reaches the user during a run, when Dagster redirects those of the process to its logs.

    Returns:
        The stream; None for what ``sys.stdout`` or ``sys.stderr`` is at the time, if that is no longer the process's.
    """
    now, own = ((sys.stdout, sys.__stdout__), (sys.stderr, sys.__stderr__))[number - 1]
    if now is not own or own is None or own.closed:
        return None
    own.flush()
    return _descriptor(number)


def complain(line: str, console: "Console") -> None:
    """Print one line about a failure."""
    from rich.markup import escape

    console.print(f"[red]failed[/red] {escape(one_line(line))}", highlight=False, soft_wrap=True)


def say(line: str, console: "Console") -> None:
    """Print text unchanged: no colours, no markup, no line breaks at the width of the terminal."""
    console.print(line, highlight=False, soft_wrap=True, markup=False)


def one_line(text: str) -> str:
    """Return the text on one line: file names may hold line breaks and other characters that move the cursor."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def progress(console: "Console") -> "Progress":
    """Return a bar with the time left, which disappears when it is done.

    In a file or a pipe there is no bar, but rich would print an empty line for it.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def clock(seconds: float) -> str:
    """Return a time on a video's axis, such as ``0:01:02.5``."""
    tenths = round(seconds * 10)
    return f"{tenths // 36000}:{tenths // 600 % 60:02d}:{tenths % 600 / 10:04.1f}"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], console: "Console") -> None:
    """Print rows under headings: a table in a terminal, tab-separated cells elsewhere, for other programs to read."""
    if not console.is_terminal:
        # not printed with rich, which turns tabs into spaces
        console.file.writelines("\t".join(one_line(cell) for cell in row) + "\n" for row in (headings, *rows))
        return
    from rich.table import Column, Table
    from rich.text import Text

    # in a narrow terminal, a truncated name could be that of another thing
    shown = Table(Column(headings[0], no_wrap=True), *headings[1:])
    for row in rows:
        shown.add_row(*(Text(one_line(cell)) for cell in row))
    console.print(shown)
