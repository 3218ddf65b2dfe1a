"""Lets a step over several partitions deliver some of them, so that the steps after it continue.

In Dagster a step ends in one of two ways: all of its partitions are materialized, or it fails and every step that
depends on it is skipped, for the good partitions too. A step that calls `deliver_only` succeeds, and only the named
partitions are materialized; the others do not change.
"""

from collections.abc import Collection
from typing import Any

import dagster as dg


def deliver_only(step: dg.StepExecutionContext, partitions: Collection[str]) -> None:
    """Limit the step's outputs to these partitions from now on."""
    whole = step.get_output_context

    def narrowed(*arguments: Any, **named: Any) -> dg.OutputContext:
        output = whole(*arguments, **named)
        if output.has_asset_partitions:
            output._asset_partitions_subset = output.asset_partitions_def.subset_with_partition_keys(partitions)
        return output

    step.get_output_context = narrowed
