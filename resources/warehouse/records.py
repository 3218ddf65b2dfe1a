"""The pipeline's own tables: files, videos, runs of analyzers, loads of models."""

from functools import lru_cache
from pathlib import Path

import polars as pl

from resources.warehouse.schema import ColumnSpec, DType, TableSpec, schema_file

UTC = pl.Datetime("us", "UTC")
STATUSES = ("value", "not_applicable", "undefined", "failed", "disabled")
LOAD_KINDS = ("cold", "warm_disk", "hit")


def _columns(*rows: tuple[str, DType, str, str]) -> tuple[ColumnSpec, ...]:
    return tuple(ColumnSpec(*row) for row in rows)


_VIDEO_ID = ("video_id", pl.String, "text", "Partition key: readable stem, a dash, 12 hex digits of the content hash")

SOURCES = TableSpec(
    "sources",
    "One row per registered file: where its bytes are",
    _columns(
        _VIDEO_ID,
        ("path", pl.String, "text", "Path or URL of the file; a path that is not UTF-8 as a percent-encoded file URI"),
        ("content_hash", pl.String, "text", "SHA-256 of the bytes, in hex"),
        ("size_bytes", pl.Int64, "B", "Size of the file"),
        ("modified_at", UTC, "UTC", "Modification time of the file"),
        ("registered_at", UTC, "UTC", "When the pipeline first saw it"),
        ("vanished_at", UTC, "UTC", "When the pipeline found that it has vanished; null while it exists"),
        (
            "bucket",
            pl.String,
            "text",
            "Partition that it shares with others; null for one of its own, empty until its bucket is closed",
        ),
    ),
)

VIDEOS = TableSpec(
    "videos",
    "One row per video: facts from its decode pass",
    _columns(
        _VIDEO_ID,
        ("file_name", pl.String, "text", "Name of the file, without its folder"),
        ("content_hash", pl.String, "text", "SHA-256 of the bytes, in hex"),
        ("size_bytes", pl.Int64, "B", "Size of the file"),
        (
            "duration_s",
            pl.Float64,
            "s",
            "From the first picture or sample, the earlier of both, to the end of the last",
        ),
        ("width", pl.Int64, "px", "Displayed width; 0 without a picture"),
        ("height", pl.Int64, "px", "Displayed height; 0 without a picture"),
        (
            "fps",
            pl.Float64,
            "1/s",
            "Average frame rate, the constant one where damage alone breaks it; 0 without a picture",
        ),
        ("frame_count", pl.Int64, "1", "Pictures that were decoded"),
        ("has_picture", pl.Boolean, "1", "Whether at least one picture could be decoded"),
        ("has_audio", pl.Boolean, "1", "Whether at least one sound sample could be decoded"),
        ("container", pl.String, "text", "Container format, as FFmpeg names it"),
        ("video_codec", pl.String, "text", "Codec of the picture, as FFmpeg names it; null without one"),
        ("audio_codec", pl.String, "text", "Codec of the sound, as FFmpeg names it; null without one"),
        ("rotation_deg", pl.Int64, "deg", "Clockwise turn that the file asks for; already applied to width and height"),
        ("variable_frame_rate", pl.Boolean, "1", "Whether the time between pictures varies"),
        ("start_s", pl.Float64, "s", "The file's own time of time 0"),
        ("start_timecode", pl.String, "text", "What the file's clock shows at time 0, hh:mm:ss:ff; null without one"),
        ("picture_start_s", pl.Float64, "s", "Time of the first picture; null without one"),
        ("sound_start_s", pl.Float64, "s", "Time of the first sample of sound; null without one"),
        ("native_width", pl.Int64, "px", "Width as stored"),
        ("native_height", pl.Int64, "px", "Height as stored"),
        (
            "sample_aspect",
            pl.String,
            "1",
            "Width of a stored pixel to its height, such as 16:15; already applied to width",
        ),
        (
            "mirrored",
            pl.Boolean,
            "1",
            "Whether the file asks for mirroring, left to right, before the turn; already done",
        ),
        ("pixel_format", pl.String, "text", "Pixel format, as FFmpeg names it"),
        (
            "field_order",
            pl.String,
            "text",
            "progressive, or order of the fields: tt, bb, tb, bt; null where it is not said",
        ),
        ("deinterlaced", pl.Boolean, "1", "Whether there were interlaced pictures, which were deinterlaced"),
        ("transfer", pl.String, "text", "Transfer function, such as bt709, pq or hlg; null where it is not said"),
        ("tone_mapped", pl.Boolean, "1", "Whether high dynamic range was mapped to the standard one"),
        ("audio_channels", pl.Int64, "1", "Channels of the sound"),
        ("audio_layout", pl.String, "text", "Their layout, as FFmpeg names it, such as stereo or 5.1"),
        (
            "audio_channel",
            pl.String,
            "text",
            "What was listened to: mix, or the one channel that was taken, such as FL",
        ),
        ("audio_rate_hz", pl.Int64, "Hz", "Sample rate of the sound, as stored"),
        ("bit_rate", pl.Int64, "bit/s", "Bit rate of the whole file"),
        ("frames_per_s", pl.Float64, "1/s", "Pictures a second in the stream frames"),
        ("long_side", pl.Int64, "px", "Longest side that these pictures may have"),
        ("warnings", pl.List(pl.String), "text", "Problems of the file that the decoder worked around"),
        ("decode_passes", pl.Int64, "1", "Decode passes over the file for the whole run; 1 by design"),
        ("decode_s", pl.Float64, "s", "Wall time of the decode pass"),
    ),
)

