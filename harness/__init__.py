"""Harnesses that try to break the pipeline, with seeds. Each ends with one line of JSON; see CONTRIBUTING.md."""
