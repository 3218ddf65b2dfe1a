"""All settings of the project in one table: environment variable, type, unit, default, meaning.

A setting is read when it is used, so that a process started by Dagster sees its own environment. Empty variables
count as unset. An invalid value raises `InvalidSetting`, which names the variable, the value and the allowed values.
Relative folders are relative to the working directory.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from resources.errors import InvalidSetting

PREFIX = "VID_"
_PASSWORD = re.compile(r"(?<=://)[^/@]*:(?!\d+/).*@")
_PROFILES = Literal["auto", "offline", "cpu", "gpu"]
_PARTITIONS = Literal["video", "bucket"]


def _unit(unit: str) -> FieldInfo:
    return Field(json_schema_extra={"unit": unit})


def _without_password(url: str) -> str:
    # it would go on into run configurations, logs and error texts
    if _PASSWORD.search(url):
        raise ValueError("without a password: credentials come from the environment of the file system's package")
    return url


Number = Annotated[float, Field(allow_inf_nan=False)]


class Settings(BaseSettings):
    """The settings. Field `name` is the variable ``VID_NAME``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    archive: Annotated[str, AfterValidator(_without_password)] = Field(
        default="data/videos", description="where videos are: a folder, or a URL that fsspec supports"
    )
    warehouse: str = Field(
        default="data/warehouse",
        description="where results go: a folder, or a DuckLake, `ducklake:postgres:CONNECTION`",
    )
    warehouse_data: str = Field(
        default="", description="where a new DuckLake keeps its files: a folder that all machines see, or `s3://...`"
    )
    reports: Path = Field(default=Path("data/reports"), description="where the HTML pages go")
    scratch: Path = Field(
        default=Path("data/scratch"),
        description="decoded streams, fetched copies, vectors for searching, sockets of the hosts",
    )
    scratch_gb: Annotated[Number, _unit("GB")] = Field(default=20.0, ge=0, description="disk space for decoded streams")
    free_gb: Annotated[Number | None, _unit("GB")] = Field(
        default=None,
        ge=0,
        description="space that stays free on each disk: with less, nothing new begins; default: 0.5 GB or 5 % of the "
        "disk, whichever is less",
    )
    access: Literal["owner", "group", "all"] = Field(
        default="owner",
        description="who may read what the pipeline writes: `owner`, `group` (which may also write), `all`",
    )
    links: Literal["inside", "all"] = Field(
        default="inside",
        description="links that are followed, to files and to folders: those that stay `inside` the archive, or `all`",
    )
    models: Path = Field(default=Path("data/models"), description="fetched model weights")
    profile: _PROFILES = Field(
        default="auto",
        description="`offline` (weights that the packages contain), `cpu`, `gpu`; `auto` chooses",
    )
    disabled: str = Field(default="", description="analyzers to leave out, separated by commas")
    catalog: str = Field(default="", description="TOML files with models of your own, separated by `:`")
    alert: str = Field(
        default="",
        description="where failed runs are told: `https://...` receives JSON, `smtp://host:25/you@example.org` a mail",
    )
    config: str = Field(default="", description="TOML file with settings of analyzers and models")
    model_idle_s: Annotated[Number, _unit("seconds")] = Field(
        default=900.0, gt=0, description="time without a request after which a model host exits"
    )
    host_memory_mb: Annotated[Number | None, _unit("MB")] = Field(
        default=None,
        gt=0,
        description="memory for all model hosts together; default: 70 % of the machine's or container's",
    )
    host_threads: Annotated[int | None, _unit("threads")] = Field(
        default=None, ge=1, description="CPU threads of one model host; default: half of the cores"
    )
    backfill_videos: Annotated[int, _unit("videos")] = Field(default=1000, ge=1, description="most videos per night")
    backfill_hours: Annotated[Number | None, _unit("hours")] = Field(
        default=None, gt=0, description="most hours of video per night; default: no limit"
    )
    partition: _PARTITIONS = Field(
        default="video",
        description="what becomes a partition of new videos: each `video`, or a `bucket` of those that arrive together",
    )
    bucket_videos: Annotated[int, _unit("videos")] = Field(
        default=100, ge=1, description="videos after which a bucket is closed; it is also closed after an hour"
    )
    max_hours: Annotated[Number, _unit("hours")] = Field(default=4.0, gt=0, description="longest video that is decoded")
    max_pictures: Annotated[int, _unit("pictures")] = Field(
        default=4_000_000, ge=1, description="most pictures in a video"
    )
    max_pixels: Annotated[int, _unit("px")] = Field(
        default=8192 * 4352, ge=1, description="largest stored picture, width times height"
    )
    decode_memory_gb: Annotated[Number, _unit("GiB")] = Field(
        default=4.0, gt=0, description="address space of a decoder"
    )
    decode_file_gb: Annotated[Number, _unit("GiB")] = Field(
        default=64.0, gt=0, description="largest scratch file of a decoder"
    )
    decode_hours: Annotated[Number, _unit("hours")] = Field(
        default=4.0, gt=0, description="longest time that a decode takes"
    )
    decode_cpu_hours: Annotated[Number, _unit("hours")] = Field(
        default=8.0, gt=0, description="most processor time of a decode, all threads together"
    )
    decode_cpu_per_s: Annotated[Number, _unit("seconds")] = Field(
        default=20.0,
        gt=0,
        description="most processor time of a decode for each second of video, of which 60 always count",
    )
    decode_stall_s: Annotated[Number, _unit("seconds")] = Field(
        default=60.0, gt=0, description="time without progress after which a decoder counts as hung"
    )
    proxy: Literal["off", "on"] = Field(
        default="on", description="`off`: a decode makes no small copy of what browsers may not play, for the report"
    )
    decode_threads: Annotated[int | None, _unit("threads")] = Field(
        default=None, ge=1, description="decoder threads; default: as many as there are processors, 8 at most"
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One setting, as text.

    Attributes:
        variable: The environment variable.
        value: Its current value.
        default: Its value if the variable is unset; empty for none.
        unit: Unit of the value; empty for texts and folders.
        meaning: What it does.
    """

    variable: str
    value: str
    default: str
    unit: str
    meaning: str


def settings() -> Settings:
    """Return the settings from the current environment.

    Raises:
        InvalidSetting: A variable has an invalid value.
    """
    return _read(tuple(sorted(item for item in os.environ.items() if item[0].startswith(PREFIX))))


def default_of(name: str) -> str:
    """Return the default of a setting as text; empty for none."""
    return _text(Settings.model_fields[name].default)


def rows() -> list[Row]:
    """Return all settings with their values.

    Raises:
        InvalidSetting: See `settings`.
    """
    now = settings()
    return [
        Row(variable(name), _text(getattr(now, name)), _text(field.default), _unit_of(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]


def markdown_table() -> str:
    """Return the settings as a Markdown table, without their values."""
    lines = ["| variable | default | unit | meaning |", "| --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = _text(field.default)
        cells = (f"`{variable(name)}`", f"`{default}`" if default else "", _unit_of(field), field.description or "")
        lines.append("|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|")
    return "\n".join(lines)


def variable(name: str) -> str:
    """Return the environment variable of a field."""
    return f"{PREFIX}{name.upper()}"


@lru_cache(maxsize=8)
def _read(_environment: tuple[tuple[str, str], ...]) -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).lower().removeprefix(PREFIX.lower())
        given = _PASSWORD.sub("***@", str(first["input"]))
        raise InvalidSetting(f"{variable(name)}={given!r}", _problem(first), f"{_fix(name)}, or unset it") from error


def _problem(error: Mapping[str, Any]) -> str:
    known = {"float_parsing": "not a number", "int_parsing": "not a whole number", "literal_error": "no such value"}
    return (
        known.get(error["type"])
        or f"must be {str(error['msg']).removeprefix('Input should be ').removeprefix('Value error, ')}"
    )


def _fix(name: str) -> str:
    """Return the allowed values of a variable as a fix."""
    field = Settings.model_fields[name]
    choices = get_args(field.annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        return f"set it to {', '.join(choices[:-1])} or {choices[-1]}"
    default = _text(field.default)
    if isinstance(field.default, str):
        return f"set it to another, such as {default}"
    return f"set it to a number of {_unit_of(field)}" + (f", such as {default}" if default else "")


def _unit_of(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def _text(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
