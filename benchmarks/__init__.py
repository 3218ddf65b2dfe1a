"""Measurements of the whole system; ``python benchmarks/warm.py`` runs those of the warm models."""
