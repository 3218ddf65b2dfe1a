"""The tables that are the pipeline's own: files, videos, runs of analyzers, loads of models."""

import polars as pl

from resources.warehouse.schema import ColumnSpec, DType, TableSpec

UTC = pl.Datetime("us", "UTC")
STATUSES = ("value", "not_applicable", "undefined", "failed", "disabled")
LOAD_KINDS = ("cold", "warm_disk", "hit")


def _columns(*rows: tuple[str, DType, str, str]) -> tuple[ColumnSpec, ...]:
    return tuple(ColumnSpec(*row) for row in rows)


_VIDEO_ID = ("video_id", pl.String, "text", "Partition key: readable stem, a dash, 12 hex digits of the content hash")

SOURCES = TableSpec(
    "sources",
    "One row a file that the pipeline knows of: where its bytes are",
    _columns(
        _VIDEO_ID,
        ("path", pl.String, "text", "Path or URL of the file; a path that is not UTF-8 as a percent-encoded file URI"),
        ("content_hash", pl.String, "text", "SHA-256 of the bytes, in hex"),
        ("size_bytes", pl.Int64, "B", "Size of the file"),
        ("modified_at", UTC, "UTC", "Modification time of the file"),
        ("registered_at", UTC, "UTC", "When the pipeline first saw it"),
        ("vanished_at", UTC, "UTC", "When it was found to be gone; null while it is there"),
    ),
)

VIDEOS = TableSpec(
    "videos",
    "One row a video: facts read in its decode pass",
    _columns(
        _VIDEO_ID,
        ("file_name", pl.String, "text", "Name of the file, without its folder"),
        ("content_hash", pl.String, "text", "SHA-256 of the bytes, in hex"),
        ("size_bytes", pl.Int64, "B", "Size of the file"),
        ("duration_s", pl.Float64, "s", "From the first picture or sample to the end of the last"),
        ("width", pl.Int64, "px", "Displayed width; 0 without a picture"),
        ("height", pl.Int64, "px", "Displayed height; 0 without a picture"),
        ("fps", pl.Float64, "1/s", "Average frame rate; 0 without a picture"),
        ("frame_count", pl.Int64, "1", "Pictures that were decoded"),
        ("has_picture", pl.Boolean, "1", "Whether at least one picture could be decoded"),
        ("has_audio", pl.Boolean, "1", "Whether at least one sound sample could be decoded"),
        ("container", pl.String, "text", "Container format, as FFmpeg names it"),
        ("video_codec", pl.String, "text", "Codec of the picture, as FFmpeg names it; null without one"),
        ("audio_codec", pl.String, "text", "Codec of the sound, as FFmpeg names it; null without one"),
        ("rotation_deg", pl.Int64, "deg", "Clockwise turn that the file asks for; already applied to width and height"),
        ("variable_frame_rate", pl.Boolean, "1", "Whether the time between pictures varies"),
        ("warnings", pl.List(pl.String), "text", "What the decoder had to put up with"),
        ("decode_passes", pl.Int64, "1", "Times that the file was decoded for the whole run; 1 by design"),
        ("decode_s", pl.Float64, "s", "Wall time of the decode pass"),
    ),
)

ANALYZER_RUNS = TableSpec(
    "analyzer_runs",
    "One row a video and analyzer: how its latest run went",
    _columns(
        _VIDEO_ID,
        ("analyzer", pl.String, "text", "Name of the analyzer"),
        ("status", pl.String, "text", f"What it answered: {', '.join(STATUSES)}"),
        ("reason", pl.String, "text", "Why there is no value, or the error; null with status value"),
        ("rows", pl.Int64, "1", "Rows written to the analyzer's table"),
        ("covered", pl.Float64, "1", "Share of the video that the rows span; null for a table without times or rows"),
        ("queue_s", pl.Float64, "s", "Waiting for a slot, and for a model that loads meanwhile, which takes none"),
        ("load_s", pl.Float64, "s", "Waiting for the model in a slot: one that was gone, or took too long"),
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
    "One row a time that a run needed a model: what its load took",
    _columns(
        ("model", pl.String, "text", "Name in the model catalogue"),
        ("revision", pl.String, "text", "Revision of the weights"),
        ("precision", pl.String, "text", "Number format of the weights"),
        ("source", pl.String, "text", "Where the weights come from: hub, wheel or vendored"),
        ("load_s", pl.Float64, "s", "Wall time of the load; 0 for a hit"),
        ("bytes", pl.Int64, "B", "Size of the weights' files"),
        ("kind", pl.String, "text", f"How it came into memory: {', '.join(LOAD_KINDS)}"),
        ("host", pl.String, "text", "Model host that loaded it"),
        ("run_id", pl.String, "text", "Dagster run"),
        ("at", UTC, "UTC", "When the run asked for it"),
    ),
)

FIXED_TABLES = (SOURCES, VIDEOS, ANALYZER_RUNS, MODEL_LOADS)
