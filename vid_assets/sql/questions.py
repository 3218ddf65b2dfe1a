"""Views and macros for common questions about an archive: what happens when, who says what, what is rising.

They follow the analyzers. A table with times and a column that names an event is part of `events`. A table with a
text that is spoken, written or describes a picture is searched by `search_text`. The file's own subtitles, captions and
chapters are part of both.
"""

from collections.abc import Sequence

from resources.warehouse.records import CUES
from resources.warehouse.schema import quoted
from resources.warehouse.views import ViewSpec
from vid_assets.contract import Analyzer

# Columns that name an event, the most informative first.
_NAMES = ("kind", "label", "word", "prompt", "emotion")
_SHOWN = ("text", "label", "word", "emotion")

# What the file itself contains: subtitles, captions, chapters.
_CUE_EVENTS = (
    f"SELECT video_id, '{CUES.name}' AS analyzer, start_s, end_s, kind, text, NULL::DOUBLE AS confidence "  # noqa: S608
    f"FROM {quoted(CUES.name)}"
)

_TRENDS = """
WITH dated AS (
    SELECT trend_analysis.*, date_trunc('month', make_timestamp(epoch_us(modified_at)))::DATE AS period
    FROM trend_analysis JOIN sources USING (video_id)
), periods AS (
    SELECT period, count(DISTINCT video_id) AS period_videos, lag(period) OVER (ORDER BY period) AS before
    FROM dated GROUP BY period
), sums AS (
    SELECT period, kind, item, sum(amount) / any_value(period_videos) AS per_video, count(DISTINCT video_id) AS videos,
        list(video_id ORDER BY amount DESC, video_id)[:20] AS video_ids
    FROM dated JOIN periods USING (period) GROUP BY period, kind, item
)
SELECT sums.period AS period, sums.kind AS kind, sums.item AS item, sums.videos AS videos, period_videos,
    sums.per_video AS per_video,
    CASE WHEN before IS NOT NULL THEN coalesce(earlier.per_video, 0) END AS per_video_before,
    CASE WHEN before IS NOT NULL THEN sums.per_video - coalesce(earlier.per_video, 0) END AS rise,
    sums.video_ids AS video_ids
FROM sums JOIN periods USING (period)
LEFT JOIN sums AS earlier ON earlier.period = before AND earlier.kind = sums.kind AND earlier.item = sums.item
ORDER BY period, kind, per_video DESC, item"""

_PERCENTILES = """
WITH spent AS (
    SELECT video_id, make_timestamp(epoch_us(max(ended_at)))::DATE AS day, any_value(profile) AS profile,
        coalesce(max(device), 'cpu') AS device FROM analyzer_runs GROUP BY video_id
)
SELECT day, profile, device, count(*) AS videos, quantile_cont(realtime_factor, 0.5) AS p50,
    quantile_cont(realtime_factor, 0.95) AS p95, quantile_cont(realtime_factor, 0.99) AS p99
FROM realtime_factor JOIN spent USING (video_id) WHERE realtime_factor IS NOT NULL
GROUP BY day, profile, device ORDER BY day, profile, device"""

# Reasons name files, sizes and times; without their numbers and quoted parts, those of one kind are one group.
_UNANSWERED = """
SELECT analyzer, status, count(*) AS videos, any_value(reason ORDER BY ended_at DESC) AS reason,
    list(video_id ORDER BY video_id)[:20] AS video_ids
FROM analyzer_runs WHERE status IN ('undefined', 'failed')
GROUP BY analyzer, status, regexp_replace(replace(coalesce(reason, ''), video_id, ''), '[0-9]+|\\S*/\\S*', '', 'g')
ORDER BY videos DESC, analyzer, status, reason"""

