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
    say(f"{made.rows:,} rows in {made.files} files; {made.removed} removed", console())
    return 0