TRACKS = TableSpec(
    "tracks",
    "One row a track of a file: what it is, and whether it was looked at or listened to",
    _columns(
        _VIDEO_ID,
        ("index", pl.Int64, "1", "Number of the track in the file, from 0"),
        ("kind", pl.String, "text", "video, audio, subtitle, data or attachment"),
        ("codec", pl.String, "text", "Decoder, as FFmpeg names it; unknown without one"),
        ("language", pl.String, "text", "Language as the file says it, such as eng; null where it does not"),
        ("title", pl.String, "text", "Its name in the file; null without one"),
        ("disposition", pl.List(pl.String), "text", "FFmpeg's flags, such as default, comment or attached_pic"),
        ("width", pl.Int64, "px", "Width as stored; 0 for other kinds than video"),
        ("height", pl.Int64, "px", "Height as stored; 0 for other kinds than video"),
        ("channels", pl.Int64, "1", "Channels; 0 for other kinds than audio"),
        ("rate", pl.Float64, "1/s", "Samples or pictures a second that the file announces; 0 where it does not"),
        ("duration_s", pl.Float64, "s", "Length that the file announces; 0 where it does not"),
        ("taken", pl.Boolean, "1", "Whether it was decoded into the streams or the table cues"),
        ("reason", pl.String, "text", "Why it was taken or not"),
    ),
)

CUES = TableSpec(
    "cues",
    "One row a subtitle, caption, chapter or timecode that the file itself carries",
    _columns(
        _VIDEO_ID,
        ("kind", pl.String, "text", "subtitle, caption (CEA-608 or CEA-708), chapter or timecode"),
        ("start_s", pl.Float64, "s", "Start"),
        ("end_s", pl.Float64, "s", "End"),
        ("text", pl.String, "text", "Its words; null for pictures of text and chapters without a title"),
        ("language", pl.String, "text", "Language as the file says it, such as eng; null where it does not"),
        (
            "track",
            pl.Int64,
            "1",
            "Number of the track in the file; -1 for captions inside the picture; null for others",
        ),
    ),
)

