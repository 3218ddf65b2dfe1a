"""Model hosts as processes of this machine."""
