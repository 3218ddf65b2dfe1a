"""Harnesses that anyone can run again with another seed: `chaos` kills everything, `soak` runs for long, `fuzz` is hostile.

Each ends with one line of JSON, and with exit code 0 if nothing was wrong. They need a checkout and the offline models.
"""