_REMAINING = """
WITH lengths AS (
    SELECT video_id, coalesce(videos.duration_s, sources.size_bytes
        * (SELECT sum(duration_s) / sum(size_bytes) FROM videos WHERE size_bytes > 0)) AS video_s
    FROM sources LEFT JOIN videos USING (video_id) WHERE vanished_at IS NULL
)
SELECT analyzers.name AS analyzer, count(*) AS videos, sum(lengths.video_s) AS video_s,
    sum(lengths.video_s) * any_value(pace.realtime_factor) AS busy_s
FROM lengths CROSS JOIN analyzers
LEFT JOIN (SELECT video_id, analyzer, status FROM analyzer_runs) AS run
    ON run.video_id = lengths.video_id AND run.analyzer = analyzers.name
LEFT JOIN realtime_factor_by_analyzer AS pace ON pace.analyzer = analyzers.name
WHERE run.status IS NULL OR run.status = 'failed' GROUP BY analyzers.name ORDER BY analyzers.name"""

# An argument may be a column of the query around a macro. Where a table of the macro has a column of that name, DuckDB
# takes that one, and `video_id = video` would hold for every row. So arguments are compared with renamed columns, or
# named in `asked`, where no table is.
MACROS = (
    """CREATE MACRO timeline(video) AS TABLE
SELECT start_s, end_s, analyzer, kind, text, confidence
FROM (SELECT video_id AS happens_in, * EXCLUDE (video_id) FROM events)
WHERE happens_in = video ORDER BY start_s, analyzer, end_s""",
    # a number that only tells things apart may be another one without the thing being another
    """CREATE MACRO compare(which, digest_a, digest_b) AS TABLE
WITH asked AS (SELECT which AS asked_analyzer, digest_a AS asked_a, digest_b AS asked_b), kept AS (
    SELECT * REPLACE (list_transform(answer, lambda row:
        regexp_replace(row, '"(track|product|shot|scene)":[0-9]+,', '', 'g')) AS answer)
    FROM kept_answers JOIN asked ON analyzer = asked_analyzer
), a AS (SELECT * FROM kept WHERE starts_with(code_version, asked_a)),
    b AS (SELECT * FROM kept WHERE starts_with(code_version, asked_b))
SELECT video_id, a.status AS status_a, b.status AS status_b, len(a.answer) AS rows_a, len(b.answer) AS rows_b,
    coalesce(len(list_intersect(a.answer, b.answer)), 0) AS same_rows, a.compute_s AS compute_s_a,
    b.compute_s AS compute_s_b, a.reason AS reason_a, b.reason AS reason_b
FROM a FULL JOIN b USING (video_id) ORDER BY video_id""",
    """CREATE MACRO clips(what, source := '', gap_s := 1.0) AS TABLE
WITH asked AS (SELECT lower(what) AS asked_what, coalesce(source, '') AS asked_of, gap_s AS asked_gap_s), hits AS (
    SELECT video_id, start_s, coalesce(end_s, start_s) AS end_s, asked_gap_s FROM events, asked
    WHERE (contains(lower(kind), asked_what) OR contains(lower(text), asked_what)) AND asked_of IN ('', analyzer)
), apart AS (
    SELECT *, start_s - max(end_s) OVER (PARTITION BY video_id ORDER BY start_s, end_s
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS since FROM hits
), numbered AS (
    SELECT *, sum(CASE WHEN since IS NULL OR since > asked_gap_s THEN 1 ELSE 0 END)
        OVER (PARTITION BY video_id ORDER BY start_s, end_s) AS clip FROM apart
)
SELECT video_id, min(start_s) AS start_s, max(end_s) AS end_s, count(*) AS events FROM numbered
GROUP BY video_id, clip ORDER BY video_id, start_s""",
    """CREATE MACRO phrases(video) AS TABLE
SELECT row_number() OVER (ORDER BY min(start_s), segment) AS number, min(start_s) AS start_s, max(end_s) AS end_s,
    string_agg(trim(word), ' ' ORDER BY start_s) AS text
FROM (SELECT video_id AS spoken_in, * EXCLUDE (video_id) FROM speech_transcription)
WHERE spoken_in = video AND trim(word) <> '' GROUP BY segment ORDER BY number""",
    # an invisible character behind < keeps players from reading markup, which SubRip cannot escape
    """CREATE MACRO srt(video) AS (
SELECT string_agg(number || chr(10) || replace(timecode(start_s), '.', ',') || ' --> '
    || replace(timecode(end_s), '.', ',') || chr(10)
    || replace(replace(text, '-->', '->'), '<', '<' || chr(8288)) || chr(10), chr(10) ORDER BY number)
FROM phrases(video))""",
    """CREATE MACRO vtt(video) AS (
SELECT 'WEBVTT' || chr(10) || chr(10) || string_agg(timecode(start_s) || ' --> ' || timecode(end_s) || chr(10)
    || replace(replace(replace(text, '&', '&amp;'), '<', '&lt;'), '>', '&gt;') || chr(10), chr(10) ORDER BY number)
FROM phrases(video))""",
    """CREATE MACRO similar_shots(video, at_s, bits := 8) AS TABLE
WITH asked AS (SELECT video AS asked_video, at_s AS asked_s, bits AS asked_bits), mine AS (
    SELECT phash, asked.* FROM shots JOIN asked ON video_id = asked_video
    WHERE start_s <= asked_s AND phash IS NOT NULL ORDER BY start_s DESC LIMIT 1
)
SELECT video_id, start_s, end_s, time_s, bit_count(xor(mine.phash, shots.phash)) AS differing_bits
FROM mine JOIN shots ON bit_count(xor(mine.phash, shots.phash)) <= asked_bits
WHERE video_id <> asked_video OR asked_s < start_s OR asked_s >= end_s ORDER BY differing_bits, video_id, start_s""",
    """CREATE MACRO similar_videos(video, bits := 8) AS TABLE
WITH asked AS (SELECT video AS asked_video, bits AS asked_bits), mine AS (
    SELECT shot, end_s - start_s AS length_s, phash, asked.* FROM shots JOIN asked ON video_id = asked_video
    WHERE phash IS NOT NULL
), again AS (
    SELECT DISTINCT other.video_id AS video_id, mine.shot AS shot, mine.length_s AS length_s
    FROM mine JOIN shots AS other ON bit_count(xor(mine.phash, other.phash)) <= asked_bits
    WHERE other.video_id <> asked_video
)
SELECT video_id, sum(length_s) / (SELECT sum(length_s) FROM mine) AS share, count(*) AS shots
FROM again GROUP BY video_id ORDER BY share DESC, video_id""",
)


