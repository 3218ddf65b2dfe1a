"""The search page: a small server for the browser of this machine."""
