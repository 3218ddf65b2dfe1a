"""Searching an archive: moments by their words, and what narrows a search."""
