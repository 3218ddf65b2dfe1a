"""One analyzer on one video: inputs, run, checks, write, and record."""
