"""Video archives as Dagster assets: one analyzer, one file, one partitioned table."""
