"""What the documentation says works: its code, its commands, its names, its links."""

import importlib.util
import re
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from resources.catalog.rows import read as read_rows
from resources.hosting.handle import ModelResource
from resources.settings import Settings, markdown_table, variable
from resources.warehouse.resource import Warehouse
from vid_assets.cli import app
from vid_assets.configuration import _configuration as read
from vid_assets.contract import Analyzer
from vid_assets.media.settings import VARIABLES
from vid_assets.registry import discover
from vid_assets.sql.publish import publish
from vid_assets.streams import MediaResource

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(DOCS.rglob("*.md")),
    *sorted((ROOT / "examples").rglob("README.md")),
]
_FENCE = re.compile(r"^(<!-- runs -->\n)?```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    title: str
    runs: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str, page: str = "") -> list[Any]:
    found = [block for path in PAGES for block in _blocks_of(path)]
    chosen = [block for block in found if block.language in languages and str(block.page).endswith(page)]
    assert chosen
    return [pytest.param(block, id=str(block)) for block in chosen]


def _blocks_of(path: Path) -> Iterator[Block]:
    text = path.read_text()
    for found in _FENCE.finditer(text):
        marked, language, info, content = found.groups()
        options = dict(re.findall(r'(\w+)="([^"]*)"', info))
        line = text.count("\n", 0, found.start()) + 1
        yield Block(path, line, language, content, options.get("title", ""), marked is not None)


def generated() -> ModuleType:
    return _module(DOCS / "gen_reference.py")


def example(path: str) -> ModuleType:
    return _module(ROOT / "examples" / path)


def _module(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    return generated().pages()


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    warehouse = Warehouse(path=str(tmp_path_factory.mktemp("warehouse")))
    publish(warehouse)
    with warehouse.connect() as opened:
        yield opened


@pytest.mark.parametrize("block", blocks("python"))
def test_python_compiles_and_what_is_marked_runs(block: Block) -> None:
    code = compile(block.text, str(block), "exec")
    if block.runs:
        names: dict[str, Any] = {"__name__": "shown"}
        exec(code, names)
        assert isinstance(names["ANALYZER"], Analyzer)


@pytest.mark.parametrize(
    "block",
    [*blocks("python", "toml", page="own-analyzer.md"), *blocks("python", "toml", page="own-model.md")],
)
def test_files_of_the_example_packages_are_shown_as_they_are(block: Block) -> None:
    file = ROOT / "examples" / block.title
    if block.title.startswith("vid-assets-") and "/test_" not in block.title:
        assert block.text == file.read_text()


def test_every_file_of_the_example_packages_is_shown() -> None:
    shown = {block.values[0].title for block in blocks("python", "toml")}
    files = [path for path in (ROOT / "examples").rglob("*") if path.suffix in (".py", ".toml")]
    ours = [str(path.relative_to(ROOT / "examples")) for path in files if "build" not in path.parts]
    assert [path for path in ours if path not in shown] == []


def test_the_test_that_the_page_shows_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = (item.values[0] for item in blocks("python") if item.values[0].title.endswith("test_mean_luma.py"))
    monkeypatch.syspath_prepend(ROOT / "examples" / "vid-assets-mean-luma")
    names: dict[str, Any] = {"__name__": "shown"}
    exec(compile(block.text, str(block), "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()


def test_the_host_that_the_page_tries_answers_as_it_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = (item.values[0] for item in blocks("python") if item.values[0].title == "try_red_blob.py")
    monkeypatch.syspath_prepend(ROOT / "examples" / "vid-assets-red-detector")
    names: dict[str, Any] = {"__name__": "shown"}
    exec(compile(block.text, str(block), "exec"), names)
    assert names["answer"].rows() == [(0, "red thing", 1.0, 0.25, 0.2, 0.5, 0.6)]
    assert "red thing" in capsys.readouterr().out


def test_the_clip_that_the_page_makes_shows_something_red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import av

    (block,) = (item.values[0] for item in blocks("python") if item.values[0].title == "make_clip.py")
    monkeypatch.chdir(tmp_path)
    exec(compile(block.text, str(block), "exec"), {})
    with av.open("clip.mp4") as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) == 40
    red, green, blue = pictures[0][72, 120].tolist()
    assert red > 200 > 100 > max(green, blue)


@pytest.mark.parametrize("block", blocks("toml"))
def test_toml_is_accepted_by_what_reads_it(block: Block, tmp_path: Path) -> None:
    content = tomllib.loads(block.text)
    file = tmp_path / "archive.toml"
    file.write_text(block.text)
    if "model" in content:
        weights = ROOT / "examples" / "vid-assets-red-detector" / "vid_assets_red_detector" / "weights"
        shutil.copytree(weights, tmp_path / "weights")
        assert len(read_rows(file)) == len(content["model"])
    elif "mean_luma" in content.get("analyzers", {}):
        settings = example("vid-assets-mean-luma/vid_assets_mean_luma.py").Settings
        assert settings(**content["analyzers"]["mean_luma"]).margin == 0.1
    elif "project" not in content:
        read.__wrapped__(str(file))


@pytest.mark.parametrize("block", blocks("sql"))
def test_sql_runs(block: Block, connection: Any) -> None:
    for query in _queries(block):
        assert connection.execute(query).description


def test_there_are_ten_questions() -> None:
    numbered = [
        query for item in blocks("sql", page="sql.md") for query in _queries(item.values[0]) if query[:3] == "-- "
    ]
    assert [query.split(".")[0] for query in numbered] == [f"-- {number}" for number in range(1, 11)]


def _queries(block: Block) -> list[str]:
    return [query.strip() for query in block.text.split(";\n") if query.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_target_and_variable_that_it_names_exists(page: Path) -> None:
    text = page.read_text()
    code = "\n".join([*re.findall(r"`([^`\n]+)`", text), *re.findall(r"^\$ (.*)$", text, re.MULTILINE)])
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^|[&;] *)make ((?:[a-z][a-z-]*(?: |$)+)+)", code, re.MULTILINE)
    assert {target for names in named for target in names.split()} - targets == set()
    assert [
        line for line in re.findall(r"vid-assets( [^`\n&|]*)", code) if (problem := _unknown(line.split()))
    ] == [], problem
    known = {variable(name) for name in Settings.model_fields}
    assert set(re.findall(r"\bVID_[A-Z_]*[A-Z]\b", text)) - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_of_the_repository_that_it_names_exists(page: Path) -> None:
    rooms = "vid_assets|resources|tests|tools|training|evaluation|benchmarks|docs|examples"
    named = re.findall(rf"`((?:{rooms})/[\w/.-]*)`", page.read_text())
    tags = {"vid_assets/expected_s"}
    assert [path for path in named if path not in tags and not (ROOT / path).exists()] == []


def _unknown(words: list[str]) -> str:
    """What is wrong with a command line of ``vid-assets``; empty if nothing is."""
    from typer.main import get_command

    command = get_command(app.app)
    while words and getattr(command, "commands", None) and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    options = {name for item in command.params for name in item.opts} | {"--help", "--install-completion"}
    strange = [word for word in words if word.startswith("--") and word != "--" and word.rstrip(".,:;") not in options]
    if words and getattr(command, "commands", None) and not words[0].startswith("-"):
        strange.append(words[0])
    return f"{command.name} has no {', '.join(strange)}" if strange else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path, reference: dict[str, str]) -> None:
    made = {DOCS / path: text for path, text in reference.items()}
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", page.read_text())):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        # a page of the site may link to what is made with the site; what people read in the repository may not
        there = target.exists() or (page.is_relative_to(DOCS) and target in made)
        text = made.get(target) or (target.read_text() if target.suffix == ".md" and target.exists() else "")
        if not there or (anchor and anchor not in _anchors(text)):
            broken.append(link)
    assert broken == []


def _anchors(text: str) -> set[str]:
    given = set(re.findall(r"^#.*\{#([\w-]+)\}", text, re.MULTILINE))
    titles = re.findall(r"^#+ (.*?)(?: \{#.*)?$", text, re.MULTILINE)
    return given | {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip()) for title in titles}