def views(analyzers: Sequence[Analyzer]) -> list[ViewSpec]:
    """Return the project's own views over the tables of these analyzers."""
    names = {analyzer.name for analyzer in analyzers}
    return [
        _events(analyzers),
        _texts(analyzers),
        _unanswered(),
        _remaining(),
        *([_trends()] if "trend_analysis" in names else []),
        ViewSpec(
            "realtime_percentiles",
            "One row per day, profile and device: how fast videos were analysed",
            _PERCENTILES,
            {
                "day": ("UTC", "Day on which the analysis ended"),
                "profile": ("text", "Model profile"),
                "device": ("text", "Where the models ran"),
                "videos": ("1", "Videos analysed on that day"),
                "p50": ("1", "Median of their realtime factors"),
                "p95": ("1", "95th percentile"),
                "p99": ("1", "99th percentile"),
            },
        ),
    ]


def _unanswered() -> ViewSpec:
    return ViewSpec(
        "unanswered",
        "One row per analyzer, status and kind of reason: what could not be answered, the most frequent first",
        _UNANSWERED,
        {
            "analyzer": ("text", "Analyzer"),
            "status": ("text", "undefined or failed"),
            "videos": ("1", "Videos with this answer"),
            "reason": ("text", "The latest of these reasons; it says what would mend it"),
            "video_ids": ("text", "Up to 20 of the videos"),
        },
    )


