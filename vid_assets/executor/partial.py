"""Lets a step over several partitions deliver some of them, and the steps after it go on.

Dagster knows two ends of a step: all of its partitions are materialized, or the step failed and every step behind it is
skipped, for the good partitions too. A step that calls `deliver_only` succeeds, and only the partitions named are
materialized; the others stay as they were.
"""

from collections.abc import Collection
from typing import Any

import dagster as dg


def deliver_only(step: dg.StepExecutionContext, partitions: Collection[str]) -> None:
    """From now on the step's outputs stand for these of its partitions only."""
    whole = step.get_output_context

    def narrowed(*arguments: Any, **named: Any) -> dg.OutputContext:
        output = whole(*arguments, **named)
        if output.has_asset_partitions:
            output._asset_partitions_subset = output.asset_partitions_def.subset_with_partition_keys(partitions)
        return output

    step.get_output_context = narrowed
