"""Results as Parquet files with DuckDB views over them: start at resource.py."""
