"""The warm-loading executor; the only place that may import `dagster._*`."""
