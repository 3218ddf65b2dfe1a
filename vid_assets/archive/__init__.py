"""Keeps an archive analysed: finds its files, plans what is due, and removes what is old.

It does not depend on sensors. The Dagster objects that call this code are in ``vid_assets/defs``.
"""
