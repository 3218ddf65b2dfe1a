"""Harnesses to run with other seeds: `chaos` kills everything, `soak` runs for long, `fuzz` brings hostile files.

Each ends with one line of JSON, and with exit code 0 if nothing was wrong. They need a checkout and the offline models.
"""
