"""One process, one loop: the script that everybody writes first."""

import time
from collections.abc import Sequence
from typing import Any

from benchmarks.peers.tasks import PICTURE_TASKS, cuts, look, samples, words


def answer(files: Sequence[str]) -> dict[str, Any]:
    """Work on files one after another, each model loaded once.

    Returns:
        ``done_s``: when each file was done, in seconds from the start; ``found``: by file and task, how much.
    """
    began = time.perf_counter()
    done, found = [], []
    for file in files:
        pictures = list(samples(file))
        counts = {task: look(task, pictures) for task in PICTURE_TASKS}
        found.append(counts | {"cuts": cuts(file), "words": words(file)})
        done.append(time.perf_counter() - began)
    return {"done_s": done, "found": found}
