"""The SQL side: tables, views and macros of `results.duckdb`."""
