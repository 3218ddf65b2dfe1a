"""Tells each answer as soon as a run of this process has it. Results are published at its end, too late for a bar."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str], None]

_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener` with the asset of each answer inside the block, on the thread that has the answer."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def tell_answer(asset: str) -> None:
    """Tell those who listen that an asset has answered for one video."""
    for listener in tuple(_listeners):
        listener(asset)
