"""Results as Parquet files with DuckDB views over them. Start with resource.py."""
