"""Limits on concurrent steps by op tag, as in Dagster's multiprocess executor."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

TAG_LIMITS = dg.Field(
    dg.Array(
        dg.Shape(
            {
                "key": str,
                "value": dg.Field(
                    dg.ScalarUnion(scalar_type=str, non_scalar_schema=dg.Shape({"applyLimitPerUniqueValue": bool})),
                    is_required=False,
                ),
                "limit": int,
            }
        )
    ),
    is_required=False,
    description="Most concurrent steps of this run that have a tag: with this value; without one, with any;"
    " with `applyLimitPerUniqueValue: true`, for each of its values.",
)


def is_blocked(
    limits: Sequence[Mapping[str, Any]], tags: Mapping[str, str], running: Iterable[Mapping[str, str]]
) -> bool:
    """Whether a step must wait for a running one.

    Args:
        limits: As in `TAG_LIMITS`.
        tags: Tags of the step.
        running: Tags of each running step.
    """
    running = list(running)
    return any(
        sum(_counts(limit, other, tags) for other in running) >= limit["limit"]
        for limit in limits
        if _counts(limit, tags, tags)
    )


def _counts(limit: Mapping[str, Any], tags: Mapping[str, str], asking: Mapping[str, str]) -> bool:
    """Whether a step with these tags counts towards a limit, from the point of view of the asking step."""
    key, value = limit["key"], limit.get("value")
    if key not in tags:
        return False
    if isinstance(value, str):
        return tags[key] == value
    return not (value and value["applyLimitPerUniqueValue"]) or tags[key] == asking[key]
