"""The program ``vid-assets``: one module per command.

Modules import what is heavy inside their functions: ``vid-assets --help`` and shell completion take a fraction of a
second.

Exit codes:
    0: All done.
    1: Something failed, or was not found: a video, an analyzer, a model. The rest was done.
    2: The command line or a setting is wrong. Nothing was done.
"""

from vid_assets.cli.app import main

__all__ = ["main"]
