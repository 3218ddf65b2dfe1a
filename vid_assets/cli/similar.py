"""``vid-assets similar``: find videos, or shots, that show the same pictures."""

import json
import sys
from typing import Annotated

import typer

Video = Annotated[
    str,
    typer.Argument(metavar="VIDEO", show_default=False, help="Its id, the start of it, its file name, or its path."),
]
At = Annotated[
    float | None,
    typer.Option(
        min=0, metavar="SECONDS", show_default=False, help="Compare only the shot at this time, with all shots."
    ),
]
Bits = Annotated[int, typer.Option(min=0, max=32, metavar="N", help="Most differing bits of 64 of the same picture.")]
Limit = Annotated[int, typer.Option(min=1, metavar="N", help="Most lines to print.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line, times in seconds.")]


def similar(video: Video, at: At = None, bits: Bits = 8, limit: Limit = 50, as_json: AsJson = False) -> int:
    """Find videos that show the same pictures: copies, cuts and re-encodings; with --at, the same shots.

    The share is that of the video's time whose shots the other one shows too. Exit code 1 says that there are none.
    """
    from resources.settings import settings
    from resources.warehouse.resource import Warehouse
    from vid_assets.cli.console import clock, console, say, table
    from vid_assets.search.similar import similar_shots, similar_videos
    from vid_assets.sql.publish import publish

    warehouse = Warehouse(path=str(settings().warehouse))
    publish(warehouse)
    found = similar_videos(video, warehouse, bits) if at is None else similar_shots(video, at, warehouse, bits)
    rows, screen = found.head(limit), console()
    if as_json:
        sys.stdout.writelines(json.dumps(row) + "\n" for row in rows.iter_rows(named=True))
    elif rows.is_empty():
        say("nothing similar", screen)
    elif at is None:
        lines = ((video_id, f"{share:.0%}", str(shots)) for video_id, share, shots in rows.iter_rows())
        table(("video", "share", "shots"), lines, screen)
    else:
        shots = rows.select("video_id", "start_s", "end_s", "differing_bits").iter_rows()
        lines = ((video_id, clock(start), clock(end), str(differing)) for video_id, start, end, differing in shots)
        table(("video", "from", "to", "differing bits"), lines, screen)
    if found.height > limit and not as_json:
        say(f"more than {limit}; --limit shows more", screen)
    return int(rows.is_empty())