ANALYZER_RUNS = TableSpec(
    "analyzer_runs",
    "One row per video and analyzer: its latest run",
    _columns(
        _VIDEO_ID,
        ("analyzer", pl.String, "text", "Name of the analyzer"),
        ("status", pl.String, "text", f"Its answer: {', '.join(STATUSES)}"),
        ("reason", pl.String, "text", "Why there is no value, or the error; null with status value"),
        ("rows", pl.Int64, "1", "Rows written to the analyzer's table"),
        ("covered", pl.Float64, "1", "Share of the video that the rows span; null for a table without times or rows"),
        ("queue_s", pl.Float64, "s", "Waiting for a slot, or without a slot for a model to load"),
        ("load_s", pl.Float64, "s", "Waiting for the model in a slot: its host had exited, or the load took too long"),
        ("decode_s", pl.Float64, "s", "Waiting for the decode pass"),
        ("compute_s", pl.Float64, "s", "Computing, calls to model hosts included"),
        ("write_s", pl.Float64, "s", "Checking and writing the answer"),
        ("started_at", UTC, "UTC", "Start of the step"),
        ("ended_at", UTC, "UTC", "End of the step"),
        ("model", pl.String, "text", "Model used, as the catalogue names it; null without one"),
        ("revision", pl.String, "text", "Revision of the model's weights"),
        ("precision", pl.String, "text", "Number format of the weights, such as fp32 or int8"),
        ("device", pl.String, "text", "Where the model ran, such as cpu or cuda:0"),
        ("host", pl.String, "text", "Model host or machine that did the work"),
        ("run_id", pl.String, "text", "Dagster run"),
        ("code_version", pl.String, "text", "Version of analyzer, settings, model, host code and schema together"),
        ("content_hash", pl.String, "text", "SHA-256 of the video's bytes, in hex"),
        ("profile", pl.String, "text", "Model profile: gpu, cpu or offline"),
        ("failures", pl.Int64, "1", "Times in a row that this code failed; causes outside code and file do not count"),
        ("config", pl.String, "JSON", "Settings of the analyzer that differ from their defaults; null for none"),
        ("own_settings", pl.Boolean, "1", "Whether the run chose settings, model or profile other than the archive's"),
        ("provenance", pl.String, "text", "Digest of code version, content and the answers that it was computed from"),
    ),
)

MODEL_LOADS = TableSpec(
    "model_loads",
    "One row per run and model that it needed: how the model was loaded",
    _columns(
        ("run_id", pl.String, "text", "Dagster run"),
        ("model", pl.String, "text", "Name in the model catalogue"),
        ("revision", pl.String, "text", "Revision of the weights"),
        ("precision", pl.String, "text", "Number format of the weights"),
        ("source", pl.String, "text", "Source of the weights: hub, wheel, package or folder"),
        ("load_s", pl.Float64, "s", "Wall time of the load; 0 for a hit"),
        ("bytes", pl.Int64, "B", "Size of the weights' files"),
        ("kind", pl.String, "text", f"How it was loaded: {', '.join(LOAD_KINDS)}"),
        ("host", pl.String, "text", "Model host that loaded it"),
        ("at", UTC, "UTC", "When the run asked for it"),
    ),
)

KEPT_ANSWERS = TableSpec(
    "kept_answers",
    "One row per video, analyzer and code version: an answer that vid-assets compare keeps",
    _columns(
        _VIDEO_ID,
        ("analyzer", pl.String, "text", "Name of the analyzer"),
        ("code_version", pl.String, "text", "Version of analyzer, settings, model, host code and schema together"),
        ("status", pl.String, "text", f"Its answer: {', '.join(STATUSES)}"),
        ("reason", pl.String, "text", "Why there is no value, or the error; null with status value"),
        ("compute_s", pl.Float64, "s", "Computing, calls to model hosts included"),
        ("model", pl.String, "text", "Model used, as the catalogue names it; null without one"),
        ("profile", pl.String, "text", "Model profile: gpu, cpu or offline"),
        ("config", pl.String, "JSON", "Settings of the analyzer that differ from their defaults; null for none"),
        ("ended_at", UTC, "UTC", "When it was given"),
        ("answer", pl.List(pl.String), "JSON", "The rows of its table, without the key"),
    ),
)

FIXED_TABLES = (SOURCES, VIDEOS, TRACKS, CUES, ANALYZER_RUNS, MODEL_LOADS, KEPT_ANSWERS)
_KEYS = {spec.name: spec.key for spec in FIXED_TABLES}


def key_of(root: Path, table: str) -> str:
    """Return the column that names the partitions of a table: the first one of its declaration, if it has one."""
    if table in _KEYS:
        return _KEYS[table]
    file = schema_file(root, table)
    return _first_column(file) if file.exists() else _VIDEO_ID[0]


@lru_cache(maxsize=256)
def _first_column(file: Path) -> str:
    return next(iter(pl.scan_parquet(file, glob=False).collect_schema()))
