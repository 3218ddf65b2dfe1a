"""``vid-assets compact``: merge the results of many runs into few large files."""

from typing import Annotated

import typer

All = Annotated[bool, typer.Option("--all", help="Merge the large files too, not only the latest results.")]


def compact(all: All = False) -> int:
    """Merge the results of many runs into few large files, which are faster to query. Runs do it by themselves."""
    from resources.settings import settings
    from resources.warehouse.resource import Warehouse
    from vid_assets.cli.console import console, say
    from vid_assets.sql.publish import publish

    warehouse = Warehouse(path=str(settings().warehouse))
    publish(warehouse)
    made = warehouse.compact(everything=all)
    segments = made.generation.segments
    rows = sum(sum(segment.rows.values()) for segment in segments)
    files = sum(len(segment.rows) for segment in segments)
    say(f"{rows:,} rows in {files} files, {len(segments)} per table at most; {made.removed} removed", console())
    return 0
