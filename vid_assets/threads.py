"""Threads: how many are of use, and how to end one."""

import ctypes
import os


def cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise an error in another thread, at its next Python instruction. A call into native code finishes first.

    Args:
        thread: The `threading.get_ident` of the thread; nothing happens if it has ended.
        error: The class of the error.
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
