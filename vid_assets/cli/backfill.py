"""``vid-assets backfill``: register the archive, then run what is missing, failed or out of date."""

from typing import Annotated

import typer

from vid_assets.cli.options import DryRun

Retry = Annotated[bool, typer.Option("--retry", help="Also try again what was given up after several failures.")]
Wait = Annotated[
    bool, typer.Option("--wait", help="Wait for another backfill that is under way, and for room on a full disk.")
]


def backfill(dry_run: DryRun = False, retry: Retry = False, wait: Wait = False) -> int:
    """Take in the archive, and run what is missing, failed or out of date, newest videos first.

    Ctrl-C stops after the steps that run; a second one stops at once.
    """
    from vid_assets.cli.bar import answers_bar
    from vid_assets.cli.console import complain, console, say
    from vid_assets.runs.backfill import Backfill

    screen = console()
    with answers_bar(screen) as bar:
        return Backfill(
            lambda line: say(line, screen), lambda line: complain(line, screen), dry_run, retry, wait, bar.advance
        ).run()
