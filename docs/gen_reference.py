"""Makes the reference pages that follow from the code: analyzers, models, tables, settings, command line.

mkdocs loads this file as a hook and calls `on_files` at each build. The tests call `pages`.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from resources.catalog.rows import OURS, read
from resources.catalog.spec import ModelSpec
from resources.tasks import Task
from resources.tasks.picture_words import PICTURE_WORDS
from resources.warehouse import search
from resources.warehouse.records import FIXED_TABLES
from resources.warehouse.views import DERIVED, ViewSpec, search_index
from vid_assets import analyzers
from vid_assets.contract import STREAMS, Analyzer, Column
from vid_assets.registry import discover, indexes
from vid_assets.sql.publish import texts
from vid_assets.sql.questions import MACROS, views


def pages() -> dict[str, str]:
    """Markdown by path below ``docs``."""
    makers: Mapping[str, Callable[[], str]] = {
        "analyzers": analyzers_page,
        "models": models_page,
        "tables": tables_page,
        "settings": settings_page,
        "cli": cli_page,
    }
    return {f"reference/{name}.md": make() for name, make in makers.items()}


def on_files(files: Any, config: Any) -> Any:
    """Add the pages to the site."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def own_analyzers() -> list[Analyzer]:
    """The analyzers of this project, by name; those of installed packages have documentation of their own."""
    return sorted(
        (item for item in discover() if inspect.getmodule(item.run).__name__.startswith(analyzers.__name__)),  # pyright: ignore[reportOptionalMemberAccess]
        key=lambda item: item.name,
    )


def asking() -> list[Analyzer]:
    """What asks models: the analyzers of this project, and what is made for searching."""
    return [*own_analyzers(), *indexes()]


def analyzers_page() -> str:
    """What each analyzer measures, needs, can be set to, and writes."""
    found = own_analyzers()
    overview = table(
        ("analyzer", "group", "what it measures"),
        ([f"[`{item.name}`](#{item.name})", item.group.replace("_", " "), item.summary] for item in found),
    )
    intro = (
        f"# Analyzers\n\nThere are {len(found)} analyzers. Each writes one table of its own name. "
        "Every table also has the column `video_id`.\nUnit `1` stands for a share, a ratio, an index or a count.\n"
    )
    return "\n".join([intro, overview, *map(_analyzer, found)])


