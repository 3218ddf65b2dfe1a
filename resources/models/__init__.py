"""The hosts: each keeps one kind of model and computes.

Nothing here imports dagster, and no heavy package is imported at module level.
"""
