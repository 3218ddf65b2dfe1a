"""``python -m vid_assets``: the program ``vid-assets`` under another name."""

import sys

from vid_assets.cli import main

if __name__ == "__main__":
    sys.exit(main())
