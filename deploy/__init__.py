"""What several machines need: see README.md."""