def test_every_page_is_in_the_navigation(reference: dict[str, str]) -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    there = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} | set(reference)
    named = set(re.findall(r"[\w/-]+\.md", text))
    assert named == there


def test_the_quickstart_names_every_analyzer() -> None:
    text = (DOCS / "index.md").read_text()
    own = [item.name for item in generated().own_analyzers()]
    assert len(own) == 27
    assert [name for name in own if f"`{name}`" not in text] == []


def test_the_reference_has_every_analyzer_with_all_columns_and_settings(reference: dict[str, str]) -> None:
    sections = reference["reference/analyzers.md"].split("\n## ")[1:]
    by_name = {section.partition(" ")[0]: section for section in sections}
    assert list(by_name) == sorted(item.name for item in discover())
    for item in discover():
        rows = _cells(by_name[item.name])
        for name, column in item.table.items():
            assert [f"`{name}`", f"`{column.dtype}`", column.unit] in [row[:3] for row in rows]
        if item.config is not None:
            assert {f"`{name}`" for name in item.config.model_fields} <= {row[0] for row in rows}


def test_a_setting_shows_unit_range_default_and_meaning(reference: dict[str, str]) -> None:
    (row,) = [
        row for row in _cells(reference["reference/analyzers.md"]) if row[0] == "`min_score`" and "0.38" in row[3]
    ]
    assert row[1:4] == ["1", "0.2 to 1", "`0.38`"]
    assert row[4].startswith("Score from which")


def test_the_reference_has_every_model_table_setting_and_command(reference: dict[str, str]) -> None:
    from resources.catalog.rows import OURS
    from resources.warehouse.records import FIXED_TABLES

    models, tables = _cells(reference["reference/models.md"]), reference["reference/tables.md"]
    for spec in read_rows(OURS).values():
        (row,) = [row for row in models if row[0] == f"`{spec.name}`" and len(row) == 7]
        assert row[4] == spec.licence
        assert row[6].startswith(f"{spec.memory_mb} MB")
    assert [item.name for item in FIXED_TABLES if f"## {item.name}\n" not in tables] == []
    assert "`clips(what, source := '', gap_s := 1.0)`" in tables
    assert markdown_table() in reference["reference/settings.md"]
    assert [name for name, _ in VARIABLES.values() if f"`{name}`" not in reference["reference/settings.md"]] == []
    assert "## vid-assets models pull" in reference["reference/cli.md"]
    assert "`--dry-run`" in reference["reference/cli.md"]


def _cells(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| ")
    ]


def test_the_configuration_page_has_every_field_of_the_media_and_of_models() -> None:
    text = (DOCS / "how-to" / "configuration.md").read_text()
    named = {row[0] for row in _cells(text)}
    fields = {*MediaResource.model_fields, *ModelResource.model_fields} - {"hosts"}
    assert {f"`{name}`" for name in fields} - named == set()


def test_every_decision_is_in_the_index() -> None:
    index = (DOCS / "adr" / "index.md").read_text()
    pages = [path.name for path in (DOCS / "adr").glob("[0-9]*.md")]
    assert len(pages) >= 9
    assert [name for name in pages if f"]({name})" not in index] == []
