"""The program ``vid-assets``: one module per command.

Modules import heavy packages inside their functions, so that ``vid-assets --help`` and shell completion take a fraction
of a second.

Exit codes:
    0: Success.
    1: Something failed or was not found: a video, an analyzer, a model. The rest is done.
    2: The command line or a setting is wrong. Nothing was done.
    128 + n: Signal n ended it.
"""

from vid_assets.cli.app import main

__all__ = ["main"]
