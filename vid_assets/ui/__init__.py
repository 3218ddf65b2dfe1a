"""Dagster's UI and daemon for this pipeline, with a web server that pages of other origins cannot use."""
