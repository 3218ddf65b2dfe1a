"""Which models there are, which one a profile uses, and where their weights lie."""
