"""Harnesses that anyone can run again with another seed: `chaos` kills, `soak` waits, `fuzz` makes hostile files.

Each ends with one line of JSON, and with exit code 0 if nothing was wrong. They need a checkout and the offline models.
"""
