"""The partitions: one key per video."""

import dagster as dg

PARTITIONS = dg.DynamicPartitionsDefinition(name="videos")
