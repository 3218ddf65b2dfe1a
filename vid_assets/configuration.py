"""Configuration of an archive: settings of analyzers and models, from one TOML file that ``VID_CONFIG`` names.

    [analyzers.object_detection]   # fields of the analyzer's Config
    min_score = 0.5

    [media]                        # how the streams are made: fields of streams.MediaResource
    frames_per_s = 1

    [models.blip2]                 # fields of the Dagster resource
    repo = "Salesforce/blip2-flan-t5-xl"
    revision = "<commit>"

Anything not in the file keeps its default. The launchpad shows these values, and you can change them for one run.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pydantic

from resources.hosting.handle import ModelHostsResource, ModelResource, handle_of
from resources.settings import settings
from resources.tasks import Task
from resources.tasks.picture_words import PICTURE_WORDS
from vid_assets.contract import Analyzer, Config
from vid_assets.errors import SettingsError
from vid_assets.registry import computed
from vid_assets.streams import MediaResource

MODEL_HOSTS = ModelHostsResource.configure_at_launch()


@dataclass(frozen=True)
class Configuration:
    """Content of an archive's configuration file.

    Attributes:
        analyzers: Settings of each analyzer that has any.
        models: Model handle for each task in use, by the key of its Dagster resource.
        media: How the streams are made.
    """

    analyzers: Mapping[str, Config] = field(default_factory=dict)
    models: Mapping[str, ModelResource] = field(default_factory=dict)
    media: MediaResource = field(default_factory=MediaResource)

    def settings_of(self, analyzer: Analyzer) -> Config | None:
        """Return the settings of the analyzer; None if it has none."""
        defaults = analyzer.config() if analyzer.config is not None else None
        return self.analyzers.get(analyzer.name, defaults)

    def handle_for(self, analyzer: Analyzer) -> ModelResource | None:
        """Return the handle of the analyzer's model; None if it uses no model."""
        return None if analyzer.task is None else self.handle_of(analyzer.task)

    def handle_of(self, task: Task) -> ModelResource:
        """Return the handle of the model that answers a task."""
        return self.models.get(task.key) or handle_of(task)(hosts=MODEL_HOSTS)


def configuration() -> Configuration:
    """Return the current configuration. Each file is read once.

    Raises:
        SettingsError: The file cannot be read, names something that does not exist, or has a value out of range.
    """
    return _configuration(settings().config)


@cache
def _configuration(path: str) -> Configuration:
    content = read(Path(path)) if path else {"analyzers": {}, "media": {}, "models": {}}
    where = path or "configuration"
    analyzers = {item.name: item for item in computed()}
    # nothing is computed for a video with the words for pictures: searching asks for them
    asked = [*(item.task for item in analyzers.values() if item.task is not None), PICTURE_WORDS]
    tasks = {task.key: task for task in asked}
    _refuse_unknown(f"{where}, [analyzers]", content["analyzers"], analyzers)
    _refuse_unknown(f"{where}, [models]", content["models"], tasks)
    return Configuration(
        {
            name: _settings(item, content["analyzers"].get(name, {}), where)
            for name, item in analyzers.items()
            if item.config is not None or name in content["analyzers"]
        },
        {key: _handle(task, content["models"].get(key, {}), where) for key, task in tasks.items()},
        _media(content["media"], f"{where}, [media]"),
    )


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Return the tables ``analyzers``, ``media`` and ``models`` of a configuration file. A missing table is empty.

    Raises:
        SettingsError: The file cannot be read or has unknown tables.
    """
    try:
        content = tomllib.loads(path.expanduser().read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"VID_CONFIG {path}", f"cannot be read: {error}", "correct the path or the file") from error
    kinds = ("analyzers", "media", "models")
    _refuse_unknown(str(path), content, dict.fromkeys(kinds))
    tables = {kind: content.get(kind, {}) for kind in kinds}
    for kind, table in tables.items():
        if not isinstance(table, dict):
            raise SettingsError(str(path), f"{kind} = {table!r} is not a table", f"write it as [{kind}]")
        for name, values in table.items():
            if kind != "media" and not isinstance(values, dict):
                place = f"[{kind}.{name}]"
                raise SettingsError(f"{path}, {place}", f"{values!r} is not a table", f"write its settings as {place}")
    return tables


def _refuse_unknown(where: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    if strange := sorted(set(given) - set(known)):
        raise SettingsError(where, f"unknown names {', '.join(strange)}", f"use some of {', '.join(sorted(known))}")


def _settings(analyzer: Analyzer, values: Mapping[str, Any], where: str) -> Config:
    place = f"{where}, [analyzers.{analyzer.name}]"
    if analyzer.config is None:
        raise SettingsError(place, "this analyzer has no settings", "remove the table")
    try:
        return analyzer.config(**values)
    except pydantic.ValidationError as error:
        raise _complaint(place, error, analyzer.config) from error


def _handle(task: Task, values: Mapping[str, Any], where: str) -> ModelResource:
    kind = handle_of(task)
    place = f"{where}, [models.{task.key}]"
    fields = {name: item for name, item in kind.model_fields.items() if name != "hosts"}
    _refuse_unknown(place, values, fields)
    try:
        return kind(hosts=MODEL_HOSTS, **values)
    except pydantic.ValidationError as error:
        raise _complaint(place, error, kind) from error


def _media(values: Mapping[str, Any], place: str) -> MediaResource:
    _refuse_unknown(place, values, MediaResource.model_fields)
    try:
        media = MediaResource(**values)
        media.settings()
    except pydantic.ValidationError as error:
        raise _complaint(place, error, MediaResource) from error
    except SettingsError as error:
        raise SettingsError(f"{place} {error.culprit}", error.problem, error.fix) from error
    return media


def _complaint(place: str, error: pydantic.ValidationError, kind: type[pydantic.BaseModel]) -> SettingsError:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    fix = f"use some of {', '.join(kind.model_fields)}" if first["type"] == "extra_forbidden" else f"correct {name}"
    return SettingsError(place, f"{name} = {first.get('input')!r}: {first['msg']}", fix)
