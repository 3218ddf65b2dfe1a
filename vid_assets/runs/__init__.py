"""Runs from the command line: one run, a whole backfill, the Dagster home, and what signals do."""
