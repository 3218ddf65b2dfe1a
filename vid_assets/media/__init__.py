"""Probe, decode once, and the streams that analyzers read. Imports no dagster."""
