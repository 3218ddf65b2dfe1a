"""Video archives as Dagster assets: one analyzer, one file, one partitioned table."""

from resources.telemetry import opt_out

opt_out()
