"""The Dagster objects of the code location."""
