"""``vid-assets search``: find where something is said, written, shown or heard."""

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    import duckdb

Words = Annotated[list[str], typer.Argument(metavar="WORD", show_default=False, help="All of them must occur.")]
Limit = Annotated[int, typer.Option(min=1, metavar="N", help="Most moments to print.")]
Gap = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Sightings at most so far apart are one moment.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line, times in seconds.")]


_TEXTS = "SELECT video_id, start_s, end_s, analyzer, text FROM search_text(?)"
_FINDERS = """
SELECT DISTINCT analyzer FROM events WHERE analyzer NOT IN (SELECT name FROM texts)
    AND (contains(lower(kind), lower($1)) OR contains(lower(text), lower($1)))"""
_CLIPS = """
SELECT clip.video_id, clip.start_s, clip.end_s, clip.events, any_value(coalesce(event.text, event.kind))
FROM clips($1, source := $2, gap_s := $3) AS clip JOIN events AS event
    ON event.video_id = clip.video_id AND event.start_s = clip.start_s AND event.analyzer = $2
    AND (contains(lower(event.kind), lower($1)) OR contains(lower(event.text), lower($1)))
GROUP BY clip.video_id, clip.start_s, clip.end_s, clip.events"""


class Moment(NamedTuple):
    """A part of a video.

    Attributes:
        video_id: Key of the video.
        start_s: Start in seconds.
        end_s: End in seconds; None for a point in time.
        analyzer: Analyzer that found it.
        text: What is said, written, shown or heard there.
    """

    video_id: str
    start_s: float
    end_s: float | None
    analyzer: str
    text: str


def search(words: Words, limit: Limit = 50, gap: Gap = 1.0, as_json: AsJson = False) -> int:
    """Find moments: texts that have all of the words, and objects, sounds and kinds of events of that name.

    Exit code 1 says that there are none.
    """
    from itertools import islice

    from resources.settings import settings
    from resources.warehouse.resource import Warehouse
    from vid_assets.cli.console import clock, console, say, table
    from vid_assets.sql.publish import publish

    warehouse = Warehouse(path=str(settings().warehouse))
    publish(warehouse)
    with warehouse.connect() as connection:
        found = list(islice(moments(connection, " ".join(words), gap), limit + 1))
    shown, screen = found[:limit], console()
    if as_json:
        sys.stdout.writelines(json.dumps(moment._asdict(), ensure_ascii=False) + "\n" for moment in shown)
    elif shown:
        rows = [
            (moment.video_id, clock(moment.start_s), "" if moment.end_s is None else clock(moment.end_s), *moment[3:])
            for moment in shown
        ]
        table(("video", "from", "to", "found by", "what"), rows, screen)
    else:
        say(f"nothing found for {' '.join(words)!r}", screen)
    if len(found) > limit and not as_json:
        say(f"more than {limit}; --limit shows more", screen)
    return int(not shown)


def moments(connection: "duckdb.DuckDBPyConnection", words: str, gap_s: float) -> Iterator[Moment]:
    """Return what the macros `search_text` and `clips` find, by video and time.

    Args:
        connection: Connection to the warehouse's views.
        words: Words separated by spaces.
        gap_s: Results of one analyzer at most this many seconds apart are one moment.
    """
    found = [Moment(*row) for row in connection.execute(_TEXTS, [words]).fetchall()]
    for (analyzer,) in connection.execute(_FINDERS, [words]).fetchall():
        for video_id, start_s, end_s, events, text in connection.execute(_CLIPS, [words, analyzer, gap_s]).fetchall():
            found.append(Moment(video_id, start_s, end_s, analyzer, f"{text} ({events}x)" if events > 1 else text))
    yield from sorted(found, key=lambda moment: (moment.video_id, moment.start_s, moment.analyzer))
