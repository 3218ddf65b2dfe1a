"""Measurements that several analyzers share. Pure functions of arrays."""
