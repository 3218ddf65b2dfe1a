"""Commands: ``python -m vid_assets demo``, ``analyze FILE``, ``backfill`` and ``prune``."""

import sys

from vid_assets.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
