"""``vid-assets prune``: remove what has been unused for a long time."""

from typing import Annotated

import typer

from vid_assets.cli.options import DryRun

Days = Annotated[float, typer.Option("--older-than", metavar="DAYS", min=0, help="Days without use.")]
Results = Annotated[bool, typer.Option("--results", help="Also the results of videos whose file has vanished.")]


def prune(older_than: Days = 30.0, results: Results = False, dry_run: DryRun = False) -> int:
    """Remove decoded streams, fetched copies and logs that nobody has used for long."""
    from resources.settings import settings
    from resources.warehouse.resource import Warehouse
    from vid_assets.archive.partitions import partition_keys
    from vid_assets.archive.prune import prune as clear_away
    from vid_assets.cli.console import console, say
    from vid_assets.defs.automation import under_way, videos_of
    from vid_assets.defs.checks import FORMER
    from vid_assets.registry import computed
    from vid_assets.runs.home import instance
    from vid_assets.sql.publish import publish

    warehouse, scratch = Warehouse(path=str(settings().warehouse)), settings().scratch
    publish(warehouse)
    tables = [analyzer.name for analyzer in computed()]
    with instance() as dagster:
        busy = videos_of(sorted(under_way(dagster, partition_keys(dagster))), warehouse)["video_id"].to_list()
        made = clear_away(
            dagster, warehouse, scratch, settings().reports, tables, older_than,
            former_checks=FORMER, results=results, busy=busy, dry_run=dry_run,
        )  # fmt: skip
    say(
        f"{'would remove' if dry_run else 'removed'}: decoded streams of {len(made.streams)} videos, "
        f"{len(made.copies)} fetched copies, {len(made.runs)} runs, logs of {len(made.logs)} runs that stay, "
        f"results of {len(made.results)} videos, {made.leftovers} leftovers of writes",
        console(),
    )
    return 0