def _analyzer(item: Analyzer) -> str:
    details = item.description.partition("\n")[2].strip()
    parts = [f"## {item.name} {{#{item.name}}}", item.summary, _escaped_blocks(details)]
    parts.append(table(("", ""), _facts(item)))
    if item.config is not None:
        parts += [
            f"### Settings of {item.name}",
            table(("setting", "unit", "range", "default", "meaning"), _settings(item)),
        ]
    parts += [f"### Table {item.name}", table(("column", "type", "unit", "range", "meaning"), _columns(item.table))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(item: Analyzer) -> Iterator[Sequence[str]]:
    yield "group", item.group.replace("_", " ")
    yield "version", item.version
    yield "inputs", ", ".join(_input(name, name in item.optional) for name in item.inputs)
    if item.task is not None:
        optional = ", optional" if "model" in item.optional else ""
        yield "model", f"task [`{item.task.name}`](models.md#{item.task.name}){optional}"
    if item.coverage is not None:
        yield "rows span", f"at least {item.coverage:.0%} of the video"
    yield "budget", f"{item.budget:g} computing seconds per second of video"


def _input(name: str, optional: bool) -> str:
    link = f"stream `{name}`" if name in STREAMS else f"[`{name}`](#{name})"
    return link + (" (optional)" if optional else "")


def _settings(item: Analyzer) -> Iterator[Sequence[str]]:
    assert item.config is not None
    for name, field in item.config.model_fields.items():
        meaning, _, unit = (field.description or "").removesuffix("]").rpartition(" [")
        yield (
            f"`{name}`",
            unit,
            bounds(_bound(field.metadata, "ge"), _bound(field.metadata, "le")),
            code(field.default),
            meaning,
        )


def _bound(metadata: Iterable[Any], name: str) -> float | None:
    return next((getattr(item, name) for item in metadata if hasattr(item, name)), None)


def _columns(columns: Mapping[str, Column]) -> Iterator[Sequence[str]]:
    for name, column in columns.items():
        meaning = column.description + (" May be null." if column.nullable else "")
        yield f"`{name}`", code(column.dtype), column.unit, bounds(column.ge, column.le), meaning


def models_page() -> str:
    """The catalogue by task."""
    tasks = {item.task.name: item.task for item in asking() if item.task is not None} | {
        PICTURE_WORDS.name: PICTURE_WORDS
    }
    rows = list(read(OURS).values())
    intro = (
        "# Models\n\nAn analyzer asks a *task*. The catalogue has one row per model that answers a task. "
        "A profile chooses the row: `offline`\nneeds no model hub. `vid-assets models pull --profile cpu` "
        "fetches the models of `cpu` (or `gpu`) once.\n"
        "The page [Bring a model](../how-to/own-model.md) adds rows of your own.\n"
    )
    return "\n".join([intro, *(_task(tasks[name], rows) for name in sorted(tasks))])


def _task(task: Task, rows: Iterable[ModelSpec]) -> str:
    names = [f"[`{item.name}`](analyzers.md#{item.name})" for item in own_analyzers() if item.task is task]
    names += [f"[`{item.name}`](tables.md#{item.name})" for item in indexes() if item.task is task]
    asked = ", ".join(names) or "[`vid-assets search`](cli.md)"
    columns = ((f"`{name}`", code(field.dtype), field.unit, field.description) for name, field in task.answer.items())
    parts = [
        f"## {task.name} {{#{task.name}}}",
        task.question,
        f"Asked by {asked}. Its Dagster resource, and its table in the configuration file, is `{task.key}`. "
        f"Its method is `{task.method}{_parameters(task)}`.",
        table(
            ("model", "profiles", "source", "revision", "licence", "precision", "memory"),
            (_model(spec) for spec in rows if spec.task == task.name),
        ),
        f"### Answer of {task.name}",
        table(("column", "type", "unit", "meaning"), columns),
    ]
    options = [(spec.name, spec.options) for spec in rows if spec.task == task.name and spec.options]
    if options:
        lines = (
            (f"`{name}`", ", ".join(f"`{key} = {value!r}`" for key, value in values.items()))
            for name, values in options
        )
        parts += [f"### Options of {task.name}", table(("model", "options"), lines)]
    return "\n\n".join(parts) + "\n"


def _parameters(task: Task) -> str:
    return f"({', '.join(str(item).split(':')[0] for item in task.signature.parameters.values())})"


def _model(spec: ModelSpec) -> Sequence[str]:
    repo = f"`resources/weights/{spec.repo.rpartition('/')[2]}`" if spec.source == "folder" else f"`{spec.repo}`"
    memory = f"{spec.memory_mb} MB" + (f", {spec.gpu_share:.0%} of a GPU" if spec.gpu_share else "")
    profiles = ", ".join(spec.profiles) or "by name only"
    return (
        f"`{spec.name}`",
        profiles,
        f"{spec.source} {repo}",
        f"`{spec.revision[:12]}`",
        spec.licence,
        spec.precision,
        memory,
    )


def tables_page() -> str:
    """The tables and views that are not an analyzer's, and the macros."""
    intro = (
        "# Tables and views\n\nEach [analyzer](analyzers.md) has a table of its own name. These are the others. "
        "`FROM data_dictionary` lists\nevery column with its meaning. "
        "[Ask questions in SQL](../how-to/sql.md) shows their use.\n"
    )
    fixed = [_table(spec.name, spec.description, _fixed_columns(spec)) for spec in FIXED_TABLES]
    made = [_index(item) for item in indexes()]
    derived = [_table(view.name, view.description, _view_columns(view)) for view in (*DERIVED, *views(discover()))]
    macros = table(("macro",), ([f"`{signature}`"] for signature in macro_signatures()))
    return "\n".join([intro, *fixed, *made, *derived, "## Macros\n", macros, ""])


def _index(item: Analyzer) -> str:
    summary, _, details = item.description.partition("\n")
    columns = ((f"`{name}`", column.unit, column.description) for name, column in item.table.items())
    key = ("`video_id`", "text", "Partition key of the video")
    text = f"{_escaped_blocks(details.strip())}\n\nIt is made of the answers, for [searching](../how-to/search.md)."
    return f"## {item.name}\n\n{summary}\n\n{text}\n\n{table(('column', 'unit', 'meaning'), [key, *columns])}\n"


def macro_signatures() -> list[str]:
    """Name and parameters of each macro."""
    created = [*MACROS, *search.macros(search_index(texts(discover())), [])]
    return [found[1] for text in created if (found := re.match(r"CREATE MACRO (\w+\([^)]*\))", text))]


def _table(name: str, description: str, columns: Iterable[Sequence[str]]) -> str:
    return f"## {name}\n\n{description}.\n\n{table(('column', 'unit', 'meaning'), columns)}\n"


def _fixed_columns(spec: Any) -> Iterator[Sequence[str]]:
    return ((f"`{column.name}`", column.unit, column.description) for column in spec.columns)


def _view_columns(view: ViewSpec) -> Iterator[Sequence[str]]:
    return ((f"`{name}`", unit, meaning) for name, (unit, meaning) in view.columns.items())


def settings_page() -> str:
    """The table of environment variables."""
    from resources.settings import markdown_table

    return (
        "# Settings\n\nThe settings are environment variables. `vid-assets settings` shows their values. "
        "An empty variable counts as unset.\n"
        "Settings of single analyzers and models are in the [configuration file](../how-to/configuration.md).\n\n"
        f"{markdown_table()}\n"
    )


def cli_page() -> str:
    """The commands of ``vid-assets``, with their arguments and options."""
    from typer.main import get_command

    from vid_assets.cli import app

    root = get_command(app.app)
    lines = ["# Command line", root.help or "", _plain(root.epilog)]
    lines += [_command(("vid-assets", *path), command) for path, command in commands(root)]
    return "\n\n".join(lines) + "\n"


def commands(root: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with its path, groups before what is in them."""
    for name, command in getattr(root, "commands", {}).items():
        yield (*path, name), command
        yield from commands(command, (*path, name))


def _command(path: Sequence[str], command: Any) -> str:
    arguments = [item for item in command.params if item.param_type_name == "argument"]
    options = [item for item in command.params if item.param_type_name == "option" and item.name != "help"]
    usage = " ".join([*path, *(["[OPTIONS]"] if options else []), *map(_metavar, arguments)])
    rows = [
        *((f"`{_metavar(item)}`", "", _plain(item.help)) for item in arguments),
        *((", ".join(f"`{name}`" for name in item.opts), code(_default(item)), _plain(item.help)) for item in options),
    ]
    parts = [f"## {' '.join(path)}", inspect.cleandoc(command.help or ""), f"```console\n$ {usage}\n```"]
    return "\n\n".join([*parts, *([table(("argument or option", "default", "meaning"), rows)] if rows else [])])


def _metavar(item: Any) -> str:
    name = item.metavar or item.name.upper()
    name = f"{name}..." if item.nargs == -1 and not name.endswith("...") else name
    return name if item.required else f"[{name}]"


def _default(item: Any) -> Any:
    value = getattr(item.default, "value", item.default)
    return "" if callable(value) or value in (None, False, "", ()) else value


def _plain(text: str | None) -> str:
    return " ".join((text or "").split())


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(value: Any) -> str:
    """A value as code; empty for an empty text."""
    return f"`{value}`" if value != "" else ""


def bounds(low: float | None, high: float | None) -> str:
    """A range in words."""
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    return f"from {low:g}" if low is not None else f"to {high:g}" if high is not None else ""


def _escaped_blocks(text: str) -> str:
    """A docstring as Markdown: literal blocks of reStructuredText become code, double backticks single ones."""
    text = re.sub(
        r"::\n\n((?: {4}.*\n?|\n)+)", lambda found: ":\n\n```text\n" + inspect.cleandoc(found[1]) + "\n```\n\n", text
    )
    return text.replace("``", "`") if "```" not in text else re.sub(r"(?<!`)``(?!`)", "`", text)
