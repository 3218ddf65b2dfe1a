"""The hosts: each holds one kind of model and computes.

Nothing here imports dagster, and nothing heavy is imported at module level.
"""
