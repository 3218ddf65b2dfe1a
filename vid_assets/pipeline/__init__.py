"""One analyzer over one video: inputs, run, checks, write, and the record of it."""
