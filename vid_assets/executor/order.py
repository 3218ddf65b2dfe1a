"""The order in which runnable steps get threads: priority, then the longest path that depends on a step."""

import re
from collections.abc import Callable, Mapping, Set

from vid_assets.errors import VidAssetsError

EXPECTED_SECONDS_TAG = "vid_assets/expected_s"
PRIORITY_TAG = "dagster/priority"


class StepTagError(VidAssetsError):
    """A tag of an op or asset has a value that the executor cannot use."""


def expected_seconds(step_key: str, tags: Mapping[str, str]) -> float:
    """Return the expected cost of a step, from its tag ``vid_assets/expected_s``.

    Args:
        step_key: Key of the step, for the error.
        tags: The step's tags.

    Returns:
        Seconds. A step without the tag counts 1, so the length of a path without tags is its number of steps.

    Raises:
        StepTagError: The tag is not a number, not finite, or negative.
    """
    text = tags.get(EXPECTED_SECONDS_TAG, "1")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise StepTagError(
            step_key, f"tag {EXPECTED_SECONDS_TAG} is {text!r}, not seconds", "write it as a decimal number, at least 0"
        )
    return seconds


def step_priority(step_key: str, tags: Mapping[str, str]) -> int:
    """Return the step's ``dagster/priority``: higher goes first, 0 without the tag.

    Raises:
        StepTagError: The tag is not a whole number.
    """
    text = tags.get(PRIORITY_TAG, "0")
    try:
        return int(text)
    except ValueError:
        raise StepTagError(
            step_key, f"tag {PRIORITY_TAG} is {text!r}, not a whole number", "write it as a whole number, such as 5"
        ) from None


def remaining_paths(upstream: Mapping[str, Set[str]], cost: Callable[[str], float]) -> dict[str, float]:
    """Return the length of the longest chain that starts with each step: the tail times of the critical path method.

    Starting the step with the longest tail first is list scheduling by critical path (Hu, "Parallel sequencing and
    assembly line problems", Oper. Res. 9, 1961). With m threads any list schedule takes at most 2 - 1/m times the
    optimum (Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17, 1969).

    Args:
        upstream: Step key to the keys it waits for; keys outside the mapping are ignored.
        cost: Seconds a step takes.

    Returns:
        Step key to seconds, including the step itself.
    """
    downstream: dict[str, list[str]] = {key: [] for key in upstream}
    waits_for_me = dict.fromkeys(upstream, 0)
    for key, sources in upstream.items():
        for source in sources:
            if source in downstream:
                downstream[source].append(key)
                waits_for_me[source] += 1
    tails: dict[str, float] = {}
    ends = [key for key, count in waits_for_me.items() if count == 0]
    while ends:
        key = ends.pop()
        tails[key] = cost(key) + max((tails[after] for after in downstream[key]), default=0.0)
        for source in upstream[key]:
            if source in waits_for_me:
                waits_for_me[source] -= 1
                if waits_for_me[source] == 0:
                    ends.append(source)
    return tails


def unresolved_key(step_key: str) -> str:
    """Return the key that a mapped step had in the plan before its mapping was known: ``op[?]`` for ``op[part_1]``."""
    return re.sub(r"\[[^\]]*\]$", "[?]", step_key)
