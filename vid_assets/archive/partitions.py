"""The partitions: one key for each video."""

import dagster as dg

PARTITIONS = dg.DynamicPartitionsDefinition(name="videos")
