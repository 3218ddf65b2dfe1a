"""What narrows a search: properties of videos, and the analyzers that may have found something."""

from dataclasses import dataclass, fields
from datetime import date
from typing import TYPE_CHECKING, Any

from vid_assets.errors import SettingsError

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """Limits of a search. A limit that is None, or empty, is none.

    Attributes:
        analyzers: Only what these found.
        labels: Only videos in which all of these were found as an object, a sound or a kind of event.
        languages: Only videos in which one of these is spoken, ISO 639-1.
        longer_s: Only videos of at least this many seconds.
        shorter_s: Only videos of at most this many seconds.
        since: Only files that were last modified on this day or later, UTC.
        until: Only files that were last modified on this day or earlier, UTC.
        best_brisque: Only videos whose pictures have a median BRISQUE of at most this: about 0 fine, 100 bad.
    """

    analyzers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    longer_s: float | None = None
    shorter_s: float | None = None
    since: date | None = None
    until: date | None = None
    best_brisque: float | None = None

    def videos(self, connection: "duckdb.DuckDBPyConnection") -> set[str] | None:
        """Return the videos that are within the limits; None without a limit on videos."""
        values = {item.name: value for item in fields(self) if (value := _limit(self, item.name)) is not None}
        if not values:
            return None
        query = " INTERSECT ".join(f"({_LIMITS[name]})" for name in values)
        return {video_id for (video_id,) in connection.execute(query, values).fetchall()}

    def check(self, connection: "duckdb.DuckDBPyConnection") -> None:
        """Refuse analyzers that find nothing that has a time.

        Raises:
            SettingsError: There is no such analyzer.
        """
        known = sorted(name for (name,) in connection.execute("SELECT name FROM analyzers UNION FROM texts").fetchall())
        if strange := sorted(set(self.analyzers) - set(known)):
            problem = "no such analyzer"
            raise SettingsError(f"analyzers {', '.join(strange)}", problem, f"use some of {', '.join(known)}")


def _limit(facets: Facets, name: str) -> Any:
    """Return the value of a limit on videos; None if it is none."""
    value = getattr(facets, name)
    if name not in _LIMITS or value is None or value == ():
        return None
    return [text.lower() for text in value] if isinstance(value, tuple) else value


_LIMITS = {
    "labels": "SELECT video_id FROM events WHERE list_contains($labels, lower(kind)) "
    "AND analyzer <> 'speech_transcription' GROUP BY video_id "
    "HAVING count(DISTINCT lower(kind)) = len(list_distinct($labels))",
    "languages": "SELECT video_id FROM speech_transcription WHERE list_contains($languages, language)",
    "longer_s": "SELECT video_id FROM videos WHERE duration_s >= $longer_s",
    "shorter_s": "SELECT video_id FROM videos WHERE duration_s <= $shorter_s",
    "since": "SELECT video_id FROM sources WHERE make_timestamp(epoch_us(modified_at))::DATE >= $since",
    "until": "SELECT video_id FROM sources WHERE make_timestamp(epoch_us(modified_at))::DATE <= $until",
    "best_brisque": "SELECT video_id FROM content_quality GROUP BY video_id HAVING median(brisque) <= $best_brisque",
}
