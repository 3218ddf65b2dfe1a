"""Rows of the catalogue: read from TOML files, checked, and found by task and profile.

Rows come from three places, and the first place that has a name wins: the files that ``VID_CATALOG`` names, the files
of installed packages (entry-point group ``vid_assets.models``), and ``models.toml`` beside this file.
"""

import functools
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from resources.catalog.spec import CHECKPOINT_FILES, PROFILES, ModelSpec, sealed_revision
from resources.errors import CatalogueError, ModelUnavailable
from resources.plugins import offered
from resources.settings import settings

OURS = Path(__file__).parent / "models.toml"
GROUP = "vid_assets.models"
SOURCES = ("hub", "wheel", "package", "folder")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,23}")
_HOST = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def catalogue() -> tuple[ModelSpec, ...]:
    """Return all rows, the user's first. Folders of weights are checked once.

    Raises:
        CatalogueError: A file cannot be read, or a row is invalid.
    """
    return _catalogue(settings().catalog)


@functools.cache
def _catalogue(named: str) -> tuple[ModelSpec, ...]:
    rows: dict[str, ModelSpec] = {}
    for file in (*map(Path, filter(None, named.split(os.pathsep))), *_offered(), OURS):
        for name, spec in read(file).items():
            rows.setdefault(name, spec)
    return tuple(rows.values())


def _offered() -> Iterator[Path]:
    """Yield the files of installed packages. Each entry point names a path in its package."""
    for point in offered(GROUP):
        try:
            yield Path(point.load())
        except (ImportError, AttributeError, TypeError) as error:
            where = f"entry point {point.name} ({point.value}) of the group {GROUP}"
            fix = "name the path of a TOML file, or uninstall the package"
            raise CatalogueError(where, f"cannot be loaded: {error}", fix) from error


def read(file: Path) -> dict[str, ModelSpec]:
    """Return the rows of one TOML file by name.

    Raises:
        CatalogueError: The file cannot be read, or a row is invalid.
    """
    try:
        content = tomllib.loads(file.read_text())
    except OSError as error:
        raise CatalogueError(
            str(file), f"cannot be read ({error.strerror})", "correct VID_CATALOG or the package"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(str(file), f"is not TOML: {error}", "correct the file") from error
    if strange := sorted(set(content) - {"model"}):
        raise CatalogueError(str(file), f"has the unknown tables {strange}", "write each model as [[model]]")
    listed = content.get("model", [])
    if not isinstance(listed, list) or not all(isinstance(values, dict) for values in listed):
        raise CatalogueError(str(file), "its model is not a list of tables", "write each model as [[model]]")
    rows: dict[str, ModelSpec] = {}
    for number, values in enumerate(listed, 1):
        spec = _row(values, f"{file}, model {number} ({values.get('name', 'without a name')})", file.parent)
        if spec.name in rows:
            raise CatalogueError(f"{file}, model {number}", f"the name {spec.name!r} is used twice", "rename one")
        rows[spec.name] = spec
    return rows


def _row(values: Mapping[str, Any], where: str, folder: Path) -> ModelSpec:
    """Return one checked row."""
    known = {item.name for item in fields(ModelSpec)}
    if strange := sorted(set(values) - known):
        raise CatalogueError(where, f"has the unknown fields {strange}", f"use some of {', '.join(sorted(known))}")
    given = dict(values)
    if given.get("source") == "folder" and isinstance(given.get("repo"), str):
        path = (folder / Path(given["repo"]).expanduser()).resolve()
        given |= {"repo": str(path), "revision": sealed_revision(path)}
    if given.get("source") == "hub":
        given.setdefault("patterns", CHECKPOINT_FILES)
    try:
        spec = _rules().validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CatalogueError(where, f"{place}: {first['msg']}", f"correct {place}") from error
    _check(spec, where)
    return spec


@functools.cache
def _rules() -> TypeAdapter[ModelSpec]:
    return TypeAdapter(ModelSpec)


def _check(spec: ModelSpec, where: str) -> None:
    checks = (
        ("name", _NAME.fullmatch(spec.name), "use at most 24 of a-z 0-9 . _ -, a letter or digit first"),
        ("task", spec.task.isidentifier(), "use the name of a task, such as objects"),
        ("profiles", set(spec.profiles) <= set(PROFILES), f"use some of {', '.join(PROFILES)}, or none"),
        ("host", _HOST.fullmatch(spec.host), "use module:Class"),
        ("source", spec.source in SOURCES, f"use one of {', '.join(SOURCES)}"),
        ("memory_mb", spec.memory_mb > 0, "use the MB that the host process needs"),
        ("gpu_share", 0 <= spec.gpu_share <= 1, "use a share from 0 to 1"),
        ("batch", spec.batch >= 1, "use at least 1"),
        ("options", _is_plain(spec.options), "use texts, numbers, booleans, lists and tables of them"),
        ("files", spec.files or spec.source in ("hub", "folder"), "name each file with its sha256"),
    )
    for name, good, fix in checks:
        if not good:
            raise CatalogueError(where, f"{name} = {getattr(spec, name)!r} is not valid", fix)


def _is_plain(value: Any) -> bool:
    """Whether JSON supports the value. It does not support TOML dates and times."""
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return isinstance(value, str | bool | int | float)


def find(task: str, profile: str, name: str = "") -> ModelSpec:
    """Return the row that answers a task in a profile.

    Args:
        task: Name of the task.
        profile: One of `PROFILES`.
        name: A row to use instead of the profile's default; empty for the default.

    Raises:
        ModelUnavailable: There is no such row.
    """
    rows = [spec for spec in catalogue() if spec.task == task]
    for spec in rows:
        if spec.name == name or (not name and profile in spec.profiles):
            return spec
    if name:
        known = ", ".join(spec.name for spec in rows) or "none"
        raise ModelUnavailable(f"model {name!r}", f"no such model for the task {task}", f"the catalogue has {known}")
    raise ModelUnavailable(task, f"the profile {profile!r} has no model for it", _instead(rows, profile))


def _instead(rows: Iterable[ModelSpec], profile: str) -> str:
    for spec in rows:
        if spec.profiles:
            other = spec.profiles[0]
            return f"vid-assets models pull --profile {other} fetches one; then set VID_PROFILE={other}"
    tasks = sorted({spec.task for spec in catalogue() if profile in spec.profiles})
    return f"it answers {', '.join(tasks) or 'nothing'}"
