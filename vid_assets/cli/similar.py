"""``vid-assets similar``: find videos, or shots, that show the same pictures."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import polars as pl

    from resources.warehouse.resource import Warehouse

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
All = Annotated[bool, typer.Option("--all", help="Compare all videos with each other, instead of one.")]
Least = Annotated[
    float,
    typer.Option(
        "--least", min=0, max=1, metavar="SHARE", help="With --all: least share of one video that the other shows."
    ),
]
Bits = Annotated[int, typer.Option(min=0, max=32, metavar="N", help="Most differing bits of 64 of the same picture.")]
Limit = Annotated[int, typer.Option(min=1, metavar="N", help="Most lines to print.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line, times in seconds.")]


def similar(
    video: Video = "",
    at: At = None,
    every: All = False,
    least: Least = 0.5,
    bits: Bits = 8,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> int:
    """Find videos that show the same pictures: copies, cuts and re-encodings; with --at, the same shots.

    The share is that of the video's time whose shots the other one shows too. Exit code 1 says that there are none.
    """
    from resources.settings import settings
    from resources.warehouse.resource import Warehouse
    from vid_assets.cli.console import console, say, table
    from vid_assets.sql.publish import publish

    _check(video, at, every)
    warehouse = Warehouse(path=str(settings().warehouse))
    publish(warehouse)
    found = _found(video, at, warehouse, bits, least)
    rows, screen = found.head(limit), console()
    if as_json:
        sys.stdout.writelines(json.dumps(row) + "\n" for row in rows.iter_rows(named=True))
    elif rows.is_empty():
        say("nothing similar", screen)
    else:
        table(*_table(rows), screen)
    if found.height > limit and not as_json:
        say(f"more than {limit}; --limit shows more", screen)
    return int(rows.is_empty())


def _check(video: str, at: float | None, every: bool) -> None:
    from vid_assets.errors import SettingsError

    if every and (video or at is not None):
        raise SettingsError("--all", "compares all videos, not one or a shot of it", "leave out VIDEO and --at")
    if not every and not video:
        raise SettingsError("similar", "no video to compare", "name one, or compare all of them with --all")


def _found(video: str, at: float | None, warehouse: "Warehouse", bits: int, least: float) -> "pl.DataFrame":
    from vid_assets.search.pairs import similar_pairs
    from vid_assets.search.similar import similar_shots, similar_videos

    if not video:
        return similar_pairs(warehouse, bits, least)
    return similar_videos(video, warehouse, bits) if at is None else similar_shots(video, at, warehouse, bits)


def _table(rows: "pl.DataFrame") -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return headings and lines for people."""
    from vid_assets.cli.console import clock

    if "other_id" in rows.columns:
        pairs = rows.select("video_id", "other_id", "share", "other_share").iter_rows()
        lines = [(one, other, f"{share:.0%}", f"{back:.0%}") for one, other, share, back in pairs]
        return ("video", "shows the same as", "share of the first", "share of the second"), lines
    if "share" in rows.columns:
        videos = rows.select("video_id", "share", "shots").iter_rows()
        return ("video", "share", "shots"), [(one, f"{share:.0%}", str(shots)) for one, share, shots in videos]
    shots = rows.select("video_id", "start_s", "end_s", "differing_bits").iter_rows()
    lines = [(one, clock(start), clock(end), str(differing)) for one, start, end, differing in shots]
    return ("video", "from", "to", "differing bits"), lines
