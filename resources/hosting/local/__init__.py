"""Model hosts as processes on this machine."""
