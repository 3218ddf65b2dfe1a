"""Measurements shared by several analyzers, as pure functions of arrays."""
