"""Dagster objects of the code location."""