def _remaining() -> ViewSpec:
    return ViewSpec(
        "remaining",
        "One row per analyzer: the videos that it has not answered or has failed for, and what they will take",
        _REMAINING,
        {
            "analyzer": ("text", "Analyzer"),
            "videos": ("1", "Videos without an answer"),
            "video_s": ("s", "Their length; of files that are not decoded yet, estimated from their size"),
            "busy_s": ("s", "Seconds of its steps that they will take, at its pace so far; null if it has never run"),
        },
    )


def _events(analyzers: Sequence[Analyzer]) -> ViewSpec:
    """Return the view of everything that has a time and a name."""
    parts = [_CUE_EVENTS, *(part for analyzer in analyzers if (part := _event_query(analyzer)))]
    return ViewSpec(
        "events",
        "One row per event in a video, of all analyzers",
        " UNION ALL ".join(parts),
        {
            "video_id": ("text", "Partition key"),
            "analyzer": ("text", "Table that it is from"),
            "start_s": ("s", "Where it starts"),
            "end_s": ("s", "Where it ends; null for a moment"),
            "kind": ("text", "What it is"),
            "text": ("text", "What is said, written or described; null without words"),
            "confidence": ("1", "Confidence of the analyzer, 0 to 1; null if it has none"),
        },
    )


def start_column(analyzer: Analyzer) -> str | None:
    """Return the column with the time at which a row begins; None if the table has no times."""
    return next((name for name in ("start_s", "time_s") if name in analyzer.table), None)


def _event_query(analyzer: Analyzer) -> str | None:
    columns, start = analyzer.table, start_column(analyzer)
    kind = next((name for name in _NAMES if name in columns), None)
    text = next((name for name in _SHOWN if name in columns), None)
    if start is None or (kind is None and text is None):
        return None
    sure = next((name for name in ("confidence", "score") if name in columns), None)
    shown = {
        "analyzer": f"'{analyzer.name}'",
        "start_s": start,
        "end_s": "end_s" if "end_s" in columns else "NULL::DOUBLE",
        "kind": kind or f"'{analyzer.name}'",
        "text": text or "NULL::VARCHAR",
        "confidence": sure or "NULL::DOUBLE",
    }
    return (
        "SELECT video_id, "  # noqa: S608  # names are checked identifiers
        + ", ".join(f"{value} AS {name}" for name, value in shown.items())
        + f" FROM {quoted(analyzer.name)}"
    )


def is_searched(analyzer: Analyzer) -> bool:
    """Whether the analyzer's table has texts that `search_text` searches."""
    return "text" in analyzer.table and start_column(analyzer) is not None


def _texts(analyzers: Sequence[Analyzer]) -> ViewSpec:
    rows = ", ".join(f"('{name}')" for name in [CUES.name, *(item.name for item in analyzers if is_searched(item))])
    query = f"SELECT name::VARCHAR AS name FROM (VALUES {rows}) AS listed(name)"  # noqa: S608
    return ViewSpec(
        "texts",
        "One row per analyzer, or table of the file's own, whose texts are searched",
        query,
        {"name": ("text", "Its name")},
    )


def _trends() -> ViewSpec:
    return ViewSpec(
        "trends",
        "One row per month and item said, shown, seen or heard: how much of it there is, and how that changed",
        _TRENDS,
        {
            "period": ("date", "Month in which the files were last modified"),
            "kind": ("text", "word, object, colour, pace or sound"),
            "item": ("text", "Which"),
            "videos": ("1", "Videos of the month that have it"),
            "period_videos": ("1", "Videos of the month"),
            "per_video": ("as in trend_analysis", "Mean amount over all videos of the month"),
            "per_video_before": (
                "as in trend_analysis",
                "The same for the previous month that has videos; null for the first month",
            ),
            "rise": ("as in trend_analysis", "The difference of the two"),
            "video_ids": ("text", "Videos that have it, those with most of it first, at most 20"),
        },
    )
