"""Moments in which something is said, written, shown or heard, found by words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import duckdb

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
        score: How near its meaning is to what was asked for, -1 to 1; None for a moment found by its words.
    """

    video_id: str
    start_s: float
    end_s: float | None
    analyzer: str
    text: str
    score: float | None = None


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
