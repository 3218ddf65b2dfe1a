"""Commands: ``python -m vid_assets demo`` and ``python -m vid_assets analyze FILE``."""

import sys

from vid_assets.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
