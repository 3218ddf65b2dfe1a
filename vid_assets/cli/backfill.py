"""``vid-assets backfill``: takes in the archive, then runs what is missing, failed or out of date."""

import math

from vid_assets.cli.options import DryRun


def backfill(dry_run: DryRun = False) -> int:
    """Take in the archive, and run what is missing, failed or out of date, newest videos first."""
    from resources.settings import settings
    from resources.warehouse.resource import Warehouse
    from vid_assets.archive.register import take_in
    from vid_assets.archive.scan import Archive
    from vid_assets.cli.console import complain, console, progress, say
    from vid_assets.cli.home import instance
    from vid_assets.cli.running import execute
    from vid_assets.defs.automation import planned, selection_of, tags_of
    from vid_assets.executor import end_orphans
    from vid_assets.sql.publish import publish

    screen, warehouse, scratch = console(), Warehouse(path=str(settings().warehouse)), settings().scratch
    publish(warehouse)
    failed = 0
    with instance() as dagster, progress(screen) as bar:
        with Archive(settings().archive, scratch) as archive:
            refused = take_in(archive, scratch, warehouse, dagster, seconds=math.inf).refused
        for problem in refused:
            complain(problem, screen)
        if not dry_run:
            end_orphans(dagster)
        made = planned(dagster, warehouse)
        task = bar.add_task("videos", total=sum(batch.videos for batch in made), visible=not dry_run)
        for batch in made:
            what = "everything" if selection_of(batch) is None else ", ".join(sorted(batch.assets))
            say(f"{batch.reason}: {batch.videos} videos from {batch.first} to {batch.last}: {what}", screen)
            if not dry_run:
                failed += not execute(dagster, tags_of(batch), selection_of(batch)).success
                bar.advance(task, batch.videos)
    if not made:
        say("Nothing is missing, failed or out of date.", screen)
    return int(failed > 0)
